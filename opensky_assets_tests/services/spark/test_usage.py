"""Known loads on Spark, measured from the driver, against what the workers' own processes say."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opensky_assets.benchmark.executors import executors_used
from opensky_assets.benchmark.monitor import Monitor, Usage
from opensky_assets.benchmark.scenarios import Job, Measured, run_once
from opensky_assets.benchmark.selection import objects_of, select
from opensky_assets.engines.spark.engine import SparkEngine
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.telemetry import recording
from opensky_assets_tests.buckets import TODAY
from opensky_assets_tests.commands import ROOT
from opensky_assets_tests.loads import burn, hold, write
from opensky_assets_tests.object_server import ObjectServer
from opensky_assets_tests.services.spark.cluster import cluster
from opensky_assets_tests.serving import serving

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.services

MB = 1 << 20
SETTINGS = Settings(_env_file=None, workers=1)


def in_a_worker(
    context: SparkContext, load: Callable[..., None], *arguments: object
) -> tuple[Usage, int, dict[str, float]]:
    """What the monitor says of a load in a Python worker, the memory at its start, and what the worker says."""

    def run(_: int) -> dict[str, float]:
        before = resource.getrusage(resource.RUSAGE_SELF)
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        load(*arguments)
        after = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "grown": after.ru_maxrss * 1024 - resident,
            "written": (after.ru_oublock - before.ru_oublock) * 512,
        }

    context.parallelize([0], 1).map(lambda n: n).collect()  # a worker is there
    with Monitor() as monitor:
        (told,) = context.parallelize([0], 1).map(run).collect()
    return monitor.usage, monitor.samples[0].tree_rss_bytes, told


def test_a_busy_core_of_a_worker_is_counted(session: SparkSession) -> None:
    usage, _, told = in_a_worker(session.sparkContext, burn, 10.0)
    assert told["cpu_s"] >= 10
    assert usage.cpu_s == pytest.approx(told["cpu_s"], rel=0.1)


def test_memory_of_a_worker_is_counted(session: SparkSession) -> None:
    usage, resident, told = in_a_worker(session.sparkContext, hold, 500, 2.5)
    assert told["grown"] >= 450 * MB
    assert usage.peak_rss_bytes - resident == pytest.approx(told["grown"], rel=0.1)


def test_what_a_worker_writes_to_the_disk_counts(session: SparkSession) -> None:
    (ROOT / "data").mkdir(exist_ok=True)
    path = ROOT / "data" / f"written-by-a-test-{os.getpid()}"
    try:
        usage, _, told = in_a_worker(session.sparkContext, write, 200, path)
    finally:
        path.unlink()
    assert told["written"] >= 200 * MB
    assert usage.written_bytes == pytest.approx(told["written"], rel=0.1)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bucket = tmp_path_factory.mktemp("hours") / "bucket"
    simulate(bucket, start=date(2022, 6, 25), days=1, aircraft=150, seed=3, states_hours=6)
    return bucket


def test_what_workers_received_is_what_the_server_sent(session: SparkSession, hours: Path, tmp_path: Path) -> None:
    with serving(ObjectServer(hours)) as server:
        runner = SparkEngine(session).ingest
        lake = Lake.at(tmp_path / "lake")
        with recording() as requests:
            done = sync_days(STATE_VECTORS, ["2022-06-25"], server.store, lake, SETTINGS, TODAY, print, runner)
        sent = [one.bytes for one in server.served if one.key.startswith("states/")]
    assert len(done.read) == len(sent) == 6
    assert requests.totals.received_bytes == sum(one.bytes for one in server.served)


def run(hours: Path, engine: str, folder: Path) -> Measured:
    """One run of the benchmark over all hours, with the settings of the environment."""
    folder.mkdir()
    store = LocalStore(hours)
    objects = objects_of(store, "state_vectors", SETTINGS, TODAY, Lake.at(folder / "empty"))
    return run_once(Job(select(store, objects, 6), "state_vectors", engine, 2, str(folder), TODAY))


def test_a_run_on_spark_is_measured_like_one_on_this_machine(
    hours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSKY_SPARK_MASTER", "local[2]")
    monkeypatch.setenv("OPENSKY_SPARK_MEMORY", "1g")
    one, other = run(hours, "local", tmp_path / "one"), run(hours, "spark", tmp_path / "other")
    assert one.records == other.records > 0
    received = [each.requests.totals.received_bytes for each in (one, other)]
    assert received[0] == received[1] > 0
    assert one.session_s is None and (other.session_s or 0) > 1 and other.processes == 2
    assert other.usage.peak_rss_bytes > one.usage.peak_rss_bytes + 200e6  # Java is in the tree


def test_executors_of_a_cluster_are_asked_for_by_spark_s_pages(
    hours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path, workers=2) as found:
        monkeypatch.setenv("OPENSKY_SPARK_MASTER", found.master)
        monkeypatch.setenv("OPENSKY_SPARK_MEMORY", "1g")
        executors = run(hours, "spark", tmp_path / "run").executors
    assert executors.count == 2 and executors.missing == ()
    assert executors.task_s is not None and executors.task_s > 0.1
    assert executors.peak_bytes is not None and executors.peak_bytes > 300e6  # two Javas and their Pythons


def test_executors_that_cannot_be_asked_are_missing() -> None:
    assert "switched off" in executors_used(None, "app").missing[0]
    nobody = executors_used("http://127.0.0.1:9", "app")
    assert (nobody.task_s, nobody.peak_bytes) == (None, None) and "127.0.0.1:9" in nobody.missing[0]
