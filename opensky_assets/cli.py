"""The command line: thin over the rest, works without make."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from opensky_assets.lake import Lake, LakeError
from opensky_assets.settings import Settings, SettingsError, load_settings
from opensky_assets.sources.store import LocalStore, SourceError, open_source, source_kind

DEMO_START, DEMO_DAYS, DEMO_AIRCRAFT, DEMO_SEED = date(2022, 6, 25), 3, 600, 7


def _today() -> date:
    return datetime.now(UTC).date()


def _lake(settings: Settings) -> Lake:
    return Lake(Path(settings.lake).resolve())


def plan(arguments: argparse.Namespace) -> int:
    from opensky_assets.ingest.plan import calendar, make_plan
    from opensky_assets.jobs.materialize import parse_days
    from opensky_assets.jobs.report import plan_lines, say

    settings = load_settings()
    days = calendar(_today())
    first, last = parse_days(arguments.first or str(days.first), arguments.last or str(days.last), _today())
    store = open_source(settings)
    made = make_plan(store, _lake(settings), settings, _today())
    for line in plan_lines(made, store.uri, source_kind(store), first, last):
        say(line)
    return 0


def materialize(arguments: argparse.Namespace) -> int:
    from opensky_assets.ingest.plan import days_of
    from opensky_assets.jobs.materialize import materialize as run
    from opensky_assets.jobs.materialize import parse_days
    from opensky_assets.jobs.report import say, summary_lines
    from opensky_assets.sources.keys import Period

    began = time.monotonic()
    settings = load_settings()
    first, last = parse_days(arguments.first, arguments.last, _today())
    code = run(Path.cwd(), settings, first, last)
    say()
    for line in summary_lines(_lake(settings), settings, set(days_of(Period(first, last)))):
        say(line)
    say(f"time       {time.monotonic() - began:.0f} s")
    return code


def demo(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.materialize import materialize as run
    from opensky_assets.jobs.report import error, plan_lines, say, summary_lines

    began = time.monotonic()
    step = "settings"
    try:
        settings = load_settings()
        store = open_source(settings)
        if not isinstance(store, LocalStore):
            raise SettingsError(f"OPENSKY_SOURCE={settings.source}: the demo writes its own bucket, into a folder")
        last = DEMO_START + timedelta(days=DEMO_DAYS - 1)

        step = "1 of 3, simulate a bucket"
        say(f"Step {step}: {DEMO_DAYS} days of traffic in OpenSky's formats, into {store.root}")
        _simulate_demo(store.root)

        step = "2 of 3, plan"
        from opensky_assets.ingest.plan import make_plan

        say(f"\nStep {step}: what is in the bucket, what the lake has")
        for line in plan_lines(
            make_plan(store, _lake(settings), settings, _today()), store.uri, source_kind(store), DEMO_START, last
        ):
            say(line)

        step = "3 of 3, materialize"
        say(f"\nStep {step}: objects to raw tables, joins, marts, through the dagster command line")
        code = run(Path.cwd(), settings, DEMO_START, last)
    except (LakeError, SourceError, SettingsError) as failure:
        error(f"\nThe demo failed in step {step}: {failure}")
        return 1
    say(f"\nThe demo {'is done' if code == 0 else 'FAILED in step ' + step}.\n")
    for line in summary_lines(_lake(settings), settings):
        say(line)
    say(f"time       {time.monotonic() - began:.0f} s")
    return code


def _simulate_demo(out: Path) -> None:
    from opensky_assets.jobs.report import say
    from opensky_assets.sources.simulation.bucket import BucketExistsError, simulate

    try:
        made = simulate(out, start=DEMO_START, days=DEMO_DAYS, aircraft=DEMO_AIRCRAFT, seed=DEMO_SEED, progress=say)
    except BucketExistsError as error:
        raise SourceError(f"{error}; set OPENSKY_SOURCE to another folder for the demo") from None
    say(made.text())


def simulate(arguments: argparse.Namespace) -> int:
    from opensky_assets.sources.simulate import main as run

    return run(arguments.rest)


def dev(arguments: argparse.Namespace) -> int:
    """`dagster dev` on loopback, over the same history as every other command."""
    from opensky_assets.dagster_home import dagster_home, end_dead_runs, history

    home = dagster_home(Path.cwd())
    with history(home) as instance:
        end_dead_runs(instance)
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", *arguments.rest]
    return subprocess.call(command, env={**os.environ, "DAGSTER_HOME": str(home)})


def warehouse(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.report import say
    from opensky_assets.lake.warehouse import rebuild_warehouse

    settings = load_settings()
    names = rebuild_warehouse(_lake(settings), Path(settings.warehouse).resolve())
    say(f"{settings.warehouse}: {', '.join(names) or 'no table yet: the lake is empty'}")
    return 0


def probe(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.probe import probe as run

    return run(arguments.endpoint, arguments.bucket, arguments.hour)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="opensky-assets", description="OpenSky's raw files as trusted daily tables.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    command("demo", demo, "a simulated bucket becomes tables; prints a summary")
    for name, run, text in (
        ("plan", plan, "what the source has, what the lake has, what a run would do"),
        ("materialize", materialize, "bring days into the lake, with everything made of them"),
    ):
        made = command(name, run, text)
        required = name == "materialize"
        made.add_argument("--from", dest="first", required=required, metavar="DAY", help="first day, as 2022-06-25")
        made.add_argument("--to", dest="last", required=required, metavar="DAY", help="last day, included")
    for name, run, text in (
        ("dev", dev, "the Dagster UI on 127.0.0.1:3000; further arguments go to `dagster dev`"),
        ("simulate", simulate, "write a simulated bucket; `simulate --help` tells its arguments"),
    ):
        command(name, run, text)
    command("warehouse", warehouse, "rebuild the DuckDB file of views over the lake")
    made = command("probe", probe, "list OpenSky's public bucket and ingest one hour of it into a scratch lake")
    made.add_argument("--endpoint", default="https://s3.opensky-network.org")
    made.add_argument("--bucket", default="data-samples")
    made.add_argument("--hour", default="2022-06-27-04", help="the hour, as 2022-06-27-04 (the default)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; what the user can mend is said in one line, without a traceback."""
    from opensky_assets.jobs.materialize import OutsideCalendar
    from opensky_assets.jobs.report import error

    given = sys.argv[1:] if argv is None else argv
    passed_on = given[:1] in (["dev"], ["simulate"])
    arguments = _parser().parse_args(given[:1] if passed_on else given)
    arguments.rest = given[1:] if passed_on else []
    try:
        return arguments.run(arguments)
    except (LakeError, SourceError, SettingsError, OutsideCalendar) as failure:
        error(f"opensky-assets {arguments.command}: {failure}")
        return 1
    except KeyboardInterrupt:
        error("stopped; what is published stays, run the same command again to go on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
