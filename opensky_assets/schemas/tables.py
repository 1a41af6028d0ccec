"""The catalogue: every table of the lake under the name it has in Dagster, in SQL and in the docs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from opensky_assets.calendar import Partitions
from opensky_assets.package_files import package_path
from opensky_assets.schemas.aircraft import AIRCRAFT_DATABASE
from opensky_assets.schemas.airports import AIRPORTS
from opensky_assets.schemas.contract import Contract
from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.schemas.dbt_files import ProjectFiles, read_files
from opensky_assets.schemas.dbt_project import COUNTS, MARTS, Mart, Project, read_project
from opensky_assets.schemas.enriched_flights import ENRICHED_FLIGHTS
from opensky_assets.schemas.enriched_states import ENRICHED_STATES
from opensky_assets.schemas.flights import FLIGHTS
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
    def writer(self) -> str:
        """The asset that writes it. Records in quarantine are written by the asset that reads the objects."""
        if self.group == "quarantine":
            name = self.name.removeprefix("quarantine_")
            return name if name == AIRCRAFT_DATABASE.name else f"raw_{name}"
        return self.asset or self.name

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
    *(quarantine_table(contract) for contract in (FLIGHTS, STATE_VECTORS, AIRCRAFT_DATABASE)),
]

GROUPS = ("reference", "raw", "core", "marts", "quarantine")
"""The order in which tables are shown."""


def tables() -> list[Table]:
    """Every table of the lake, by group; those of one's own behind the others of their group."""
    return sorted([*_TABLES, *_mart_tables()], key=lambda table: GROUPS.index(table.group))


def lake_tables() -> list[Table]:
    """Every table but the marts: what a mart can read as a source."""
    return sorted(_TABLES, key=lambda table: GROUPS.index(table.group))


def table_of(contract: Contract) -> Table:
    """The table, which is no mart, of this contract. Raises `StopIteration` where there is none."""
    return next(table for table in _TABLES if table.contract is contract)


def lake_table(name: str) -> Table:
    """The table of that name, which is no mart. Raises `StopIteration` where there is none."""
    return next(table for table in _TABLES if table.name == name)


def table_named(name: str) -> Table | None:
    """The table of that name."""
    return next((table for found in (_TABLES, _mart_tables()) for table in found if table.name == name), None)


# --- Marts --------------------------------------------------------------------------------------------------------

PROJECT = package_path("dbt_project")
"""The dbt project of the package."""

_folder = PROJECT


def use_project(folder: Path | None) -> None:
    """Take the marts from the dbt project in this folder, by default from the package's. It is read anew."""
    global _folder
    _folder = folder.resolve() if folder else PROJECT
    _read.cache_clear()
    _files.cache_clear()


def project() -> Project:
    """The dbt project: read once, and anew where a table came into the catalogue."""
    return _read(_folder, tuple(table.name for table in _TABLES))


@cache
def _read(folder: Path, names: tuple[str, ...]) -> Project:
    return read_project(_files(folder), names)


@cache
def _files(folder: Path) -> ProjectFiles:
    return read_files(folder)


def marts() -> list[Mart]:
    """All marts that can be built, in the order of their YAML."""
    return list(project().marts.values())


def mart_named(name: str) -> Mart:
    """The mart of that name. Raises `UnknownMart` with what is wrong with it."""
    if found := project().marts.get(name):
        return found
    raise UnknownMart(project().problems.get(name) or f"{name}: the dbt project {_folder} has no such mart")


class UnknownMart(LookupError):
    """There is no mart of that name, or it cannot be built."""


def _mart_tables() -> Iterator[Table]:
    for mart in marts():
        # What is counted comes first, since it is told in words.
        sources = sorted(project().reach_of(mart.name), key=lambda name: name != COUNTS)
        origin = ", ".join(COUNTED if name == COUNTS else name for name in sources)
        yield Table(mart.name, MARTS, mart.contract.path, mart.contract, mart.day, origin)


COUNTED = "the manifests of the raw tables, the records of the core tables"
"""What the source `counts` is made of, for people."""


# --- Tables of one's own ------------------------------------------------------------------------------------------


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
