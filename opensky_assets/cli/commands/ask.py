"""`sql` and `tables`: what the lake has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from opensky_assets.cli.interrupts import READS_ONLY, when_interrupted
from opensky_assets.cli.options import one_of
from opensky_assets.cli.panels import ASK, examples
from opensky_assets.console import error, say

app = typer.Typer()


def _formats() -> Sequence[str]:
    from opensky_assets.jobs.sql import FORMATS

    return FORMATS


@app.command(
    rich_help_panel=ASK,
    epilog=examples(
        'sql "FROM routes LIMIT 5"',
        'sql "SELECT day, count(*) FROM flights GROUP BY day" --format csv',
        'sql "FROM airport_traffic" --out traffic.parquet',
    ),
)
@when_interrupted("no file was written")
def sql(
    query: Annotated[str, typer.Argument(help='A query, as "FROM routes LIMIT 5"; - reads it from standard input.')],
    style: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="table, csv, json, parquet, geojson, geoparquet, kml or xlsx; by default a table, or as the name of "
            "--out ends.",
            **one_of(_formats),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the answer to this file.")] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Leave every text in CSV as it is. By default, text that begins with = + - @, tab or line break gets "
            "an apostrophe in front, since a spreadsheet would run it as a formula. Numbers, JSON and Parquet are "
            "always exact.",
        ),
    ] = False,
) -> int:
    """Answer a query over the lake's tables; locks nothing, so it can run at any time."""
    from opensky_assets.jobs.sql import SqlError, run_sql
    from opensky_assets.lake import open_lake
    from opensky_assets.settings import load_settings

    text = sys.stdin.read() if query == "-" else query
    try:
        run_sql(text, open_lake(load_settings()), style, out, exact)
    except SqlError as failure:
        error(f"opensky-assets sql: {failure}")
        return 1
    return 0


def _all_tables() -> list[str]:
    from opensky_assets.schemas.tables import tables as every_table

    return [table.name for table in every_table()]


@app.command(rich_help_panel=ASK, epilog=examples("tables", "tables flights"))
@when_interrupted(READS_ONLY)
def tables(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Show the columns of this table.", autocompletion=lambda incomplete: _all_tables()
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print all tables as the page docs/tables.md.")] = False,
    dbt: Annotated[bool, typer.Option("--dbt", help="Print all tables as dbt's sources, for models/lake.yml.")] = False,
) -> int:
    """List the tables and their days in the lake, or the columns of one table with units."""
    from opensky_assets.jobs.tables import UnknownTable, column_lines, table_lines
    from opensky_assets.jobs.tables import markdown as page
    from opensky_assets.lake import open_lake
    from opensky_assets.lake.connect import find_lake
    from opensky_assets.settings import load_settings

    if markdown:
        sys.stdout.buffer.write(page().encode())
        return 0
    if dbt:
        from opensky_assets.transforms.dbt_sources import sources_yaml

        sys.stdout.buffer.write(sources_yaml().encode())
        return 0
    lake = open_lake(load_settings())
    try:
        for line in column_lines(lake, name) if name else table_lines(lake):
            say(line)
    except UnknownTable as failure:
        error(f"opensky-assets tables: {failure}")
        return 1
    find_lake(lake)  # what the tables are is said without one, too
    return 0
