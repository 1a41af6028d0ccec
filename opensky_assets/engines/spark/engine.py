"""The engine that is a Spark session: the same work as the local engine's, on its executors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensky_assets.engines.spark.flights import flights_on_spark
from opensky_assets.engines.spark.ingest import ingest_on_spark
from opensky_assets.engines.spark.transform import enrich_on_spark
from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.runner import Outcome, Report
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import Replaced
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.flights import Made
from opensky_assets.transforms.inputs import Work

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class SparkEngine:
    """An `Engine`. Whoever made the session stops it."""

    session: SparkSession

    def ingest(
        self, tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, workers: int | None, report: Report
    ) -> list[Outcome]:
        """`workers` is of no account: the cluster has as many as it has."""
        return ingest_on_spark(self.session.sparkContext, tasks, store, lake, run, report)

    def transform(self, what: Enrichment, lake: Lake, work: Work, snapshot: str) -> Replaced:
        """What was published: executors write themselves, since fifty million rows a day do not pass one process."""
        return enrich_on_spark(self.session.sparkContext, what, lake, work, snapshot)

    def reconcile(self, lake: Lake, work: Work) -> Made:
        """The driver gets the rows, since a day has some 100,000."""
        return flights_on_spark(self.session, lake, work)
