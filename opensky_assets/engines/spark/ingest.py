"""The kernel on Spark: one task an object. The driver sees outcomes, no rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opensky_assets.engines.spark.tasks import run_tasks
from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.runner import Attempted, Outcome, Progress, Report, attempt_recorded
from opensky_assets.lake import Lake, Staging
from opensky_assets.storage.objects import LocalStore, ObjectStore
from opensky_assets.storage.telemetry import record

if TYPE_CHECKING:
    from pyspark import SparkContext


def ingest_on_spark(
    context: SparkContext, tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, report: Report
) -> list[Outcome]:
    """Ingest objects as `ingest_objects` does, on the executors of a session. The files are the same.

    A task can run again: an object's manifest comes last and replaces what an earlier attempt has published.
    A source or lake in a folder must be there, by the same path, on all machines. Raises `SparkGaveUp`, `LakeError`.
    """
    if isinstance(store, LocalStore):  # executors work in folders of their own
        store = replace(store, root=store.root.resolve())
    progress = Progress(len(tasks), sum(task.source.size for task in tasks), report)

    def ingest(task: Task) -> Attempted:
        with lake.task(run) as own:
            return attempt_recorded(task, store, lake, own)

    found = run_tasks(
        context,
        f"ingest of {len(tasks)} objects",
        ingest,
        tasks,
        lambda attempted: Progress.measure(attempted.outcome),
        lambda measured: progress.add(*measured),
    )
    for attempted in found:
        record(attempted.requests)
    return [attempted.outcome for attempted in found]
