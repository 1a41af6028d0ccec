"""The Spark session of a run. pyspark is imported when somebody asks for the session, never with the local engine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from opensky_assets.engines.spark.session import SECRET, SparkUnavailable, prepare_process, session_options
from opensky_assets.ingest.runner import Runner, ingest_objects
from opensky_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkResource(dg.ConfigurableResource):
    """One session a process, started when it is first asked for and stopped with the run."""

    _session: "SparkSession | None" = PrivateAttr(default=None)

    def session(self, settings: Settings, report: Callable[[str], None]) -> "SparkSession":
        """The session of `settings`; the address of its pages goes to `report`. Raises `SparkUnavailable`."""
        if self._session is None:
            prepare_process(settings)
            options = session_options(settings)
            _start_java(options)
            from dagster_pyspark import LazyPySparkResource

            self._session = LazyPySparkResource(spark_config=options).spark_session
            report(f"Spark {self._session.version} on {settings.spark_master}, its pages at {self.pages}")
        return self._session

    @property
    def pages(self) -> str | None:
        """The address of the session's pages; `None` without a session or where they are switched off."""
        return self._session.sparkContext.uiWebUrl if self._session is not None else None

    def metadata(self) -> dict[str, dg.MetadataValue]:
        """For the run's materializations: where the session's pages are, if there is a session."""
        return {"spark_ui": dg.MetadataValue.url(self.pages)} if self.pages else {}

    def ingest_runner(self, settings: Settings, report: Callable[[str], None]) -> Runner:
        """Who ingests objects under `OPENSKY_ENGINE`."""
        if settings.engine == "local":
            return ingest_objects
        from opensky_assets.engines.spark.ingest import SparkRunner

        return SparkRunner(self.session(settings, report).sparkContext)

    def stop(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self.stop()


def _start_java(options: dict[str, str]) -> None:
    """Start the driver's Java, where there is none yet. pyspark puts all options into its command line, which every
    user of the machine can read: so the secret ones are left out here, and given to the session later."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError

    shown = SparkConf(loadDefaults=False).setAll([(k, v) for k, v in options.items() if not SECRET.search(k)])
    try:
        SparkContext._ensure_initialized(conf=shown)
    except PySparkRuntimeError as error:
        packages = options.get("spark.jars.packages")
        advice = f"; it has to fetch {packages}, or to be given their files by spark.jars" if packages else ""
        raise SparkUnavailable(
            f"Spark does not start ({error}): what it says is above{advice} (OPENSKY_SPARK_CONF)"
        ) from error
