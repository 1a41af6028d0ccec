"""Core tables: what raw tables become when they are joined."""

from typing import Any

import dagster as dg

from opensky_assets.ingest.reference import snapshot_of
from opensky_assets.io_managers.metadata import MOST_PREVIEWS, PREVIEW_ROWS, lineage, preview, table_metadata
from opensky_assets.partitions import DAILY, SINGLE_RUN, materialized_days
from opensky_assets.resources.failures import permanent_failures
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, ENRICHED_FLIGHTS, ENRICHED_STATES
from opensky_assets.transforms.enrich import (
    FLIGHT_ENRICHMENT,
    FLIGHT_LINEAGE,
    STATE_ENRICHMENT,
    STATE_LINEAGE,
    Enrichment,
)
from opensky_assets.transforms.on_duckdb import enriched_batches


def enriched(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource, what: Enrichment
) -> dg.MaterializeResult:
    """The result of an enrichment on the engine of the settings. DuckDB's rows go to the IO manager; Spark's executors
    write themselves, since fifty million rows a day do not pass through one process."""
    lake, settings = opensky.open_lake(), opensky.settings()
    files = lake.committed(what.raw.name, context.partition_keys)
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    facts: dict[str, dict[str, Any]] = {day: {"aircraft_snapshot": snapshot} for day in files}
    if settings.engine == "local":
        batches = enriched_batches(what, lake, files, snapshot, settings.workers)
        return materialized_days(context, facts, value=batches)
    from opensky_assets.transforms.on_spark import enrich_on_spark

    with permanent_failures():
        session = spark.session(settings, context.log.info)
        rows = enrich_on_spark(session, what, lake, files, snapshot, context.partition_keys)
    for day, found in facts.items():
        uri = lake.uri(f"{what.result.path}/day={day}")
        found |= {"dagster/partition_row_count": rows.get(day, 0), "dagster/uri": uri, **spark.metadata()}
    if len(facts) <= MOST_PREVIEWS:
        for day, paths in lake.day_files(what.result.path, facts).items():
            facts[day]["preview"] = preview(next(lake.parquet(paths[0]).iter_batches(PREVIEW_ROWS)))
    return materialized_days(context, facts)


@dg.asset(
    group_name="core",
    kinds={"parquet", "duckdb", "spark", "ibis"},
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    deps=["raw_flights", "aircraft_database", "airports"],
    pool="spark",
    code_version=ENRICHED_FLIGHTS.version,
    description=ENRICHED_FLIGHTS.description,
    metadata={**table_metadata(ENRICHED_FLIGHTS), **lineage(FLIGHT_LINEAGE)},
)
def enriched_flights(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource
) -> dg.MaterializeResult:
    return enriched(context, opensky, spark, FLIGHT_ENRICHMENT)


@dg.asset(
    group_name="core",
    kinds={"parquet", "duckdb", "spark", "ibis"},
    partitions_def=DAILY,
    backfill_policy=SINGLE_RUN,
    deps=["raw_state_vectors", "aircraft_database"],
    pool="spark",
    code_version=ENRICHED_STATES.version,
    description=ENRICHED_STATES.description,
    metadata={**table_metadata(ENRICHED_STATES), **lineage(STATE_LINEAGE)},
)
def enriched_state_vectors(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource
) -> dg.MaterializeResult:
    return enriched(context, opensky, spark, STATE_ENRICHMENT)
