"""What the tables are: for the terminal with what the lake has of each, as Markdown for the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opensky_assets.calendar import NO_DAY
from opensky_assets.lake import Lake
from opensky_assets.schemas.contract import Column
from opensky_assets.schemas.ranges import MATRIX, RANGES, busiest
from opensky_assets.schemas.tables import Table, table_named, tables
from opensky_assets.schemas.types import type_of
from opensky_assets.wording import plural, unknown_name

TITLES = {
    "reference": "Reference tables",
    "raw": "Raw tables: OpenSky's objects, typed and checked",
    "core": "Core tables: joined and derived",
    "marts": "Marts: daily facts",
    "quarantine": "Quarantine: records that broke their table's contract",
}


class UnknownTable(ValueError):
    """There is no table of that name; the text names those there are."""


def table_lines(lake: Lake) -> Iterator[str]:
    """One line a table: its name, what the lake has of it, what it is."""
    shown = tables()
    width = max(len(table.name) for table in shown)
    for table in shown:
        told = re.split(r"[.:;] ", table.contract.description)[0].rstrip(".")
        yield f"{table.name:<{width}}  {_held(lake, table):<34}  {told}"
    yield ""
    yield 'Columns and units: opensky-assets tables NAME. SQL: opensky-assets sql "FROM NAME"'


def column_lines(lake: Lake, name: str) -> Iterator[str]:
    """One table with its columns. Raises `UnknownTable`."""
    found = table_named(name)
    if found is None:
        raise UnknownTable(unknown_name(name, [table.name for table in tables()]))
    yield f"{found.name}: {found.contract.description}"
    yield f"made of {found.origin}; in the lake: {_held(lake, found)}, {found.path}"
    yield ""
    rows = [("column", "type", "unit", "")]
    if column := found.partition_column:
        kind = "date" if column == "day" else "integer"
        rows.append((column, kind, f"UTC {column}", f"Partition, in the path only: the {column} of {found.day}"))
    rows += [
        (c.name, type_of(c.type).doc, c.unit or "", c.description + ("" if c.nullable else " (never empty)"))
        for c in found.contract.columns
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()


def _held(lake: Lake, table: Table) -> str:
    if table.is_file:
        return "present" if lake.exists(table.path) else "missing"
    column, keys = table.partition_column, [key for key in lake.days(table.path) if key != NO_DAY]
    if column is None:
        return "present" if keys else "missing"
    if not keys:
        return f"no {column}"
    return f"{plural(len(keys), column)}, {keys[0]} to {keys[-1]}"


# --- Markdown ----------------------------------------------------------------------------------------------------


def markdown() -> str:
    """The page of all tables, from the contracts alone."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "<!-- Made by `opensky-assets tables --markdown > docs/tables.md`; a test holds it to the contracts. -->"
    yield "# The tables"
    yield ""
    yield from _introduction()
    for group, title in TITLES.items():
        yield f"## {title}"
        yield ""
        if group == "quarantine":
            yield from _quarantine()
            continue
        for table in tables():
            if table.group == group:
                yield from _section(table)
    yield "## Marts over any range of days"
    yield ""
    yield (
        "In `opensky-assets sql`, in `opensky_assets.connect()` and in the warehouse, each mart has a table macro over "
        "the days from `first` to `last`, both included. Measures that cannot be added "
        "up over days, as distinct aircraft, are left out."
    )
    yield ""
    yield "| macro | columns |"
    yield "| --- | --- |"
    there = {table.name for table in tables()}
    for name, query in RANGES.items():
        if name in there:
            yield f"| `{name}_between(first, last)` | {', '.join(_selected(query))} |"
    if "routes" in there:
        yield (
            f"| `{MATRIX}(first, last, busiest := {busiest()})` | the columns of `od_matrix`, of the busiest airports "
            "of the whole range |"
        )


def _introduction() -> Iterator[str]:
    yield (
        "Plain Parquet, one folder a day (`day=YYYY-MM-DD`, in UTC), readable by DuckDB, Polars, Spark and pandas "
        "without this package. `day` stands in the path only; readers that know Hive partitions give it as a column. "
        "Times are UTC, heights metres, speeds metres a second, unless the unit says otherwise. A value outside a "
        "column's plausible range stays in the table and is counted by a check; a record that breaks the contract "
        "(bad address, missing key, wrong type) is in quarantine with its file, line and reason."
    )
    yield ""
    yield "| table | made of | the day of |"
    yield "| --- | --- | --- |"
    for table in tables():
        yield f"| {_link(table)} | {table.origin} | {table.day or 'no days'} |"
    yield ""


def _link(table: Table) -> str:
    anchor = "quarantine-records-that-broke-their-tables-contract" if table.group == "quarantine" else table.name
    return f"[`{table.name}`](#{anchor})"


def _section(table: Table) -> Iterator[str]:
    contract = table.contract
    yield f"### {table.name}"
    yield ""
    yield contract.description
    yield ""
    where = f"`{table.pattern.replace('=*/', '=…/')}`"
    within = f" within a {table.partition_column}" if table.partition_column else ""
    yield (
        f"Where: {where}. Key: {', '.join(f'`{name}`' for name in contract.key)}{within}. "
        f"Made of: {table.origin}. Contract version {contract.version}."
    )
    yield ""
    yield from _columns(contract.columns)


def _columns(columns: tuple[Column, ...]) -> Iterator[str]:
    yield "| column | type | unit | what | empty | plausible |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for column in columns:
        yield (
            f"| `{column.name}` | {type_of(column.type).doc} | {column.unit or ''} | {_cell(column.description)} | "
            f"{'can be' if column.nullable else 'never'} | {_plausible(column)} |"
        )
    yield ""


def _quarantine() -> Iterator[str]:
    kept = [table for table in tables() if table.group == "quarantine"]
    yield (
        f"{', '.join(f'`{table.name}`' for table in kept)}, below `quarantine/<table>/day=…/`. The law: for every "
        "object and day, read = written + quarantined + superseded. Records whose day is unknown are in "
        "`day=__HIVE_DEFAULT_PARTITION__`, which reads as an empty `day`. There, a file `…-held.parquet` is of an "
        "object that is held back: a record of line 0 that says why, and the first 1,000 (of an aircraft table all) of "
        "the records that broke, which the law does not count."
    )
    yield ""
    yield from _columns(kept[0].contract.columns)


def _plausible(column: Column) -> str:
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"from {low:g}" if low is not None else f"to {high:g}" if high is not None else ""


def _cell(text: str) -> str:
    return re.sub(r"(<\w+>)", r"`\1`", text.replace("|", "\\|"))


def _selected(query: str) -> list[str]:
    """The names of the columns that a macro's SELECT gives, in order."""
    select = query.split("FROM", 1)[0].replace("SELECT", "")
    items = re.split(r",(?![^(]*\))", select.strip())
    return [f"`{item.split(' AS ')[-1].split()[-1]}`" for item in items]
