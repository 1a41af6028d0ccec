"""Materialize days through the dagster command line: one run a contiguous stretch of days that have objects."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.calendar import ALL, Partitions, Period, chunks_of, days_of, ranges_of
from opensky_assets.console import say
from opensky_assets.dagster_home import dagster_home, end_dead_runs, history
from opensky_assets.ingest.plan import RAW_TABLES, Plan, Planned, Status, make_plan, require_space, tables_by
from opensky_assets.jobs.check_results import check_lines, newest_run
from opensky_assets.jobs.run_log import (
    LOGGER,
    console_logger,
    console_silent_when,
    log_file_logger,
    log_of_command,
    printing_to,
)
from opensky_assets.lake import Lake, open_lake
from opensky_assets.progress import advance, is_shown
from opensky_assets.report.build import days_with_facts
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.sources.claims import claim
from opensky_assets.storage.landing import open_stores
from opensky_assets.transforms.due import due_days_of
from opensky_assets.wording import plural

if TYPE_CHECKING:
    from dagster import Definitions


def materialize(root: Path, settings: Settings, first: date, last: date, log_level: str = "INFO") -> int:
    """Bring the days into the lake and everything made of them; 0 where all went well.

    Days without objects are left alone. Objects whose name does not tell their days are read first; the days found in
    them follow. A stretch that fails stops no other.
    """

    def ranges(plan: Plan, done: set[str]) -> list[tuple[str, str]]:
        return ranges_of(_wanted(plan, settings, first, last, done))

    return _run_ranges(root, settings, first, last, ranges, log_level, lambda planned: True)


def backfill(
    root: Path, settings: Settings, first: date, last: date, chunk: int | None = None, log_level: str = "WARNING"
) -> int:
    """Like `materialize`, but only for what is missing, in runs over at most `chunk` days of the calendar, by default
    one run over all, and with progress; 0 where all went well.

    A day is missing where an object of it is not in the lake as it is in the source, or where one of its tables is not
    made yet, or of other inputs than the lake has now. So the same command goes on where it was interrupted.
    """
    began = time.monotonic()
    lake = open_lake(settings)
    told: list[int] = []

    def ranges(plan: Plan, done: set[str]) -> Iterator[tuple[str, str]]:
        wanted = _wanted(plan, settings, first, last, done)
        days = due_days_of(lake, plan, wanted, settings.refresh)
        found = chunks_of(days, chunk)
        raw = [o for table in tables_by(Partitions.DAY) for o in plan.of(table)]
        if not days and not done and any(o.days is None and o.is_due(settings.refresh) for o in raw):
            found = [(last.isoformat(), last.isoformat())]  # once they are read, objects tell which days they hold
        if not told:
            verb = "has" if len(wanted) == 1 else "have"
            runs = plural(len(found), "run")
            are = "is" if len(days) == 1 else "are"
            say(f"{plural(len(wanted), 'day')} {verb} objects, {len(days):,} of them {are} missing: {runs}")
        told.append(len(found))
        ran = 0
        for at, (start, end) in enumerate(found):
            yield start, end
            ran += sum(start <= day <= end for day in days)
            spent = time.monotonic() - began
            left = spent / max(ran, 1) * (len(days) - ran)
            advance("days", ran, len(days), f"run {at + 1} of {len(found)}")
            say(
                f"run {at + 1} of {len(found)} ended: {ran} of {len(days)} days, {spent:.0f} s, about {left:.0f} s left"
            )

    return _run_ranges(root, settings, first, last, ranges, log_level, lambda o: o.is_due(settings.refresh))


def _run_ranges(
    root: Path,
    settings: Settings,
    first: date,
    last: date,
    ranges: Callable[[Plan, set[str]], Iterable[tuple[str, str]]],
    log_level: str,
    is_asked: Callable[[Planned], bool],
) -> int:
    """One run for each of the ranges that the plan gives, anew until it gives none: an object that was read may tell
    of further days."""
    today = datetime.now(UTC).date()
    _provide_java([settings.engine])
    home = dagster_home(root)
    os.environ["DAGSTER_HOME"] = str(home)
    with history(home) as instance:
        for run_id in end_dead_runs(instance):
            say(f"run {run_id} of an earlier command died; it is now marked as failed")
        mark = newest_run(instance)

    lake = open_lake(settings)
    store = open_stores(settings)
    plan = make_plan(store, lake, settings, today)
    claim(lake, store)
    asked = plan.days(first, last)
    require_space(lake, [o for table in RAW_TABLES for o in plan.of(table, asked) if o.is_due(settings.refresh)])
    failed: list[str] = []
    if _reference_is_due(plan, lake):
        failed += _dagster(_in_group("reference"), None, log_level)
    others = plan.other_partitions(first, last, is_asked)  # first, since what is made by day may read them
    for table, keys in others.items():
        for own_stretch in ranges_of(keys):
            failed += _dagster(_assets_of([table]), own_stretch, log_level)
    done: set[str] = set()
    while True:
        before = len(done)
        for start, end in ranges(plan, done):
            failed += _dagster(_selection(plan, start, end), (start, end), log_level)
            done |= set(days_of(Period(date.fromisoformat(start), date.fromisoformat(end))))
        if len(done) == before:
            break
        plan = make_plan(store, lake, settings, today)
    if len(done) > 1 and days_with_facts(lake, done):
        asked_days = {"first": min(done), "last": max(done)}
        failed += _dagster(["range_report"], None, log_level, {"range_report": {"config": asked_days}})
    if not done and not others:
        say(f"nothing to do: {'no' if not asked else 'no missing'} object of {store.uri} has rows of {first} to {last}")
    _say_outcome(home, mark, failed)
    return 1 if failed else 0


def _say_outcome(home: Path, mark: int, failed: Sequence[str]) -> None:
    """Say what the checks of this process's runs found, which runs failed, and where the log is."""
    with history(home) as instance:
        if newest_run(instance) > mark:
            for line in check_lines(instance, mark):
                say(line)
            say(f"log    {log_of_command(home)}")
    for stretch in failed:
        say(f"FAILED: {stretch}; the log has the reason. Run the same command again: only what is missing is read")


def remake(root: Path, days: Mapping[str, Sequence[str]], log_level: str = "INFO") -> int:
    """Run what is made of the raw tables anew, for the days given by table; 0 where all went well."""
    os.environ["DAGSTER_HOME"] = str(dagster_home(root))
    failed: list[str] = []
    for table in RAW_TABLES:
        for stretch in ranges_of(days.get(table, ())):
            failed += _dagster(_assets_of([table]), stretch, log_level)
    for stretch_failed in failed:
        say(f"FAILED: {stretch_failed}; the reason is in the log {log_of_command(Path(os.environ['DAGSTER_HOME']))}")
    return 1 if failed else 0


def run_benchmark(root: Path, config: Mapping[str, object], log_level: str = "INFO") -> int:
    """Materialize the benchmark and its page; 0 where it went well."""
    _provide_java(config.get("engines") or [load_settings().engine])
    os.environ["DAGSTER_HOME"] = str(dagster_home(root))
    failed = _dagster(_in_group("benchmark"), None, log_level, {"ingest_benchmark": {"config": dict(config)}})
    return 1 if failed else 0


def _provide_java(engines: object) -> None:
    """Install a Java where Spark is among the engines and this machine has none."""
    if not isinstance(engines, Sequence) or "spark" not in engines:
        return
    from opensky_assets.engines.spark.session import provide_java

    provide_java()


def _wanted(plan: Plan, settings: Settings, first: date, last: date, done: set[str]) -> list[str]:
    """Days of the range with objects, not yet asked for. Where only objects of unknown days are new, the last day is
    asked for, so that they get read and tell their days."""
    days = [
        day for day in plan.days(first, last) if settings.filters.wants(date.fromisoformat(day)) and day not in done
    ]
    daily = tables_by(Partitions.DAY)
    unknown = [o for o in plan.objects if o.days is None and o.table in daily]
    if not days and unknown and not done:
        return [last.isoformat()]
    return days


def _reference_is_due(plan: Plan, lake: Lake) -> bool:
    tables = plan.of(AIRCRAFT_DATABASE.name)
    there = lake.exists(AIRCRAFT_DATABASE.path) and lake.exists(AIRPORTS.path)
    return not there or any(table.status is not Status.UNCHANGED for table in tables)


def _selection(plan: Plan, start: str, end: str) -> list[str]:
    days = set(plan.days(date.fromisoformat(start), date.fromisoformat(end)))
    return _assets_of([table for table in tables_by(Partitions.DAY) if plan.of(table, days) or not days])


@cache
def _definitions() -> Definitions:
    """The definitions, over the settings of this process when a run first asks for them; their runs can be logged to a
    file too."""
    from dagster import Definitions

    from opensky_assets.definitions import defs

    loggers = {"console": console_logger(), LOGGER: log_file_logger()}
    return Definitions.merge(defs(), Definitions(loggers=loggers))


def _assets_of(tables: Sequence[str]) -> list[str]:
    from opensky_assets.graph import assets_of

    return assets_of(_definitions().resolve_asset_graph(), tables)


def _in_group(group: str) -> list[str]:
    from opensky_assets.graph import in_group

    return in_group(_definitions().resolve_asset_graph(), group)


def _dagster(
    assets: Sequence[str], days: tuple[str, str] | None, log_level: str, ops: Mapping[str, object] | None = None
) -> list[str]:
    """What `dagster asset materialize` does, in this process: the definitions are loaded once for all stretches, and
    with the settings of this process, where Dagster's command would put those of `.env` over its environment.
    Returns what failed. Raises `KeyboardInterrupt` where it was interrupted, which for Dagster is a failed run."""
    from dagster import AssetKey, DagsterExecutionInterruptedError

    from opensky_assets.dagster_private import capture_interrupts
    from opensky_assets.partitions import range_tags

    days_told = "...".join(days) if days and days != (ALL, ALL) else None
    of_days = f" --partition-range {days_told}" if days_told else ""
    say(f"$ dagster asset materialize -m opensky_assets.definitions --select {','.join(assets)}{of_days}")
    home = Path(os.environ["DAGSTER_HOME"])
    log = log_of_command(home)
    levels = {"console": {"log_level": "WARNING" if is_shown() else log_level}, LOGGER: {"path": str(log)}}
    loggers = {name: {"config": of_logger} for name, of_logger in levels.items()}
    config = {"loggers": loggers, "ops": dict(ops or {})}
    with (
        _watched_for_interrupts() as interrupted,
        console_silent_when(interrupted),
        history(home) as instance,
        printing_to(log),
    ):
        try:
            with capture_interrupts():
                done = (
                    _definitions()
                    .resolve_implicit_global_asset_job_def()
                    .execute_in_process(
                        run_config=config,
                        instance=instance,
                        asset_selection=[AssetKey(name) for name in assets],
                        tags=range_tags(*days) if days and days != (ALL, ALL) else {},
                        raise_on_error=False,
                    )
                )
        except DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None
        if interrupted():
            raise KeyboardInterrupt
    return [] if done.success else [f"{', '.join(assets)}{f' of {days_told}' if days_told else ''}"]


@contextmanager
def _watched_for_interrupts() -> Iterator[Callable[[], bool]]:
    """Whether a SIGINT or SIGTERM came since, whoever handled it: Dagster keeps it to itself between steps, and what a
    child process makes of the same Ctrl-C can be what a step fails of."""
    came, told = socket.socketpair()
    with came, told:
        came.setblocking(False)
        told.setblocking(False)
        before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        seen = bytearray()

        def interrupted() -> bool:
            with suppress(BlockingIOError):
                seen.extend(came.recv(1024))
            return signal.SIGINT in seen or signal.SIGTERM in seen

        try:
            yield interrupted
        finally:
            signal.set_wakeup_fd(before)
