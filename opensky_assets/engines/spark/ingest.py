"""The kernel on Spark: one task an object, whichever executor takes it. The driver sees outcomes, no rows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opensky_assets.engines.spark.session import gave_up
from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.runner import Attempted, Outcome, Progress, Report, attempt_recorded
from opensky_assets.lake import Lake, LakeError, Staging
from opensky_assets.storage.objects import LocalStore, ObjectStore
from opensky_assets.storage.telemetry import record

if TYPE_CHECKING:
    from pyspark import SparkContext

LOOK_SECONDS = 0.5
"""How often the driver looks for progress."""


@dataclass(frozen=True)
class SparkRunner:
    """Ingests objects as `ingest_objects` does, on the executors of a session. The files are the same.

    A task whose executor is lost runs again on another one: an object's manifest comes last and replaces what an
    earlier attempt has published. `workers` is of no account, since the cluster has as many as it has.
    A source or lake in a folder must be there, by the same path, on all machines. Raises `SparkGaveUp`, `LakeError`.
    """

    context: SparkContext

    def __call__(
        self, tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, workers: int | None, report: Report
    ) -> list[Outcome]:
        if isinstance(store, LocalStore):  # executors work in folders of their own
            store = replace(store, root=store.root.resolve())
        finished = self.context.accumulator([], _Appending())  # type: ignore[arg-type, var-annotated]

        def ingest(task: Task) -> Attempted | _LakeTrouble:
            try:
                with lake.task(run) as own:
                    attempted = attempt_recorded(task, store, lake, own)
            except LakeError as error:  # as a value: Spark would try it four times and hide what it says
                return _LakeTrouble(str(error))
            finished.add([Progress.measure(attempted.outcome)])
            return attempted

        group = f"opensky-{uuid.uuid4().hex}"
        objects = self.context.parallelize(tasks, len(tasks)).map(ingest)

        def collect() -> list[Attempted | _LakeTrouble]:
            self.context.setJobGroup(group, f"ingest of {len(tasks)} objects", interruptOnCancel=True)
            return objects.collect()

        progress = Progress(len(tasks), sum(task.source.size for task in tasks), report)
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(collect)
            told = 0
            try:
                while True:
                    done = wait([job], LOOK_SECONDS).done
                    for size, records in finished.value[told:]:
                        progress.add(size, records)
                        told += 1
                    if done:
                        break
            except BaseException:
                self.context.cancelJobGroup(group)
                raise
        with gave_up():
            return _checked(job.result())


class _Appending:
    """A Spark accumulator that is a list. (No subclass of Spark's own: its import would start with this module.)"""

    def zero(self, value: list[object]) -> list[object]:
        return []

    def addInPlace(self, value: list[object], more: list[object]) -> list[object]:
        return value + more


@dataclass(frozen=True)
class _LakeTrouble:
    message: str


def _checked(found: list[Attempted | _LakeTrouble]) -> list[Outcome]:
    outcomes = []
    for attempted in found:
        if isinstance(attempted, _LakeTrouble):
            raise LakeError(attempted.message)
        record(attempted.requests)
        outcomes.append(attempted.outcome)
    return outcomes
