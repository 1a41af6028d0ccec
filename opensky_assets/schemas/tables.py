"""The catalogue: every table of the lake under the name it has in Dagster, in SQL and in the docs."""

from __future__ import annotations

from dataclasses import dataclass

from opensky_assets.calendar import Partitions
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
    """A table of the lake. `path` is one Parquet file, or a folder with one folder `day=YYYY-MM-DD` a day; of a raw
    table of one's own, the folders can be `year=YYYY`, or one, `all`."""

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
    partitions: Partitions = Partitions.DAY

    @property
    def is_file(self) -> bool:
        """Whether the table is one file."""
        return self.path.endswith(".parquet")

    @property
    def partition_column(self) -> str | None:
        """The column that stands in the path only: `day` or `year`."""
        return None if self.is_file or self.partitions is Partitions.NONE else str(self.partitions)

    @property
    def pattern(self) -> str:
        """The files of the table, by a glob relative to the lake."""
        return self.path if self.is_file else f"{self.path}/{self.partitions.folder_of('*')}/*.parquet"

    @property
    def hive_options(self) -> str:
        """What DuckDB's `read_parquet` has to be told to give the partition as a column."""
        if self.partition_column is None:
            return ""
        return f", hive_partitioning = true, hive_types = {{'{self.partition_column}': {self.partition_type}}}"

    @property
    def partition_type(self) -> str:
        """The type of the partition's column in SQL."""
        return "INTEGER" if self.partitions is Partitions.YEAR else "DATE"


def raw_table(contract: Contract, day: str, origin: str) -> Table:
    """The catalogue's entry of a raw table."""
    return Table(f"raw_{contract.name}", "raw", contract.path, contract, day, origin, partitions=contract.partitions)


def quarantine_table(contract: Contract, partitions: Partitions = Partitions.DAY) -> Table:
    """The catalogue's entry of the records that broke a table's contract."""
    name, origin = contract.name, f"records of {contract.name} that broke its contract"
    day = "" if partitions is Partitions.NONE else "the record, where told"
    return Table(
        f"quarantine_{name}", "quarantine", f"quarantine/{name}", QUARANTINE, day, origin, partitions=partitions
    )


def _mart(contract: Contract) -> Table:
    day = "the movement" if contract in BY_MOVEMENT else "lastseen"
    origin = "enriched_flights"
    if contract.name == "data_quality_daily":
        day, origin = "the records", "the manifests of the raw tables, the records of the core tables, enriched_flights"
    return Table(contract.name, "marts", contract.path, contract, day, origin)


RAW_FLIGHTS = raw_table(FLIGHTS, "lastseen", "OpenSky's flight lists")
RAW_STATE_VECTORS = raw_table(STATE_VECTORS, "the hour that the object's key names", "OpenSky's hourly state vectors")

_TABLES: list[Table] = [
    Table("aircraft_database", "reference", AIRCRAFT_DATABASE.path, AIRCRAFT_DATABASE, "", "OpenSky's aircraft tables"),
    Table("airports", "reference", AIRPORTS.path, AIRPORTS, "", "the package airportsdata (MIT)"),
    RAW_FLIGHTS,
    RAW_STATE_VECTORS,
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
    *(quarantine_table(contract) for contract in (FLIGHTS, STATE_VECTORS, AIRCRAFT_DATABASE)),
]

GROUPS = ("reference", "raw", "core", "marts", "quarantine")
"""The order in which tables are shown."""


def tables() -> list[Table]:
    """Every table of the lake, by group; those of one's own behind the others of their group."""
    return sorted(_TABLES, key=lambda table: GROUPS.index(table.group))


def table_named(name: str) -> Table | None:
    """The table of that name."""
    return next((table for table in _TABLES if table.name == name), None)


def add_table(table: Table) -> Table:
    """Put a table of one's own into the catalogue. Raises `ValueError` where another one has its name or group is
    unknown; the same one again changes nothing."""
    if table.group not in GROUPS:
        raise ValueError(f"table {table.name}: there is no group {table.group!r}, only {', '.join(GROUPS)}")
    known = table_named(table.name)
    if known is not None and known != table:
        raise ValueError(f"there is a table {table.name} already, made of {known.origin}")
    if known is None:
        _TABLES.append(table)
    return table


def drop_table(name: str) -> None:
    """Take a table of one's own out of the catalogue; the lake keeps its rows."""
    _TABLES[:] = [table for table in _TABLES if table.name != name]
