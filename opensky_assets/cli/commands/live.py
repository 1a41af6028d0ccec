"""`collect`: what OpenSky's API has now, or a recording of it, into landing objects or Kafka."""

from __future__ import annotations

from typing import Annotated

import typer

from opensky_assets.cli.options import at_least
from opensky_assets.cli.panels import LIVE, examples

app = typer.Typer()


def _speed(text: str | None) -> str | None:
    if text is not None and text != "max":
        try:
            speed = float(text)
        except ValueError:
            speed = 0
        if not 0 < speed < float("inf"):
            raise typer.BadParameter(f"must be max or a number above 0, got {text}")
    return text


@app.command(
    rich_help_panel=LIVE,
    epilog=examples(
        "collect --plan --region europe@60 --region alps=45.5,5.5,48,16@10", "collect --replay recorded --speed max"
    ),
)
def collect(
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="europe, north_america, world or name=lamin,lomin,lamax,lomax, each with @ and its interval in "
            "seconds; can be given several times. By default OPENSKY_LIVE_REGIONS.",
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show which polls the credits of a day pay for.")] = False,
    used: Annotated[int, typer.Option(metavar="CREDITS", callback=at_least(0), help="Credits already used today.")] = 0,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Without an account: 400 credits a day, under OpenSky's terms.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Poll each region once.")] = False,
    duration: Annotated[
        int | None, typer.Option(metavar="SECONDS", callback=at_least(1), help="Stop after this time.")
    ] = None,
    flights: Annotated[
        bool,
        typer.Option(
            "--flights", help="Also request yesterday's flights each day (all, or those of OPENSKY_API_AIRPORTS)."
        ),
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Send the recorded polls, hourly files and flights of a folder, without the API."
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="X", callback=_speed, help="Speed of a replay: recorded seconds a second, or max.")
    ] = "1",
) -> int:
    """Poll OpenSky's API by region within its credits; the states go to a landing or to Kafka."""
    from opensky_assets.jobs.collect import Ask, replay_folder, show_plan
    from opensky_assets.jobs.collect import collect as run
    from opensky_assets.settings import load_settings

    settings = load_settings()
    if replay is not None:
        return replay_folder(settings, replay, None if speed == "max" else float(speed))
    ask = Ask(tuple(region or ()), anonymous, used, once, duration, flights)
    return show_plan(settings, ask) if plan else run(settings, ask)
