"""SQL over the lake in one line: a DuckDB connection in memory with every table as a view. Locks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from opensky_assets.calendar import Partitions
from opensky_assets.lake.lake import CLAIM, Lake, open_lake
from opensky_assets.lake.warehouse import quoted, select_rows, view_statements
from opensky_assets.schemas.ranges import range_statements
from opensky_assets.schemas.tables import tables
from opensky_assets.schemas.types import type_of
from opensky_assets.settings import load_settings
from opensky_assets.storage.errors import LakeError

_FOLDERS = ("raw", "core", "marts", "_manifest")
"""Where a lake's tables are; one that was copied in part may lack the record of its source."""


def connect(lake: Lake | str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A connection of one's own over `lake` (one that is open, a folder, `s3://…`), by default the one in the settings.

    Every table that has a file is a view, every mart has its macro `<mart>_between(first, last)`. The views read the
    lake's Parquet files, and of those only the days that a query's `WHERE day …` leaves. Times are shown in UTC.
    """
    found = find_lake(lake)
    connection = found.attach(duckdb.connect())
    for _, statement in view_statements(found):
        connection.execute(statement)
    return connection


def find_lake(lake: Lake | str | Path | None = None) -> Lake:
    """The lake that is meant: one that is open, a folder, `s3://…`, by default the settings' one. Makes nothing.

    Raises `LakeError` where there is none: nothing was ever brought into it.
    """
    if isinstance(lake, Lake):
        found = lake
    else:
        given = str(lake) if lake and "://" in str(lake) else str(Path(lake).expanduser()) if lake else ""
        found = open_lake(load_settings(**({"lake": given} if given else {})))
    if not (found.exists(CLAIM) or any(found.files.folders(name) for name in _FOLDERS)):
        raise LakeError(
            f"there is no lake at {found}: name another one (OPENSKY_LAKE, in Python lake=…), or bring days into it "
            "(opensky-assets materialize; opensky-assets demo makes one of simulated traffic)"
        )
    return found


def connect_days(lake: Lake, days: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A connection whose daily tables hold `days` alone, by the exact files of these days: it costs the same however
    many days the lake has. Tables without a file are there, empty. The range macros are there too."""
    connection = lake.attach(duckdb.connect())
    for table in tables():
        if not table.is_file:
            files = lake.locations(table.path, days if table.partitions is Partitions.DAY else lake.days(table.path))
        else:
            files = [lake.location(table.path)] if lake.exists(table.path) else []
        if files:
            listed = ", ".join(quoted(file) for file in files)
            rows = select_rows(table, f"[{listed}]", is_mixed=bool(table.contract.grown_columns))
            connection.execute(f"CREATE VIEW {table.name} AS {rows}")
        else:
            columns = [f"NULL::{type_of(field.type).duckdb} AS {field.name}" for field in table.contract.schema]
            if table.partition_column:
                columns.append(f"NULL::{table.partition_type} AS {table.partition_column}")
            connection.execute(f"CREATE VIEW {table.name} AS SELECT {', '.join(columns)} WHERE false")
    for table in tables():
        for _, statement in range_statements(table.name):
            connection.execute(statement)
    return connection
