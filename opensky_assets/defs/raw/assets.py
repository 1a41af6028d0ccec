"""Raw tables: OpenSky's objects, typed and checked, by day."""

import dagster as dg

from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.sync import sync_days
from opensky_assets.io_managers.metadata import day_metadata, table_metadata
from opensky_assets.partitions import DAILY, SINGLE_RUN, materialized_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS, Contract


def raw_asset(contract: Contract) -> dg.AssetsDefinition:
    """The asset of a raw table: a sync of the objects that may hold rows of the run's days."""

    @dg.asset(
        name=f"raw_{contract.name}",
        group_name="raw",
        kinds={"parquet", "polars"},
        partitions_def=DAILY,
        backfill_policy=SINGLE_RUN,
        pool="source",
        code_version=f"{CODE_VERSION}.{contract.version}",
        description=contract.description,
        metadata=table_metadata(contract),
    )
    def raw(
        context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource, monitor: MonitorResource
    ) -> dg.MaterializeResult:
        with tried_again(context.retry_number):
            lake, settings = opensky.open_lake(), opensky.settings()
            with monitor.measure() as measured:
                done = sync_days(
                    contract,
                    context.partition_keys,
                    opensky.open_source(),
                    lake,
                    settings,
                    opensky.today(),
                    context.log.info,
                    spark.engine(settings, context.log.info).ingest,
                )
            context.log.info(done.summary())
            facts = {day: {**found, **spark.metadata()} for day, found in day_metadata(done, lake, contract).items()}
            rows = sum(manifest.total.read for manifest in done.read)
            return materialized_days(context, measured.on_last_day(facts, rows), data_version=done.data_version)

    return raw


raw_flights = raw_asset(FLIGHTS)
raw_state_vectors = raw_asset(STATE_VECTORS)
