"""The catalogue: every table of the lake under the name it has in Dagster, in SQL and in the docs."""

from __future__ import annotations

from dataclasses import dataclass

from opensky_assets.schemas.aircraft import AIRCRAFT_DATABASE
from opensky_assets.schemas.airports import AIRPORTS
from opensky_assets.schemas.contract import Contract
from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.schemas.enriched_flights import ENRICHED_FLIGHTS
from opensky_assets.schemas.enriched_states import ENRICHED_STATES
from opensky_assets.schemas.flights import FLIGHTS
from opensky_assets.schemas.marts import BY_MOVEMENT, MARTS
from opensky_assets.schemas.quarantine import QUARANTINE
from opensky_assets.schemas.state_vectors import STATE_VECTORS


@dataclass(frozen=True)
class Table:
    """A table of the lake. `path` is one Parquet file, or a folder with one folder `day=YYYY-MM-DD` a day."""

    name: str
    group: str
    path: str
    contract: Contract
    day: str
    """What the day is the day of; empty for a table without days."""
    origin: str
    """What the table is made of."""
    asset: str = ""
    """The asset that writes it, where that has not the table's name."""

    @property
    def daily(self) -> bool:
        return not self.path.endswith(".parquet")


def _quarantine(table: str) -> Table:
    origin = f"records of {table} that broke its contract"
    return Table(
        f"quarantine_{table}", "quarantine", f"quarantine/{table}", QUARANTINE, "the record, where told", origin
    )


def _mart(contract: Contract) -> Table:
    day = "the movement" if contract in BY_MOVEMENT else "lastseen"
    origin = "enriched_flights"
    if contract.name == "data_quality_daily":
        day, origin = "the records", "the manifests of the raw tables, the records of the core tables, enriched_flights"
    return Table(contract.name, "marts", contract.path, contract, day, origin)


TABLES: tuple[Table, ...] = (
    Table("aircraft_database", "reference", AIRCRAFT_DATABASE.path, AIRCRAFT_DATABASE, "", "OpenSky's aircraft tables"),
    Table("airports", "reference", AIRPORTS.path, AIRPORTS, "", "the package airportsdata (MIT)"),
    Table("raw_flights", "raw", FLIGHTS.path, FLIGHTS, "lastseen", "OpenSky's flight lists"),
    Table(
        "raw_state_vectors",
        "raw",
        STATE_VECTORS.path,
        STATE_VECTORS,
        "the hour that the object's key names",
        "OpenSky's hourly state vectors",
    ),
    Table("flights", "core", CORE_FLIGHTS.path, CORE_FLIGHTS, "lastseen", "raw_flights"),
    Table(
        "superseded_flights",
        "core",
        SUPERSEDED_FLIGHTS.path,
        SUPERSEDED_FLIGHTS,
        "lastseen",
        "raw_flights",
        asset="flights",
    ),
    Table(
        "enriched_flights",
        "core",
        ENRICHED_FLIGHTS.path,
        ENRICHED_FLIGHTS,
        "lastseen",
        "flights, aircraft_database, airports",
    ),
    Table(
        "enriched_state_vectors",
        "core",
        ENRICHED_STATES.path,
        ENRICHED_STATES,
        "the hour that the object's key names",
        "raw_state_vectors, aircraft_database",
    ),
    *(_mart(mart) for mart in MARTS),
    *(_quarantine(name) for name in ("flights", "state_vectors", "aircraft_database")),
)
