"""The ingest benchmark: the same table, from few objects to many, each run in a process and a lake of its own."""

from __future__ import annotations

import math
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from opensky_assets.benchmark.curve import Curve, fit_curve
from opensky_assets.benchmark.executors import NO_EXECUTORS, Executors
from opensky_assets.benchmark.machine import describe_machine
from opensky_assets.benchmark.monitor import Usage
from opensky_assets.benchmark.sample import Sample
from opensky_assets.benchmark.selection import (
    Selection,
    cached_share,
    cool_down,
    fingerprint,
    local_files,
    objects_of,
    select,
    warm_up,
)
from opensky_assets.benchmark.verdict import judge
from opensky_assets.ingest.plan import RAW_TABLES
from opensky_assets.ingest.runner import cores
from opensky_assets.lake import Lake
from opensky_assets.schemas import BENCHMARK_RUNS
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import source_kind
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.storage.telemetry import Recording

SMALLEST = 5
SHARES = (0.2, 0.5, 1.0)
DEFAULT_LIMIT = 50
"""Where OPENSKY_FILE_LIMIT is not set."""

RUN_PROGRAM = "opensky_assets.jobs.benchmark_run"

Row = dict[str, Any]
"""A row of `BENCHMARK_RUNS`."""


class RunFailed(Exception):
    """A run of the benchmark ended with an error."""


@dataclass(frozen=True)
class Scenario:
    """So many objects, of which `repeated` are ones that were read before."""

    name: str
    files: int
    repeated: int = 0


@dataclass(frozen=True)
class Ask:
    """What to measure. `table`: empty takes `state_vectors` where the source has any, else `flights`. `limit`: the
    largest scenario, by default OPENSKY_FILE_LIMIT. `engines`: which of them, by default that of the settings.
    `repeat_files`: read objects several times over where the source has fewer than the limit."""

    table: str = ""
    limit: int | None = None
    engines: tuple[str, ...] = ()
    workers: int | None = None
    cold: bool = False
    repeats: int = 3
    repeat_files: bool = False


@dataclass(frozen=True)
class Job:
    """One run: a selection of objects of a raw table, into an empty lake in `folder`."""

    selection: Selection
    table: str
    engine: str
    workers: int
    folder: str
    today: date


@dataclass(frozen=True)
class Measured:
    """What came of a job. `processes`: so many ingested at once."""

    usage: Usage
    samples: list[Sample]
    requests: Recording
    processes: int
    records: int
    held_back: int
    session_s: float | None
    executors: Executors

    def columns(self) -> Row:
        """The measured columns of a row, but for the verdict."""
        usage = {name: value for name, value in asdict(self.usage).items() if name in BENCHMARK_RUNS.by_name}
        totals = self.requests.totals
        return usage | {
            "started_at": datetime.fromtimestamp(self.usage.started_at, UTC),
            "processes": self.processes,
            "session_s": self.session_s,
            "rows": self.records,
            "held_back": self.held_back,
            "received_bytes": totals.received_bytes,
            "requests": totals.requests,
            "retries": totals.retries,
            "refused": totals.refusals,
            "executor_task_s": self.executors.task_s,
            "executor_peak_bytes": self.executors.peak_bytes,
            "missing": [*self.usage.missing, *self.executors.missing],
        }

    def judged(self, curve: Curve | None, files: int) -> Row:
        """The columns of the verdict."""
        began, ended = self.usage.started_at, self.usage.started_at + self.usage.duration_s
        # What executors on other machines use is not in the samples, which are of this one.
        samples = self.samples if self.executors == NO_EXECUTORS else []
        verdict = judge(self.requests.latest, samples, self.processes, began, ended, curve, files)
        return {
            "verdict": str(verdict.kind),
            "confidence": verdict.confidence,
            "evidence": list(verdict.evidence),
            "throttled_from": verdict.from_request,
        }


def scenarios(available: int, limit: int, repeat_files: bool = False) -> list[Scenario]:
    """5, 20 %, 50 % and 100 % of the limit, each number of objects once; never more objects than there are, unless
    they may be repeated."""
    limit = limit if repeat_files else min(limit, available)
    counts = {min(SMALLEST, limit): str(SMALLEST)}
    for share in SHARES:
        counts[math.ceil(share * limit)] = f"{share:.0%}".replace("%", " %")
    return [Scenario(name, files, max(0, files - available)) for files, name in sorted(counts.items())]


def benchmark(
    store: ObjectStore, lake: Lake, settings: Settings, today: date, ask: Ask, report: Callable[[str], None]
) -> list[Row]:
    """Run every scenario as often as asked for, in turns, so that what else the machine does disturbs all alike.

    Each run is a process of its own that ingests into a scratch lake: in the lake's staging folder, or on this machine
    where the lake is in a bucket. The lake itself is not touched. Raises `SourceError` where the source has nothing
    of the table, `RunFailed` where a run ends with an error.
    """
    at = datetime.now(UTC)
    name = f"{at:%Y%m%dT%H%M%SZ}-{uuid4().hex[:4]}"
    with lake.run() as run:
        nothing = Lake.at(run.folder("empty"))
        table, objects = _table(store, settings, today, ask.table, nothing)
        limit = ask.limit or settings.filters.file_limit or DEFAULT_LIMIT
        if len(objects) < limit:
            report(_told_few(len(objects), limit, ask.repeat_files))
        found = scenarios(len(objects), limit, ask.repeat_files)
        shared: Row = {
            "benchmark": name,
            "table": table,
            "workers": ask.workers or settings.workers or cores(),
            "source": store.uri,
            "source_kind": source_kind(store),
            **describe_machine(),
        }
        runs: list[tuple[Row, Measured]] = []
        engines = ask.engines or (settings.engine,)
        for repeat in range(1, ask.repeats + 1):
            turns = [(scenario, engine) for scenario in found for engine in engines]
            for scenario, engine in turns if repeat % 2 else reversed(turns):
                selection = select(store, objects, scenario.files)
                cache = _prepare(selection, ask.cold)
                folder = run.folder("lake")
                measured = run_once(Job(selection, table, engine, shared["workers"], str(folder), today))
                shutil.rmtree(folder)
                row = shared | _of_scenario(scenario, selection, repeat) | cache | measured.columns()
                row |= {"engine": engine, "master": settings.spark.master if engine == "spark" else None}
                runs.append((row, measured))
                report(_told(row))
    curves = {engine: curve_of([row for row, _ in runs if row["engine"] == engine]) for engine in engines}
    return [row | measured.judged(curves[row["engine"]], row["files"]) for row, measured in runs]


def curve_of(rows: Sequence[Row]) -> Curve | None:
    """The line through the run times of one engine, where there are at least two sizes."""
    points = [(row["files"], row["duration_s"]) for row in rows]
    return fit_curve(points) if len({files for files, _ in points}) > 1 else None


def _table(store: ObjectStore, settings: Settings, today: date, asked: str, nothing: Lake) -> tuple[str, list[Any]]:
    for table in [asked] if asked else ["state_vectors", "flights"]:
        if table not in RAW_TABLES:
            raise SourceError(f"there is no raw table {table}: take {' or '.join(RAW_TABLES)}")
        if objects := objects_of(store, table, settings, today, nothing):
            return table, objects
    raise SourceError(f"the source {store.uri} has no object of {asked or 'a raw table'} whose key tells its days")


def _told_few(available: int, limit: int, repeat_files: bool) -> str:
    if repeat_files:
        return f"the source has {available} objects, not {limit}: larger scenarios read them again and again"
    return f"the source has {available} objects, not {limit}: the scenarios are shares of {available}"


def _of_scenario(scenario: Scenario, selection: Selection, repeat: int) -> Row:
    objects = list(selection.objects.values())
    return {
        "scenario": scenario.name,
        "files": scenario.files,
        "repeated_files": scenario.repeated,
        "repeat": repeat,
        "source_bytes": sum(item.size for item in objects),
        "data": fingerprint(objects),
        "first_key": objects[0].key,
        "last_key": objects[min(len(objects), scenario.files - scenario.repeated) - 1].key,
    }


def _prepare(selection: Selection, cold: bool) -> Row:
    """Put the page cache into the state asked for, as far as it is this machine's."""
    files = local_files(selection)
    if not files:
        return {"cache": "remote", "cached_share": None}
    (cool_down if cold else warm_up)(files)
    return {"cache": "cold" if cold else "warm", "cached_share": cached_share(files)}


def run_once(job: Job) -> Measured:
    """One ingest, in a process of its own with this one's environment. Raises `RunFailed` with what it said."""
    environment = os.environ | {"OPENSKY_ENGINE": job.engine, "OPENSKY_WORKERS": str(job.workers)}
    told = Path(job.folder, "measured")
    command = [sys.executable, "-m", RUN_PROGRAM, str(told)]
    done = subprocess.run(command, input=pickle.dumps(job), env=environment, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RunFailed(f"the run over {len(job.selection.objects)} objects failed: {said[-2000:]}")
    measured: Measured = pickle.loads(told.read_bytes())
    return measured


def _told(row: Row) -> str:
    per_file = row["duration_s"] / row["files"]
    return (
        f"{row['engine']}, {row['files']} files, run {row['repeat']}: {row['duration_s']:.2f} s ({per_file:.3f} s a "
        f"file), {row['rows']:,} records, {row['mean_cores']:.2f} cores, {row['peak_rss_bytes'] / 1e6:.0f} MB"
    )
