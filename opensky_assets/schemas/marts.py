"""The marts: what the dbt models promise. A test holds these against the models' own contracts."""

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract

ROUTES = Contract(
    name="routes",
    path="marts/routes",
    version="1",
    description="Flights by day, origin and destination, of the flights with both airports given.",
    key=("origin", "destination"),
    columns=(
        Column("origin", pa.string(), "Airport of departure", nullable=False),
        Column("destination", pa.string(), "Airport of arrival", nullable=False),
        Column("flights", pa.int64(), "Flights last seen on the day", nullable=False, minimum=1),
        Column("aircraft", pa.int64(), "Distinct aircraft among them", nullable=False, minimum=1),
        Column("distance_km", pa.float64(), "Great-circle distance of the two airports", unit="km"),
        Column("mean_duration_s", pa.float64(), "Mean of lastseen - firstseen", unit="s"),
    ),
)

DATA_QUALITY_DAILY = Contract(
    name="data_quality_daily",
    path="marts/data_quality_daily",
    version="1",
    description="What happened to the records of each table on each day, and how much of them is known.",
    key=("table_name", "measure"),
    columns=(
        Column("table_name", pa.string(), "Table that is spoken of", nullable=False),
        Column(
            "measure",
            pa.string(),
            "read, written, quarantined, quarantined:<reason>, undated:<reason>, unknown_origin, unknown_destination, "
            "unmatched_aircraft",
            nullable=False,
        ),
        Column("records", pa.int64(), "How many records", nullable=False, minimum=0),
    ),
)

MARTS = (ROUTES, DATA_QUALITY_DAILY)

UPSTREAM = {
    "routes": ["enriched_flights"],
    "data_quality_daily": ["enriched_flights", "raw_flights", "raw_state_vectors"],
}
"""The assets that each mart is computed from."""
