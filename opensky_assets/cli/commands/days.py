"""`plan`, `materialize`, `backfill`: days from the source into the lake."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensky_assets.cli.interrupts import READS_ONLY, when_interrupted
from opensky_assets.cli.options import FirstDay, LastDay, at_least, today
from opensky_assets.cli.panels import DAYS, examples
from opensky_assets.console import say

if TYPE_CHECKING:
    from opensky_assets.settings import Settings

app = typer.Typer()


@app.command(rich_help_panel=DAYS, epilog=examples("plan", "plan --from 2022-06-25 --to 2022-06-27"))
@when_interrupted(READS_ONLY)
def plan(
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first day, as 2022-06-25.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="The last day, included.")] = None,
) -> int:
    """Show what the source has, what the lake has, and what a run would do."""
    from opensky_assets.calendar import calendar, parse_range
    from opensky_assets.settings import load_settings

    all_days = calendar(today())
    say_plan(load_settings(), *parse_range(first or str(all_days.first), last or str(all_days.last), today()))
    return 0


def say_plan(settings: Settings, first: date, last: date) -> None:
    """Say what is to do for these days. Raises `LakeError` where the lake belongs to another source."""
    from opensky_assets.ingest.plan import make_plan
    from opensky_assets.jobs.report import plan_lines
    from opensky_assets.lake import open_lake
    from opensky_assets.sources.claims import require_source
    from opensky_assets.sources.keys import source_kind
    from opensky_assets.storage.landing import open_stores
    from opensky_assets.transforms.due import due_days_of

    store, lake = open_stores(settings), open_lake(settings)
    kind = source_kind(store)
    require_source(lake, store)
    made = make_plan(store, lake, settings, today())
    due = due_days_of(lake, made, made.days(first, last), settings.refresh)
    for line in plan_lines(made, store.uri, kind, first, last, due):
        say(line)


@app.command(rich_help_panel=DAYS, epilog=examples("materialize --from 2022-06-25 --to 2022-06-27"))
def materialize(
    first: FirstDay,
    last: LastDay,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Also read objects again whose rows an older version wrote.")
    ] = False,
) -> int:
    """Bring days into the lake, with everything made from them."""
    from opensky_assets.calendar import parse_range
    from opensky_assets.jobs.materialize import materialize as run
    from opensky_assets.settings import load_settings

    began = time.monotonic()
    if refresh:
        os.environ["OPENSKY_REFRESH"] = "true"  # for the runs as well, which read the settings themselves
    settings = load_settings()
    first_day, last_day = parse_range(first, last, today())
    return _summarised(run(Path.cwd(), settings, first_day, last_day), settings, first, last, began)


@app.command(
    rich_help_panel=DAYS,
    epilog=examples(
        "backfill --from 2022-06-01 --to 2022-06-30", "backfill --from 2022-06-01 --to 2022-06-30 --chunk 7"
    ),
)
def backfill(
    first: FirstDay,
    last: LastDay,
    chunk: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS", callback=at_least(1), help="The most days of one run; by default one run for all."
        ),
    ] = None,
) -> int:
    """Like materialize, but only for what is missing; it continues where it was interrupted."""
    from opensky_assets.calendar import parse_range
    from opensky_assets.jobs.materialize import backfill as run
    from opensky_assets.settings import load_settings

    began = time.monotonic()
    settings = load_settings()
    first_day, last_day = parse_range(first, last, today())
    return _summarised(run(Path.cwd(), settings, first_day, last_day, chunk), settings, first, last, began)


def _summarised(code: int, settings: Settings, first: str, last: str, began: float) -> int:
    """Says what the lake has of these days now; the exit code of the runs."""
    from opensky_assets.calendar import Period, days_of, parse_range
    from opensky_assets.jobs.report import summary_lines
    from opensky_assets.lake import open_lake

    say()
    days = set(days_of(Period(*parse_range(first, last, today()))))
    for line in summary_lines(open_lake(settings), settings, days):
        say(line)
    say(f"time       {time.monotonic() - began:.0f} s")
    return code
