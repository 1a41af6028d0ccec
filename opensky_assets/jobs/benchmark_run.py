"""One measured ingest: `python -m opensky_assets.jobs.benchmark_run MEASURED`, with the pickled `Job` on standard
input. Imports and the start of a Spark session are not on the clock."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path

from opensky_assets.benchmark.executors import NO_EXECUTORS, executors_used
from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.benchmark.scenarios import Job, Measured
from opensky_assets.calendar import ALL
from opensky_assets.console import say
from opensky_assets.datasets import load_own, recognise
from opensky_assets.engines.engine import open_engine
from opensky_assets.engines.spark.session import start_session
from opensky_assets.ingest.plan import RAW_TABLES
from opensky_assets.ingest.runner import processes_for
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.settings import FilterSettings, Settings, load_settings
from opensky_assets.storage.telemetry import recording

MOST_REQUESTS_AN_OBJECT = 100
"""More than one takes on average, so that the verdict sees each request of the run."""


def measure(job: Job, settings: Settings) -> Measured:
    """Run the job on the engine of the settings."""
    settings = settings.model_copy(update={"filters": FilterSettings()})
    processes = processes_for([item.size for item in job.selection.objects.values()], job.workers)
    session_s, session = None, None
    if settings.engine == "spark":
        began = time.perf_counter()
        session = start_session(settings)
        processes = min(session.sparkContext.defaultParallelism, len(job.selection.objects))
        session_s = time.perf_counter() - began
    runner = open_engine(settings).ingest
    periods = [facts.period for key in job.selection.objects if (facts := recognise(key)) and facts.period]
    by = RAW_TABLES[job.table].partitions
    days = sorted({day for period in periods for day in by.keys_of(period)}) or [ALL]
    lake = Lake.at(Path(job.folder, "lake"))
    with Monitor() as monitor, recording(MOST_REQUESTS_AN_OBJECT * len(job.selection.objects)) as requests:
        done = sync_days(RAW_TABLES[job.table], days, job.selection, lake, settings, job.today, say, runner)
    executors = NO_EXECUTORS
    if session is not None:
        context = session.sparkContext
        if not settings.spark.master.startswith("local"):
            executors = executors_used(context.uiWebUrl, context.applicationId)
        session.stop()
    records = sum(manifest.total.read for manifest in done.read)
    return Measured(
        monitor.usage, monitor.samples, requests, processes, records, len(done.messages), session_s, executors
    )


def main() -> int:
    settings = load_settings()
    load_own(settings)
    job: Job = pickle.load(sys.stdin.buffer)
    Path(sys.argv[1]).write_bytes(pickle.dumps(measure(job, settings)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
