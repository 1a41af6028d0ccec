"""`flights`, `track` and `states`: questions of researchers, as a table or a file for a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensky_assets.cli.options import one_of
from opensky_assets.cli.panels import ASK, examples
from opensky_assets.console import error

if TYPE_CHECKING:
    from opensky_assets.research import Answer

FORMATS = ("table", "csv", "json", "parquet", "geojson", "geoparquet", "kml", "xlsx")

SHOWN_FLIGHTS = ("callsign", "icao24", "operator_name", "origin", "destination", "firstseen", "lastseen", "duration_s")
SHOWN_STATES = ("time", "icao24", "callsign", "lat", "lon", "baroaltitude", "velocity", "onground")
"""Columns of the table in a terminal; files have all."""

app = typer.Typer()

First = Annotated[str, typer.Option("--from", metavar="TIME", help="From this UTC time or day, as 2022-06-25T08:00.")]
Last = Annotated[str, typer.Option("--to", metavar="TIME", help="To this time (excluded) or this day (included).")]
Style = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="|".join(FORMATS),
        help="By default a table, or as the name of --out ends.",
        **one_of(lambda: FORMATS),
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the answer to this file.")]
MaxAge = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Leave out states whose position is older than this; 15 is usual."),
]


@app.command(
    rich_help_panel=ASK,
    epilog=examples(
        "flights --day 2022-06-25 --airport LSZH",
        "flights --from 2022-06-25 --to 2022-06-27 --airline SWR --out flights.geojson",
    ),
)
def flights(
    day: Annotated[str | None, typer.Option(metavar="DAY", help="Flights last seen on this UTC day.")] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Last seen from this UTC time on.")
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Last seen before this time, or up to this day (included)."),
    ] = None,
    airline: Annotated[
        str | None, typer.Option(metavar="NAME", help="An ICAO code, as SWR, or an operator's name.")
    ] = None,
    airport: Annotated[
        str | None, typer.Option(metavar="CODE", help="The ICAO code of the origin or destination, as LSZH.")
    ] = None,
    style: Style = None,
    out: Out = None,
) -> int:
    """Show the flights of a day or a range, of an airline, from or to an airport."""
    from opensky_assets import research

    def ask() -> Answer:
        return research.flights(airline=airline, airport=airport, day=day, start=first, end=last)

    return _answer("flights", ask, SHOWN_FLIGHTS, style, out)


@app.command(
    rich_help_panel=ASK,
    epilog=examples("track 33f94a --from 2022-06-26T06:57 --to 2022-06-26T10:00 --out track.kml"),
)
def track(
    icao24: Annotated[str, typer.Argument(help="The transponder address: six hexadecimal digits.")],
    first: First,
    last: Last,
    max_age: MaxAge = None,
    style: Style = None,
    out: Out = None,
) -> int:
    """Show the positions of one aircraft in the order of time."""
    from opensky_assets import research

    def ask() -> Answer:
        return research.track(icao24, first, last, max_age_s=max_age)

    return _answer("track", ask, SHOWN_STATES, style, out)


@app.command(
    rich_help_panel=ASK,
    epilog=examples(
        "states --box 45.8,5.9,47.9,10.5 --from 2022-06-25T08:00 --to 2022-06-25T08:10 --out states.geoparquet"
    ),
)
def states(
    box: Annotated[str, typer.Option(metavar="S,W,N,E", help="lamin,lomin,lamax,lomax in degrees.")],
    first: First,
    last: Last,
    max_age: MaxAge = None,
    style: Style = None,
    out: Out = None,
) -> int:
    """Show the states of all aircraft within a box."""
    from opensky_assets import research

    def ask() -> Answer:
        return research.states(box.split(","), first, last, max_age_s=max_age)

    return _answer("states", ask, SHOWN_STATES, style, out)


def _answer(command: str, ask: Callable[[], Answer], shown: Sequence[str], style: str | None, out: Path | None) -> int:
    from opensky_assets.jobs.sql import SqlError, write_answer
    from opensky_assets.research import QuestionError

    try:
        write_answer(ask(), shown, style, out)
    except (QuestionError, SqlError) as failure:
        error(f"opensky-assets {command}: {failure}")
        return 1
    return 0
