"""The command line: thin over the rest, works without make."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from dotenv import load_dotenv

from opensky_assets.console import error, say, show_warnings
from opensky_assets.datasets import dataset_names, load_own
from opensky_assets.lake import Held, LakeError, Manifest, open_lake
from opensky_assets.settings import SettingsError, load_settings
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore, open_source

DEMO_START, DEMO_DAYS, DEMO_AIRCRAFT, DEMO_SEED = date(2022, 6, 25), 3, 600, 7


def _today() -> date:
    return datetime.now(UTC).date()


def plan(arguments: argparse.Namespace) -> int:
    from opensky_assets.calendar import calendar, parse_range
    from opensky_assets.ingest.plan import make_plan
    from opensky_assets.jobs.report import plan_lines

    settings = load_settings()
    days = calendar(_today())
    first, last = parse_range(arguments.first or str(days.first), arguments.last or str(days.last), _today())
    store = open_source(settings)
    made = make_plan(store, open_lake(settings), settings, _today())
    for line in plan_lines(made, store.uri, source_kind(store), first, last):
        say(line)
    return 0


def materialize(arguments: argparse.Namespace) -> int:
    from opensky_assets.calendar import Period, days_of, parse_range
    from opensky_assets.jobs.materialize import backfill
    from opensky_assets.jobs.materialize import materialize as run
    from opensky_assets.jobs.report import summary_lines

    began = time.monotonic()
    missing_only = arguments.command == "backfill"
    if not missing_only and arguments.refresh:
        os.environ["OPENSKY_REFRESH"] = "true"  # for the runs as well, which read the settings themselves
    settings = load_settings()
    first, last = parse_range(arguments.first, arguments.last, _today())
    if missing_only:
        code = backfill(Path.cwd(), settings, first, last, arguments.chunk)
    else:
        code = run(Path.cwd(), settings, first, last)
    say()
    for line in summary_lines(open_lake(settings), settings, set(days_of(Period(first, last)))):
        say(line)
    say(f"time       {time.monotonic() - began:.0f} s")
    return code


def prune(arguments: argparse.Namespace) -> int:
    from opensky_assets.ingest.plan import is_vanished, require_no_rows
    from opensky_assets.jobs.materialize import remake
    from opensky_assets.jobs.report import prune_lines
    from opensky_assets.lake.prune import find, past, remove
    from opensky_assets.schemas import AIRCRAFT_DATABASE

    settings = load_settings()
    lake = open_lake(settings)
    vanished: list[Manifest] = []
    gone: list[Held] = []
    if arguments.vanished:
        store = open_source(settings)
        keys, left_out = {item.key for item in store.list()}, store.left_out()
        if not keys and not arguments.yes:
            require_no_rows(store, sum(len(lake.manifests(table)) + len(lake.held(table)) for table in dataset_names()))
        lake.claim(store.uri, source_kind(store))
        for table in dataset_names():
            vanished += [m for key, m in lake.manifests(table).items() if is_vanished(key, keys, left_out)]
            gone += [held for key, held in lake.held(table).items() if is_vanished(key, keys, left_out)]
    expired: list[Manifest] = []
    if arguments.keep_days is not None:
        oldest = (_today() - timedelta(days=arguments.keep_days)).isoformat()
        tables = [arguments.table] if arguments.table else dataset_names()
        expired = past(lake, tables, oldest)
    found = find(lake, [*dataset_names(), AIRCRAFT_DATABASE.name], vanished, gone, expired)
    if found.items and not arguments.dry_run:
        remove(lake, found)
    for line in prune_lines(found, arguments.dry_run):
        say(line)
    return 0 if arguments.dry_run else remake(Path.cwd(), found.days)


def verify(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.report import verify_lines
    from opensky_assets.transforms.verify import repair
    from opensky_assets.transforms.verify import verify as run

    lake = open_lake(load_settings())
    found = run(lake, say)
    removed = repair(lake, found) if arguments.repair else []
    for line in verify_lines(found, removed if arguments.repair else None):
        say(line)
    return 1 if found.problems else 0


def replay_quarantine(arguments: argparse.Namespace) -> int:
    from opensky_assets.ingest.replay import replay
    from opensky_assets.jobs.materialize import remake
    from opensky_assets.jobs.report import replay_lines

    settings = load_settings()
    tables = [arguments.table] if arguments.table else dataset_names()
    reasons = arguments.reason or ()
    done = replay(open_source(settings), open_lake(settings), settings, _today(), say, tables, reasons)
    for line in replay_lines(done):
        say(line)
    return remake(Path.cwd(), done.changed_days)


def demo(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.materialize import materialize as run
    from opensky_assets.jobs.report import plan_lines, summary_lines

    began = time.monotonic()
    step = "settings"
    try:
        settings = load_settings()
        store = open_source(settings)
        if not isinstance(store, LocalStore):
            raise SettingsError(f"OPENSKY_SOURCE={settings.source.uri}: the demo writes its own bucket, into a folder")
        last = DEMO_START + timedelta(days=DEMO_DAYS - 1)

        step = "1 of 3, simulate a bucket"
        say(f"Step {step}: {DEMO_DAYS} days of traffic in OpenSky's formats, into {store.root}")
        _simulate_demo(store.root)

        step = "2 of 3, plan"
        from opensky_assets.ingest.plan import make_plan

        say(f"\nStep {step}: what is in the bucket, what the lake has")
        for line in plan_lines(
            make_plan(store, open_lake(settings), settings, _today()), store.uri, source_kind(store), DEMO_START, last
        ):
            say(line)

        step = "3 of 3, materialize"
        say(f"\nStep {step}: objects to raw tables, joins, marts, through the dagster command line")
        code = run(Path.cwd(), settings, DEMO_START, last)
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


def service(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.service import PARTS, serve, start, status, stop

    if arguments.command == "serve":
        part = next(part for part in PARTS if part.replace(" ", "-") == arguments.part)
        port = arguments.port or (arguments.code[1] if arguments.part == "code-server" else 3000)
        return serve(Path.cwd(), part, arguments.host, port, arguments.code)
    if arguments.command == "start":
        return start(Path.cwd(), arguments.port)
    return {"stop": stop, "status": status}[arguments.command](Path.cwd())


def warehouse(arguments: argparse.Namespace) -> int:
    from opensky_assets.lake.warehouse import rebuild_warehouse

    settings = load_settings()
    names = rebuild_warehouse(open_lake(settings), Path(settings.warehouse).resolve())
    say(f"{settings.warehouse}: {', '.join(names) or 'no table yet: the lake is empty'}")
    return 0


def sql(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.sql import SqlError, run_sql

    query = sys.stdin.read() if arguments.query == "-" else arguments.query
    try:
        run_sql(query, open_lake(load_settings()), arguments.format, arguments.out, arguments.exact)
    except SqlError as failure:
        error(f"opensky-assets sql: {failure}")
        return 1
    return 0


def tables(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.tables import UnknownTable, column_lines, markdown, table_lines

    if arguments.markdown:
        sys.stdout.buffer.write(markdown().encode())
        return 0
    lake = open_lake(load_settings())
    try:
        for line in column_lines(lake, arguments.name) if arguments.name else table_lines(lake):
            say(line)
    except UnknownTable as failure:
        error(f"opensky-assets tables: {failure}")
        return 1
    return 0


def probe(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.probe import probe as run

    return run(arguments.endpoint, arguments.bucket, arguments.hour)


def benchmark(arguments: argparse.Namespace) -> int:
    from opensky_assets.benchmark.history import CSV_PATH
    from opensky_assets.jobs.materialize import run_benchmark
    from opensky_assets.report.benchmark import PAGE

    given = {"table": arguments.table, "limit": arguments.limit, "workers": arguments.workers}
    flags = {"cold": arguments.cold, "repeat_files": arguments.repeat_files, "repeats": arguments.repeats}
    asked = {name: value for name, value in {**given, **flags, "engines": arguments.engine}.items() if value}
    code = run_benchmark(Path.cwd(), asked)
    if code == 0:
        lake = open_lake(load_settings())
        say(lake.files.read(CSV_PATH).decode().rstrip())
        say(f"the page: {lake.address(PAGE)}")
    return code


def doctor(arguments: argparse.Namespace) -> int:
    from opensky_assets.jobs.doctor import doctor as run

    return run(say)


def _positive(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text} is no number from {least} on")
    return int(text)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")
    return number


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError
    return host, _port(port)


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
        ("backfill", materialize, "the same for what is missing of many days; interrupted, it goes on where it was"),
    ):
        made = command(name, run, text)
        required = name != "plan"
        made.add_argument("--from", dest="first", required=required, metavar="DAY", help="first day, as 2022-06-25")
        made.add_argument("--to", dest="last", required=required, metavar="DAY", help="last day, included")
        if name == "backfill":
            made.add_argument(
                "--chunk", type=_positive, metavar="DAYS", help="a run for so many days at a time; by default one run"
            )
        if name == "materialize":
            made.add_argument(
                "--refresh", action="store_true", help="also read again what an older contract or version wrote"
            )
    for name, run, text in (
        ("dev", dev, "the Dagster UI on 127.0.0.1:3000; further arguments go to `dagster dev`"),
        ("simulate", simulate, "write a simulated bucket; `simulate --help` tells its arguments"),
    ):
        command(name, run, text)
    made = command("start", service, "webserver, daemon and code server in the background, each checked")
    made.add_argument("--port", type=_port, default=3000, help="of the UI on 127.0.0.1; 3000 by default")
    command("status", service, "how each part of the service is; exit code 0: all well, 3: it does not run, 1: trouble")
    command(
        "stop",
        service,
        "stop the service; a run that does not end within 20 s is killed, and run again after the next start",
    )
    made = command("serve", service, "one part of the service in the foreground, for systemd or a container")
    made.add_argument("part", choices=["code-server", "daemon", "webserver"])
    made.add_argument("--host", default="127.0.0.1", help="where it listens; 127.0.0.1 by default")
    made.add_argument("--port", type=_port, help="of the code server 4266, of the webserver 3000 by default")
    made.add_argument(
        "--code", type=_address, default=("127.0.0.1", 4266), metavar="HOST:PORT", help="where the code server listens"
    )
    command("warehouse", warehouse, "rebuild the DuckDB file of views over the lake")
    made = command("prune", prune, "remove what dead runs left and, on request, the rows of objects that are gone")
    made.add_argument("--vanished", action="store_true", help="also the rows of objects that the source has no more")
    made.add_argument(
        "--keep-days",
        type=partial(_positive, least=0),
        metavar="N",
        help="also raw rows of objects whose last day is more than N days ago; what was made of them stays",
    )
    made.add_argument("--table", choices=dataset_names(), help="--keep-days: of this raw table only")
    made.add_argument("--dry-run", action="store_true", help="only say what would go, and how many bytes")
    made.add_argument("--yes", action="store_true", help="--vanished: also where the source lists no object at all")
    made = command("verify", verify, "prove the lake: manifests, files, rows, counts, and what each day is made of")
    made.add_argument("--repair", action="store_true", help="make due what is broken; materialize or backfill reads it")
    made = command(
        "replay-quarantine",
        replay_quarantine,
        "read objects with quarantined records again, after a fix or a new limit",
    )
    made.add_argument("--table", choices=dataset_names(), help="of this raw table only")
    made.add_argument("--reason", action="append", help="with this reason only; can be given several times")
    made = command("sql", sql, "answer a query over the lake's tables; locks nothing, so it can run at any time")
    made.add_argument("query", help='as "FROM routes LIMIT 5"; - reads it from standard input')
    made.add_argument(
        "--format", choices=["table", "csv", "json", "parquet"], help="by default a table, or as --out ends"
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the answer there")
    made.add_argument(
        "--exact",
        action="store_true",
        help="CSV with every text as it is. Without it, an apostrophe is put before text that begins with = + - @, tab "
        "or line break, which a spreadsheet would run as a formula; numbers, JSON and Parquet are always exact",
    )
    made = command("tables", tables, "the tables, what the lake has of them, their columns with units")
    made.add_argument("name", nargs="?", help="the columns of this table")
    made.add_argument("--markdown", action="store_true", help="all tables as the page docs/tables.md")
    made = command("benchmark", benchmark, "measure the ingest of 5, 20 %%, 50 %% and 100 %% of the file limit")
    made.add_argument("--table", choices=dataset_names(), help="by default states, if there are any")
    made.add_argument("--limit", type=_positive, metavar="FILES", help="by default OPENSKY_FILE_LIMIT, else 50")
    made.add_argument("--engine", action="append", choices=["local", "spark"], help="can be given twice")
    made.add_argument("--workers", type=_positive, metavar="N", help="by default OPENSKY_WORKERS, else all cores")
    made.add_argument("--repeats", type=_positive, metavar="N", help="of each scenario, by default 3")
    made.add_argument("--cold", action="store_true", help="drop the files from the page cache before each run")
    made.add_argument("--repeat-files", action="store_true", help="read files again where there are too few")
    command("doctor", doctor, "is everything here that a run needs? a line each; the exit code counts the problems")
    made = command("probe", probe, "list OpenSky's public bucket and ingest one hour of it into a scratch lake")
    made.add_argument("--endpoint", default="https://s3.opensky-network.org")
    made.add_argument("--bucket", default="data-samples")
    made.add_argument("--hour", default="2022-06-27-04", help="the hour, as 2022-06-27-04 (the default)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; what the user can mend is said in one line, without a traceback."""
    from opensky_assets.calendar import OutsideCalendar

    show_warnings()
    load_dotenv(Path.cwd() / ".env")  # also what others read, as AWS_… and JAVA_HOME; the environment wins
    given = sys.argv[1:] if argv is None else argv
    passed_on = given[:1] in (["dev"], ["simulate"])
    try:
        if os.environ.get("OPENSKY_DATASETS") or os.environ.get("OPENSKY_DEFINITIONS"):
            load_own(load_settings())  # before the arguments, which can name tables
    except SettingsError as failure:
        error(f"opensky-assets: {failure}")
        return 1
    arguments = _parser().parse_args(given[:1] if passed_on else given)
    arguments.rest = given[1:] if passed_on else []
    try:
        return arguments.run(arguments)
    except (LakeError, SourceError, SettingsError, OutsideCalendar) as failure:
        error(f"opensky-assets {arguments.command}: {failure}")
        return 1
    except BrokenPipeError:
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has had enough, as `head` has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13  # as a program that SIGPIPE ended
        raise
    except KeyboardInterrupt:
        error("stopped; what is published stays, run the same command again to go on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
