"""The Spark session of a run. pyspark is imported when somebody asks for the session, never with the local engine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from opensky_assets.engines.engine import Engine, open_engine
from opensky_assets.engines.spark.session import start_java
from opensky_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkResource(dg.ConfigurableResource):
    """One session a process, started when it is first asked for and stopped with the run."""

    _session: "SparkSession | None" = PrivateAttr(default=None)

    def session(self, settings: Settings, report: Callable[[str], None]) -> "SparkSession":
        """The session of `settings`; the address of its pages goes to `report`. Raises `SparkUnavailable`."""
        if self._session is None:
            options = start_java(settings)
            from dagster_pyspark import LazyPySparkResource

            self._session = LazyPySparkResource(spark_config=options).spark_session
            report(f"Spark {self._session.version} on {settings.spark.master}, its pages at {self.pages}")
        return self._session

    @property
    def pages(self) -> str | None:
        """The address of the session's pages; `None` without a session or where they are switched off."""
        return self._session.sparkContext.uiWebUrl if self._session is not None else None

    def metadata(self) -> dict[str, dg.MetadataValue]:
        """For the run's materializations: where the session's pages are, if there is a session."""
        return {"spark_ui": dg.MetadataValue.url(self.pages)} if self.pages else {}

    def engine(self, settings: Settings, report: Callable[[str], None]) -> Engine:
        """The engine of `OPENSKY_ENGINE`, on this session if it is Spark."""
        return open_engine(settings, lambda: self.session(settings, report))

    def stop(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self.stop()
