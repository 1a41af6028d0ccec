"""What an engine does, and which one the settings ask for. It knows nothing of Dagster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.runner import Outcome, Report
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import DayRows, Replaced
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.flights import Made
from opensky_assets.transforms.inputs import Work

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Engine(Protocol):
    """Who computes. All engines give the same rows."""

    def ingest(
        self, tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, workers: int | None, report: Report
    ) -> list[Outcome]:
        """Ingest objects: a `Runner`."""
        ...

    def transform(self, what: Enrichment, lake: Lake, work: Work, snapshot: str) -> DayRows | Replaced:
        """An enriched table for the days of `work`, with the aircraft of `snapshot`: rows for the caller to write,
        made while they are read, where they pass this process; else what was published of them."""
        ...

    def reconcile(self, lake: Lake, work: Work) -> Made:
        """The flights of the days of `work`, for `publish_flights`, since two tables are published together."""
        ...


def open_engine(settings: Settings, session: Callable[[], SparkSession] | None = None) -> Engine:
    """The engine of `OPENSKY_ENGINE`. Where it is Spark, `session` gives its session; by default one is started, or the
    one of this process is taken. Raises `SparkUnavailable`."""
    if settings.engine == "local":
        from opensky_assets.engines.local import LocalEngine

        return LocalEngine(settings.workers)
    from opensky_assets.engines.spark.engine import SparkEngine
    from opensky_assets.engines.spark.session import start_session

    return SparkEngine(session() if session else start_session(settings))
