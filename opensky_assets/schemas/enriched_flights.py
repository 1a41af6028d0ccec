"""Enriched flights: raw flights with their aircraft, their airports, and what follows from both."""

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract
from opensky_assets.schemas.core_flights import CORE_FLIGHTS

LOCAL = pa.timestamp("us")


def _airport(end: str) -> tuple[Column, ...]:
    return (
        Column(f"{end}_name", pa.string(), f"Name of the {end} airport; empty: unknown"),
        Column(f"{end}_city", pa.string(), f"City of the {end} airport"),
        Column(f"{end}_country", pa.string(), f"ISO 3166-1 alpha-2 code of the country of the {end} airport"),
    )


ENRICHED_FLIGHTS = Contract(
    name="enriched_flights",
    path="core/enriched_flights",
    version="3",
    description="Every row of flights once, with operator, manufacturer, airports, distance, duration and speed.",
    key=CORE_FLIGHTS.key,
    day_column="lastseen",
    columns=(
        *CORE_FLIGHTS.columns,
        Column("aircraft_matched", pa.bool_(), "The aircraft is in the aircraft database", nullable=False),
        Column("manufacturername", pa.string(), "Manufacturer, from the aircraft database"),
        Column("manufacturericao", pa.string(), "ICAO code of the manufacturer, from the aircraft database"),
        Column("model", pa.string(), "Model, from the aircraft database"),
        Column("operator", pa.string(), "Operator, from the aircraft database"),
        Column(
            "operator_name",
            pa.string(),
            "Name of the operator: for each ICAO code the name most of its aircraft have, else their most frequent "
            "radio callsign, in capitals; without a code, the operator; empty: unknown",
            since="3",
        ),
        Column("operatoricao", pa.string(), "ICAO code of the operator, from the aircraft database"),
        Column("airline_icao", pa.string(), "First three letters of an airline callsign (three letters, then a digit)"),
        *_airport("origin"),
        *_airport("destination"),
        Column("distance_km", pa.float64(), "Great-circle distance between the two airports (R = 6371.0088 km)", "km"),
        Column("duration_s", pa.int64(), "lastseen - firstseen", unit="s", minimum=0, maximum=86400),
        Column(
            "mean_speed_kmh",
            pa.float64(),
            "distance_km over duration; empty where origin and destination are the same",
            unit="km/h",
            minimum=0,
            maximum=1300,
        ),
        Column("domestic", pa.bool_(), "Both airports in one country; empty where one is unknown"),
        Column("departure_local", LOCAL, "firstseen in the local time of the origin airport", unit="local time"),
        Column("arrival_local", LOCAL, "lastseen in the local time of the destination airport", unit="local time"),
        Column("aircraft_snapshot", pa.string(), "Version of the aircraft database that was joined", nullable=False),
    ),
)
