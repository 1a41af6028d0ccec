"""The marts: what the dbt models promise. A test holds these against the models' own contracts."""

import pyarrow as pa

from opensky_assets.schemas.contract import TIMESTAMP, Column, Contract

BUSIEST = 15
"""How many airports the daily origin-destination matrix has."""

AIRPORT_MOVEMENTS_HOURLY = Contract(
    name="airport_movements_hourly",
    path="marts/airport_movements_hourly",
    version="1",
    description=(
        "Arrivals and departures by airport and hour. The day is the day of the movement: of firstseen for a "
        "departure, of lastseen for an arrival. Hours without a movement have no row. Left out, and counted in "
        "data_quality_daily: flights without that airport, departures without a firstseen."
    ),
    key=("airport", "hour"),
    columns=(
        Column("airport", pa.string(), "Airport (ICAO or local code)", nullable=False),
        Column("hour", TIMESTAMP, "Start of the hour", unit="UTC", nullable=False),
        Column("arrivals", pa.int64(), "Flights last seen in the hour, bound for the airport", "flights", False, 0),
        Column("departures", pa.int64(), "Flights first seen in the hour, from the airport", "flights", False, 0),
        Column(
            "rolling_60min_max",
            pa.int64(),
            "Most movements within 60 minutes that end at a movement of this hour; reaches back over the hour and "
            "the day",
            "movements",
            nullable=False,
            minimum=1,
        ),
    ),
)

AIRPORT_TRAFFIC = Contract(
    name="airport_traffic",
    path="marts/airport_traffic",
    version="1",
    description=(
        "Outbound and inbound flights by airport and day of the movement: outbound by the day of firstseen, inbound "
        "by that of lastseen. The same flights as in airport_movements_hourly."
    ),
    key=("airport",),
    columns=(
        Column("airport", pa.string(), "Airport (ICAO or local code)", nullable=False),
        Column("airport_name", pa.string(), "Name of the airport; empty: not in the airports table"),
        Column("country", pa.string(), "ISO 3166-1 alpha-2 code of its country"),
        Column("outbound", pa.int64(), "Departures", "flights", nullable=False, minimum=0),
        Column("inbound", pa.int64(), "Arrivals", "flights", nullable=False, minimum=0),
        Column(
            "destinations", pa.int64(), "Distinct airports that the departures were bound for", "airports", False, 0
        ),
        Column("origins", pa.int64(), "Distinct airports that the arrivals came from", "airports", False, 0),
    ),
)

ROUTES = Contract(
    name="routes",
    path="marts/routes",
    version="2",
    description="Flights by day, origin and destination, of the flights with both airports given.",
    key=("origin", "destination"),
    columns=(
        Column("origin", pa.string(), "Airport of departure", nullable=False),
        Column("destination", pa.string(), "Airport of arrival", nullable=False),
        Column("flights", pa.int64(), "Flights last seen on the day", "flights", nullable=False, minimum=1),
        Column("aircraft", pa.int64(), "Distinct aircraft among them", "aircraft", nullable=False, minimum=1),
        Column("distance_km", pa.float64(), "Great-circle distance of the two airports", unit="km"),
        Column("mean_duration_s", pa.float64(), "Mean of lastseen - firstseen", unit="s"),
    ),
)

OD_MATRIX = Contract(
    name="od_matrix",
    path="marts/od_matrix",
    version="1",
    description=(
        f"Flights among the {BUSIEST} busiest airports of the day (by departures and arrivals of the flights in "
        "routes; equals in alphabetical order): every cell of the matrix, empty ones with 0. For another number of "
        "airports or more days: od_matrix_between."
    ),
    key=("origin_rank", "destination_rank"),
    columns=(
        Column("origin_rank", pa.int64(), "Rank of the origin, 1 is the busiest", nullable=False, minimum=1),
        Column("destination_rank", pa.int64(), "Rank of the destination", nullable=False, minimum=1),
        Column("origin", pa.string(), "Airport of departure", nullable=False),
        Column("destination", pa.string(), "Airport of arrival", nullable=False),
        Column("flights", pa.int64(), "Flights last seen on the day, 0 for none", "flights", False, 0),
        Column(
            "airports", pa.int64(), f"N, the airports in the matrix: {BUSIEST}, or all there are", "airports", False
        ),
        Column(
            "pairs_served",
            pa.int64(),
            "Pairs of two different airports with a flight, each direction by itself",
            "pairs",
            nullable=False,
            minimum=0,
        ),
        Column(
            "connectivity",
            pa.float64(),
            "pairs_served / N(N-1), the pairs there can be; empty for N = 1",
            "share",
            minimum=0,
            maximum=1,
        ),
        Column(
            "connectivity_all_cells",
            pa.float64(),
            "Cells with a flight, the diagonal included, / N²: a figure often quoted, cannot reach 1 without "
            "flights from each airport to itself",
            "share",
            nullable=False,
            minimum=0,
            maximum=1,
        ),
    ),
)

MANUFACTURERS = Contract(
    name="manufacturers",
    path="marts/manufacturers",
    version="1",
    description="Flights by manufacturer and type. Every flight of the day is in exactly one row.",
    key=("manufacturer", "typecode"),
    columns=(
        Column(
            "manufacturer",
            pa.string(),
            "ICAO code of the manufacturer, else its name, in upper case, from the aircraft database; empty: not known",
        ),
        Column("typecode", pa.string(), "ICAO aircraft type designator, as the flight gives it; empty: not known"),
        Column("flights", pa.int64(), "Flights last seen on the day", "flights", nullable=False, minimum=1),
        Column("aircraft", pa.int64(), "Distinct aircraft among them", "aircraft", nullable=False, minimum=1),
        Column("distance_km", pa.float64(), "Sum over the flights with both airports known", unit="km", minimum=0),
    ),
)

AIRCRAFT_UTILISATION = Contract(
    name="aircraft_utilisation",
    path="marts/aircraft_utilisation",
    version="1",
    description="Legs, hours and kilometres by aircraft and day. A leg counts on the day it was last seen, as a whole.",
    key=("icao24",),
    columns=(
        Column("icao24", pa.string(), "Transponder address", nullable=False),
        Column("registration", pa.string(), "Tail number, of its last leg that gives one"),
        Column("typecode", pa.string(), "ICAO aircraft type designator, of its last leg that gives one"),
        Column("operator", pa.string(), "Operator, from the aircraft database"),
        Column("legs", pa.int64(), "Flights last seen on the day", "flights", nullable=False, minimum=1),
        Column("hours", pa.float64(), "Sum of lastseen - firstseen", unit="h", minimum=0),
        Column("distance_km", pa.float64(), "Sum of the great-circle distances of its legs", unit="km", minimum=0),
        Column(
            "legs_with_distance",
            pa.int64(),
            "Legs that distance_km is the sum of: both airports known",
            "flights",
            nullable=False,
            minimum=0,
        ),
    ),
)

DATA_QUALITY_DAILY = Contract(
    name="data_quality_daily",
    path="marts/data_quality_daily",
    version="3",
    description="What happened to the records of each table on each day, and how much of them is known.",
    key=("table_name", "measure"),
    columns=(
        Column("table_name", pa.string(), "Name of the table that the measure is about", nullable=False),
        Column(
            "measure",
            pa.string(),
            "Of raw tables: read, written, quarantined, superseded, quarantined:<reason>, undated:<reason>. Of "
            "core_flights, by origin (list or api): inputs:<origin> = flights:<origin> + repeated:<origin> + "
            "superseded:<origin>. Of enriched_state_vectors: inputs = states + repeated. Of enriched_flights: "
            "flights, origin_not_given, destination_not_given, firstseen_not_given, unknown_origin and "
            "unknown_destination (not given, or not in the airports table), unmatched_aircraft, "
            "departures_not_counted and arrivals_not_counted (in the marts of movements)",
            nullable=False,
        ),
        Column("records", pa.int64(), "How many records", "records", nullable=False, minimum=0),
    ),
)

MARTS = (
    AIRPORT_MOVEMENTS_HOURLY,
    AIRPORT_TRAFFIC,
    ROUTES,
    OD_MATRIX,
    MANUFACTURERS,
    AIRCRAFT_UTILISATION,
    DATA_QUALITY_DAILY,
)

BY_MOVEMENT = (AIRPORT_MOVEMENTS_HOURLY, AIRPORT_TRAFFIC)
"""Marts whose day is that of a movement: a flight counts on the day it left as well as on the day it arrived."""
