"""One measured ingest: `python -m opensky_assets.jobs.benchmark_run MEASURED`, with the pickled `Job` on standard
input. Imports and the start of a Spark session are not on the clock."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.benchmark.executors import NO_EXECUTORS, executors_used
from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.benchmark.scenarios import Job, Measured
from opensky_assets.calendar import days_of
from opensky_assets.console import say
from opensky_assets.ingest.plan import RAW_TABLES
from opensky_assets.ingest.runner import Runner, ingest_objects, processes_for
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.settings import Settings, load_settings
from opensky_assets.sources.keys import read_key
from opensky_assets.storage.telemetry import recording

if TYPE_CHECKING:
    from opensky_assets.resources.spark import SparkResource

MOST_REQUESTS_AN_OBJECT = 100
"""More than one takes on average, so that the verdict sees each request of the run."""


def measure(job: Job, settings: Settings) -> Measured:
    """Run the job on the engine of the settings."""
    settings = settings.model_copy(update={"file_limit": None, "year": None, "month": None, "day": None})
    runner: Runner = ingest_objects
    processes = processes_for([item.size for item in job.selection.objects.values()], job.workers)
    session_s, spark = None, None
    if settings.engine == "spark":
        began = time.perf_counter()
        spark = _spark()
        runner = spark.ingest_runner(settings, say)
        at_once = spark.session(settings, say).sparkContext.defaultParallelism
        processes = min(at_once, len(job.selection.objects))
        session_s = time.perf_counter() - began
    periods = [facts.period for key in job.selection.objects if (facts := read_key(key)) and facts.period]
    days = sorted({day for period in periods for day in days_of(period)})
    lake = Lake.at(Path(job.folder, "lake"))
    with Monitor() as monitor, recording(MOST_REQUESTS_AN_OBJECT * len(job.selection.objects)) as requests:
        done = sync_days(RAW_TABLES[job.table], days, job.selection, lake, settings, job.today, say, runner)
    executors = NO_EXECUTORS
    if spark is not None:
        if not settings.spark_master.startswith("local"):
            application = spark.session(settings, say).sparkContext.applicationId
            executors = executors_used(spark.pages, application)
        spark.stop()
    records = sum(manifest.total.read for manifest in done.read)
    return Measured(
        monitor.usage, monitor.samples, requests, processes, records, len(done.messages), session_s, executors
    )


def _spark() -> SparkResource:
    from opensky_assets.resources.spark import SparkResource  # and Dagster with it

    return SparkResource()


def main() -> int:
    job: Job = pickle.load(sys.stdin.buffer)
    Path(sys.argv[1]).write_bytes(pickle.dumps(measure(job, load_settings())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
