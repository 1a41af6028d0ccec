"""Core tables: what raw tables become when they are joined."""

from typing import Any

import dagster as dg

from opensky_assets.ingest.reference import snapshot_of
from opensky_assets.io_managers.metadata import add_previews, lineage, table_metadata
from opensky_assets.partitions import DAILY, SINGLE_RUN, materialized_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.transforms.enrich import (
    FLIGHT_ENRICHMENT,
    FLIGHT_LINEAGE,
    STATE_ENRICHMENT,
    STATE_LINEAGE,
    Enrichment,
)
from opensky_assets.transforms.on_duckdb import enriched_batches


def enriched(
    context: dg.AssetExecutionContext,
    opensky: OpenSkyResource,
    spark: SparkResource,
    monitor: MonitorResource,
    what: Enrichment,
) -> dg.MaterializeResult:
    """The result of an enrichment on the engine of the settings. DuckDB's rows go to the IO manager, which also
    measures them, since they are made while they are written; Spark's executors write themselves, since fifty million
    rows a day do not pass through one process."""
    lake, settings = opensky.open_lake(), opensky.settings()
    files = lake.committed(what.raw.name, context.partition_keys)
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    facts: dict[str, dict[str, Any]] = {day: {"aircraft_snapshot": snapshot} for day in files}
    if settings.engine == "local":
        batches = enriched_batches(what, lake, files, snapshot, settings.workers)
        return materialized_days(context, facts, value=batches)
    from opensky_assets.transforms.on_spark import enrich_on_spark

    session = spark.session(settings, context.log.info)
    with monitor.measure() as measured:
        rows = enrich_on_spark(session, what, lake, files, snapshot, context.partition_keys)
    for day, found in facts.items():
        uri = lake.uri(f"{what.result.path}/day={day}")
        found |= {"dagster/partition_row_count": rows.get(day, 0), "dagster/uri": uri, **spark.metadata()}
    add_previews(facts, lake, what.result)
    return materialized_days(context, measured.on_last_day(facts, sum(rows.values())))


def enriched_asset(what: Enrichment, columns: dict[str, list[tuple[str, str]]]) -> dg.AssetsDefinition:
    """The asset of an enriched table: its raw table, joined with its reference tables. `columns` is its lineage."""

    @dg.asset(
        name=what.result.name,
        group_name="core",
        kinds={"parquet", "duckdb", "spark", "ibis"},
        partitions_def=DAILY,
        backfill_policy=SINGLE_RUN,
        deps=[f"raw_{what.raw.name}", *(reference.name for reference in what.references)],
        pool="spark",
        code_version=what.result.version,
        description=what.result.description,
        metadata={**table_metadata(what.result), **lineage(columns)},
    )
    def asset(
        context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource, monitor: MonitorResource
    ) -> dg.MaterializeResult:
        with tried_again(context.retry_number):
            return enriched(context, opensky, spark, monitor, what)

    return asset


enriched_flights = enriched_asset(FLIGHT_ENRICHMENT, FLIGHT_LINEAGE)
enriched_state_vectors = enriched_asset(STATE_ENRICHMENT, STATE_LINEAGE)
