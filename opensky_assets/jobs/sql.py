"""SQL over the lake from the command line: a table to read, or CSV, JSON or Parquet for other programs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import duckdb

from opensky_assets.lake import Lake
from opensky_assets.lake.connect import connect

FORMATS = ("table", "csv", "json", "parquet")
MOST_ROWS = 60
"""Rows that a table shows of a longer answer; the other formats give all."""

_OPTIONS = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


class SqlError(ValueError):
    """The query cannot be answered, or not in that form; the text says why."""


def run_sql(query: str, lake: Lake, wanted: str | None, out: Path | None) -> None:
    """Answer one query in the format `wanted` (by default what the name of `out` says, else a table), to the file
    `out` or to standard output. Raises `SqlError`."""
    style = _format(wanted, out)
    if style == "parquet" and out is None and sys.stdout.isatty():
        raise SqlError("Parquet is not for a terminal: name a file with --out")
    query = query.strip().rstrip(";")
    with connect(lake) as connection:
        try:
            if style == "table":
                _as_table(connection, query, out)
            elif out is not None:
                staged = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
                try:
                    _copy(connection, query, staged, style)
                    os.replace(staged, out)
                finally:
                    staged.unlink(missing_ok=True)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    staged = Path(folder) / f"answer.{style}"
                    _copy(connection, query, staged, style)
                    with staged.open("rb") as answer:
                        shutil.copyfileobj(answer, sys.stdout.buffer)
                    sys.stdout.flush()
        except duckdb.CatalogException as error:
            raise SqlError(f"{_first_line(error)} (`opensky-assets tables` tells what there is in {lake})") from None
        except (duckdb.Error, OSError) as error:
            raise SqlError(_first_line(error)) from None


def _format(wanted: str | None, out: Path | None) -> str:
    if wanted:
        return wanted
    if out is None:
        return "table"
    suffix = {".txt": "table", ".pq": "parquet"}.get(out.suffix, out.suffix.removeprefix("."))
    if suffix not in FORMATS:
        raise SqlError(f"{out}: its name does not tell the format; say --format {' | '.join(FORMATS)}")
    return suffix


def _as_table(connection: duckdb.DuckDBPyConnection, query: str, out: Path | None) -> None:
    answer: duckdb.DuckDBPyRelation | None = connection.sql(query)
    if answer is None:
        return
    width = shutil.get_terminal_size((160, 40)).columns
    if out is None:
        answer.show(max_width=width, max_rows=MOST_ROWS)
    else:
        out.write_text(str(answer) + "\n", encoding="utf-8")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, style: str) -> None:
    target = path.as_posix().replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{target}' ({_OPTIONS[style]})")


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
