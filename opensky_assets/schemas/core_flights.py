"""Core flights: every flight once, and the flights of the API that gave way to one of a flight list."""

import pyarrow as pa

from opensky_assets.schemas.contract import TIMESTAMP, Column, Contract
from opensky_assets.schemas.flights import FLIGHTS

_KEY = ("icao24", "firstseen", "lastseen")
_SOURCES = Column(
    "source_objects", pa.list_(pa.string()), "Keys of the objects that have the flight, sorted", nullable=False
)

CORE_FLIGHTS = Contract(
    name="core_flights",
    path="core/flights",
    version="1",
    description=(
        "Every flight once, by the UTC day of `lastseen`. Records with equal icao24, firstseen and lastseen are one "
        "flight; a flight that only the API has is superseded by the same flight of a flight list."
    ),
    key=_KEY,
    day_column="lastseen",
    columns=(
        *FLIGHTS.columns,
        _SOURCES,
        Column("origin_kind", pa.string(), "`list` where a flight list has the flight, else `api`", nullable=False),
    ),
)

SUPERSEDED_FLIGHTS = Contract(
    name="superseded_flights",
    path="core/superseded_flights",
    version="1",
    description="Flights of the API that a flight of a flight list superseded, with that flight.",
    key=_KEY,
    day_column="lastseen",
    columns=(
        *(FLIGHTS.by_name[name] for name in ("icao24", "callsign", "origin", "destination", "firstseen", "lastseen")),
        _SOURCES,
        Column("by_firstseen", TIMESTAMP, "firstseen of the flight that superseded it", unit="UTC"),
        Column("by_lastseen", TIMESTAMP, "lastseen of the flight that superseded it", unit="UTC", nullable=False),
        Column(
            "by_source_objects",
            pa.list_(pa.string()),
            "Keys of the objects that have the flight that superseded it, sorted",
            nullable=False,
        ),
    ),
)
