"""`demo` and `simulate`: data to try everything with."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

import typer

from opensky_assets.cli.commands.days import say_plan
from opensky_assets.cli.interrupts import when_interrupted
from opensky_assets.cli.panels import START, examples
from opensky_assets.cli.passed_on import PassedOn
from opensky_assets.console import error, say
from opensky_assets.progress import is_shown

DEMO_START, DEMO_DAYS, DEMO_AIRCRAFT, DEMO_SEED = date(2022, 6, 25), 3, 600, 7

app = typer.Typer()


@app.command(rich_help_panel=START, epilog=examples("demo"))
def demo() -> int:
    """Try everything: simulate a bucket, bring it into a lake, print a summary."""
    from opensky_assets.jobs.materialize import materialize
    from opensky_assets.jobs.report import summary_lines
    from opensky_assets.lake import LakeError, open_lake
    from opensky_assets.settings import SettingsError, load_settings
    from opensky_assets.storage.errors import SourceError
    from opensky_assets.storage.objects import LocalStore, open_source

    began = time.monotonic()
    step = "settings"
    try:
        settings = load_settings()
        store = open_source(settings)
        if not isinstance(store, LocalStore):
            raise SettingsError(
                f"OPENSKY_SOURCE={settings.source.uri}: the demo writes its own bucket and needs a folder"
            )
        last = DEMO_START + timedelta(days=DEMO_DAYS - 1)

        step = "1 of 3, simulate a bucket"
        say(f"Step {step}: {DEMO_DAYS} days of traffic in OpenSky's formats, into {store.root}")
        _simulate_demo(store.root)

        step = "2 of 3, plan"
        say(f"\nStep {step}: what is in the bucket, what the lake has")
        say_plan(settings, DEMO_START, last)

        step = "3 of 3, materialize"
        say(f"\nStep {step}: make raw, joined and mart tables of the objects, as `dagster asset materialize` does")
        code = materialize(Path.cwd(), settings, DEMO_START, last)
    except (LakeError, SourceError, SettingsError) as failure:
        error(f"\nThe demo failed in step {step}: {failure}")
        return 1
    say(f"\nThe demo {'is done' if code == 0 else 'FAILED in step ' + step}.\n")
    for line in summary_lines(open_lake(settings), settings):
        say(line)
    say(f"time       {time.monotonic() - began:.0f} s")
    return code


def _simulate_demo(out: Path) -> None:
    from opensky_assets.sources.simulation.bucket import BucketExistsError, simulate
    from opensky_assets.storage.errors import SourceError

    try:
        made = simulate(
            out,
            start=DEMO_START,
            days=DEMO_DAYS,
            aircraft=DEMO_AIRCRAFT,
            seed=DEMO_SEED,
            progress=None if is_shown() else say,
        )
    except BucketExistsError as error:
        raise SourceError(f"{error}; set OPENSKY_SOURCE to another folder for the demo") from None
    say(made.text())


@app.command(cls=PassedOn, rich_help_panel=START)
@when_interrupted("the bucket is incomplete, run the same command again: it starts anew")
def simulate(ctx: typer.Context) -> int:
    """Write a simulated bucket; `simulate --help` shows its arguments."""
    from opensky_assets.sources.simulate import main as run

    return run(ctx.args)
