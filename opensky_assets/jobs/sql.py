"""Answers on the command line: a table to read, or a file for other programs, maps and spreadsheets."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.connect import connect
from opensky_assets.places import expanded
from opensky_assets.research import Answer
from opensky_assets.research.export import WRITERS
from opensky_assets.schemas.tables import tables
from opensky_assets.wording import nearest

FORMATS = ("table", "csv", "json", "parquet", *WRITERS)
BINARY = ("parquet", "geoparquet", "xlsx")
MOST_ROWS = 60
"""Rows that a table shows of a longer answer; the other formats give all."""

_OPTIONS = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}

FORMULA = r"^[=+\-@\t\r\n]"
"""How a text begins that a spreadsheet runs (OWASP, CSV Injection)."""

_TEXT = ("VARCHAR", "JSON", "ENUM", "BLOB", "UNION", "BIT", "VARIANT")
"""Types whose CSV can begin with any character; the others are numbers, times, or begin with a bracket."""


class SqlError(ValueError):
    """The query cannot be answered, or not in that form; the text says why."""


def run_sql(query: str, lake: Lake, wanted: str | None, out: Path | None, exact: bool = False) -> None:
    """Answer one query in the format `wanted` (by default what the name of `out` says, else a table), to the file
    `out` or to standard output. In CSV, an apostrophe stands before each text that a spreadsheet would run as a
    formula, unless `exact`. Raises `SqlError`."""
    out = _target(out)
    style = _format(wanted, out)
    with connect(lake) as connection:
        try:
            _write(connection, query.strip().rstrip(";"), style, out, exact)
        except duckdb.CatalogException as error:
            told = f"{_first_line(error)}{_meant(error)}"
            raise SqlError(f"{told} (`opensky-assets tables` lists the tables of {lake})") from None


def write_answer(answer: Answer, shown: Sequence[str], wanted: str | None, out: Path | None) -> None:
    """The same for the rows of an answer; a table has the columns `shown`, the other formats all of them."""
    out = _target(out)
    style = _format(wanted, out)
    columns = ", ".join(shown) if style == "table" else "*"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("answer", answer.arrow())
        _write(connection, f"SELECT {columns} FROM answer", style, out, exact=False)


def _write(connection: duckdb.DuckDBPyConnection, query: str, style: str, out: Path | None, exact: bool) -> None:
    try:
        if style == "csv" and not exact:
            query = _without_formulas(connection, query)
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
    except (duckdb.CatalogException, BrokenPipeError):
        raise
    except (duckdb.Error, OSError) as error:
        raise SqlError(_first_line(error)) from None


def _target(out: Path | None) -> Path | None:
    """The file to write, with its `~` expanded. Raises `SqlError` where its folder is missing."""
    try:
        out = expanded(out) if out else None
    except ValueError as error:
        raise SqlError(f"--out {out}: {error}") from None
    if out is not None and not out.parent.is_dir():
        raise SqlError(f"--out {out}: there is no folder {out.parent}; make it, or name another")
    return out


def _format(wanted: str | None, out: Path | None) -> str:
    if wanted:
        if wanted in BINARY and out is None and sys.stdout.isatty():
            raise SqlError(f"{wanted} is not for a terminal: name a file with --out")
        return wanted
    if out is None:
        return "table"
    suffix = {".txt": "table", ".pq": "parquet"}.get(out.suffix, out.suffix.removeprefix("."))
    if suffix not in FORMATS:
        likely = nearest(suffix, FORMATS)
        meant = f", did you mean .{likely}?" if likely else ";"
        raise SqlError(f"--out {out}: its name does not tell the format{meant} say --format {' | '.join(FORMATS)}")
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
    if style in WRITERS:
        rows: duckdb.DuckDBPyRelation | None = connection.sql(query)
        if rows is None:
            raise SqlError("the query has no rows to write")
        try:
            WRITERS[style](rows.to_arrow_table(), path)
        except (ValueError, pa.ArrowException) as error:
            raise SqlError(f"{style}: {_first_line(error)}") from None
        return
    target = path.as_posix().replace("'", "''")
    connection.execute(f"COPY ({query}\n) TO '{target}' ({_OPTIONS[style]})")


def _without_formulas(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query with an apostrophe before what `FORMULA` matches, in names and values of text columns. A PIVOT makes
    names of values."""
    columns = connection.execute(f"DESCRIBE FROM ({query}\n)").fetchall()
    chosen = []
    for at, (name, kind, *_) in enumerate(columns):
        value = f"c{at}"
        if kind.startswith(_TEXT) and not kind.endswith("]"):
            text = f"{value}::VARCHAR"
            value = f"CASE WHEN regexp_matches({text}, '{FORMULA}') THEN chr(39) ELSE '' END || {text}"
        shown = f"'{name}" if re.match(FORMULA, name) else name
        chosen.append(f'{value} AS "{shown.replace(chr(34), 2 * chr(34))}"')
    given = ", ".join(f"c{at}" for at in range(len(columns)))
    return f"SELECT {', '.join(chosen)} FROM ({query}\n) AS answer({given})"


def _meant(error: duckdb.CatalogException) -> str:
    """The table that a wrong name is most like. DuckDB itself looks among all of its own."""
    wrong = re.match(r"Catalog Error: Table with name (\w+) does not exist", str(error))
    likely = nearest(wrong.group(1), [table.name for table in tables()]) if wrong else None
    return f" Did you mean {likely}?" if likely and wrong and likely != wrong.group(1) else ""


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
