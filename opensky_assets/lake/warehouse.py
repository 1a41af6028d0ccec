"""The warehouse: one DuckDB file of views over the lake. It holds no rows, so it can be rebuilt at any time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb

from opensky_assets.lake.columns import read_whole_tables, record_whole_tables
from opensky_assets.lake.lake import Lake
from opensky_assets.schemas.ranges import range_statements
from opensky_assets.schemas.tables import Table, tables
from opensky_assets.schemas.types import type_of
from opensky_assets.storage.errors import LakeError
from opensky_assets.storage.staging import staging


def view_statements(lake: Lake) -> Iterator[tuple[str, str]]:
    """(name, CREATE statement) of every table of the lake that has a file, and of the macros over it."""
    whole = read_whole_tables(lake)
    for table in tables():
        if table.is_file:
            if lake.exists(table.path):
                source = quoted(lake.location(table.path))
                yield table.name, f"CREATE VIEW {table.name} AS SELECT * FROM read_parquet({source})"
        elif lake.days(table.path):
            # Records of which no day can be told are in the folder of Hive's default partition: their day is null.
            files = quoted(lake.pattern(table.pattern))
            is_mixed = bool(table.contract.grown_columns) and whole.get(table.path) != table.contract.version
            yield table.name, f"CREATE VIEW {table.name} AS {select_rows(table, files, is_mixed)}"
            yield from range_statements(table.name)


def select_rows(table: Table, files: str, is_mixed: bool) -> str:
    """A SELECT over `files` of a table, a path or a list as SQL spells them. `is_mixed`: files of older contracts may
    be among them, so that DuckDB opens every one, and gives the columns that they lack as null."""
    if not is_mixed:
        return f"SELECT * FROM read_parquet({files}{table.hive_options})"
    columns = ", ".join(f'NULL::{type_of(c.type).duckdb} AS "{c.name}"' for c in table.contract.columns)
    rows = f"SELECT * FROM read_parquet({files}{table.hive_options}, union_by_name = true)"
    return f"SELECT {columns} WHERE false UNION ALL BY NAME {rows}"


def quoted(text: str) -> str:
    """A text as SQL spells it."""
    return "'" + text.replace("'", "''") + "'"


def rebuild_warehouse(lake: Lake, path: Path) -> list[str]:
    """Write the warehouse anew beside the old one and put it in its place; the names of what is in it.

    Whoever has the old file open goes on reading it: nobody waits for anybody. Where nothing has come or gone, the
    file stays: to make a view means to list its days, and a new day must not cost more the more there are. What a
    writer of the old file left in its write-ahead log goes with it: DuckDB opens no file beside the log of another.
    Raises `LakeError` where the file cannot be written, or does not open afterwards.
    """
    record_whole_tables(lake, (table.contract for table in tables() if not table.is_file))
    statements = list(view_statements(lake))
    version = hashlib.sha256(repr(statements).encode()).hexdigest()
    if _version(path) != version:
        try:
            with staging(path.with_name(f".{path.name}.staging")) as (run, _):
                staged = run.path / path.name
                with duckdb.connect(str(staged)) as connection:
                    lake.attach(connection)
                    for _, statement in statements:
                        connection.execute(statement)
                    connection.execute(f"CREATE MACRO warehouse_version() AS '{version}'")
                # The log first: the new file must at no time lie beside it.
                path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
                os.replace(staged, path)
        except OSError as error:
            raise LakeError(
                f"the warehouse {path} cannot be written ({error.strerror}); set OPENSKY_WAREHOUSE"
            ) from error
        try:
            _ask_version(path)
        except duckdb.ConnectionException:
            pass  # this process has the file before it open to write, and DuckDB opens a path in one way only
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise LakeError(f"the new warehouse {path} does not open ({reason}): delete it and run again") from None
    return [name for name, _ in statements]


def _version(path: Path) -> str | None:
    """What `warehouse_version()` says in the file; `None` where it cannot be asked."""
    if not path.exists():
        return None
    try:
        return _ask_version(path)
    except duckdb.Error:
        return None


def _ask_version(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        found: str = connection.execute("SELECT warehouse_version()").fetchall()[0][0]
        return found
