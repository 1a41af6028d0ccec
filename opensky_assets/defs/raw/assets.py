"""Raw tables: the source's objects, typed and checked, by day. One asset for each registered dataset."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from opensky_assets.calendar import ALL
from opensky_assets.datasets import Dataset, registered
from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.sync import SyncReport, sync_days
from opensky_assets.io_managers.metadata import day_metadata, table_metadata
from opensky_assets.partitions import NO_EVENTS, PARTITIONS, materialized_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource


def raw_asset(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset of a raw table: a sync of the objects that may hold rows of the run's days."""
    contract, by = dataset.contract, PARTITIONS[dataset.partitions]

    @dg.asset(
        name=dataset.asset,
        group_name="raw",
        kinds={"parquet", "polars"},
        partitions_def=by,
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
                    context.partition_keys if by else [ALL],
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
            facts = measured.on_last_day(facts, rows)
            if by is None:
                return _materialized_whole(context, facts, done)
            return materialized_days(context, facts, data_version=done.data_version)

    return raw


def _materialized_whole(
    context: dg.AssetExecutionContext, facts: Mapping[str, Mapping[str, Any]], done: SyncReport
) -> dg.MaterializeResult:
    """The result of a table without partitions; without an event where the source has no object of it that is good."""
    if ALL not in facts:
        context.log.warning(f"{context.asset_key.to_user_string()}: not materialized, no object of it is in the lake")
        return dg.MaterializeResult(metadata={NO_EVENTS: True})
    found = dict(facts[ALL])
    found["dagster/row_count"] = found.pop("dagster/partition_row_count")
    return dg.MaterializeResult(metadata=found, data_version=dg.DataVersion(done.data_version))


def raw_assets() -> list[dg.AssetsDefinition]:
    """The assets of all raw tables. Made by a function, so that a table that is registered before is among them."""
    return [raw_asset(dataset) for dataset in registered()]
