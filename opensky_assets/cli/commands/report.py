"""`report`: a day or a range as a page."""

from __future__ import annotations

from typing import Annotated

import typer

from opensky_assets.cli.panels import ASK, examples
from opensky_assets.console import error

app = typer.Typer()


@app.command(
    rich_help_panel=ASK,
    epilog=examples("report", "report --day 2022-06-25 --open", "report --from 2022-06-25 --to 2022-06-27"),
)
def report(
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="The day, as 2022-06-25; by default the newest.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first day of a range.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="The last day of the range, included.")
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open it in the browser, served on 127.0.0.1 until Ctrl-C.")
    ] = False,
) -> int:
    """Make the report of a day or a range, one HTML file that opens offline, and print its path."""
    from opensky_assets.jobs.show_report import ReportError, choose_range
    from opensky_assets.jobs.show_report import report as run
    from opensky_assets.lake import open_lake
    from opensky_assets.settings import load_settings

    lake = open_lake(load_settings())
    try:
        return run(lake, choose_range(lake, day, first, last), open_page)
    except ReportError as failure:
        error(f"opensky-assets report: {failure}")
        return 1
