"""Core tables: what raw tables become when they are joined."""

from typing import Any

import dagster as dg

from opensky_assets.io_managers.metadata import add_previews, lineage, table_metadata
from opensky_assets.lake.days import DayRows
from opensky_assets.lake.tables import snapshot_of
from opensky_assets.partitions import DAILY, day_event, materialized_days
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, CORE_FLIGHTS, FLIGHTS
from opensky_assets.schemas.tables import table_of
from opensky_assets.transforms.enrich import (
    FLIGHT_ENRICHMENT,
    FLIGHT_LINEAGE,
    STATE_ENRICHMENT,
    STATE_LINEAGE,
    Enrichment,
)
from opensky_assets.transforms.flights import MEASURES, publish_flights, total_of, work_on_flights
from opensky_assets.transforms.inputs import work_on_enrichment


def reconciled(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource, monitor: MonitorResource
) -> dg.MaterializeResult:
    """The flights of the run's days, and of days around them that these reach, on the engine of the settings."""
    lake, settings = opensky.open_lake(), opensky.settings()
    work = work_on_flights(lake, context.partition_keys)
    engine = spark.engine(settings, context.log.info)
    with monitor.measure() as measured:
        done = publish_flights(lake, work, engine.reconcile(lake, work))
    facts = {
        day: {
            "dagster/partition_row_count": record.rows,
            "dagster/uri": lake.uri(f"{CORE_FLIGHTS.path}/day={day}"),
            **{name: total_of(record.counts, name) for name in MEASURES if name != "flights"},
            **({"by_origin": dict(record.counts)} if record.counts else {}),
        }
        for day, record in done.records.items()
    }
    asked = set(context.partition_keys)
    for day in sorted(done.changed - asked):
        context.log_event(day_event(context.asset_key, day, facts[day], context.assets_def.code_versions_by_key))
    own = {day: of_day for day, of_day in facts.items() if day in asked and day in work.files}
    add_previews(own, lake, CORE_FLIGHTS)
    rows = sum(record.rows for record in done.records.values())
    return materialized_days(context, measured.on_last_day(own, rows))


@dg.asset(
    group_name="core",
    kinds={"parquet", "duckdb", "spark", "ibis"},
    partitions_def=DAILY,
    deps=["raw_flights"],
    pool="spark",
    code_version=CORE_FLIGHTS.version,
    description=(
        f"{CORE_FLIGHTS.description} Superseded ones are in superseded_flights. A run also makes the day before "
        "and the day after again, if they are in the lake and its flights change them."
    ),
    metadata={
        **table_metadata(CORE_FLIGHTS),
        **lineage({name: [("raw_flights", name)] for name in FLIGHTS.schema.names}),
    },
)
def flights(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, spark: SparkResource, monitor: MonitorResource
) -> dg.MaterializeResult:
    with tried_again(context.retry_number):
        return reconciled(context, opensky, spark, monitor)


def enriched(
    context: dg.AssetExecutionContext,
    opensky: OpenSkyResource,
    spark: SparkResource,
    monitor: MonitorResource,
    what: Enrichment,
) -> dg.MaterializeResult:
    """An enriched table on the engine of the settings. Rows that pass this process go to the IO manager, which also
    measures them, since they are made while they are written. Spark's executors write themselves."""
    lake, settings = opensky.open_lake(), opensky.settings()
    work = work_on_enrichment(lake, what, context.partition_keys)
    snapshot = snapshot_of(lake, AIRCRAFT_DATABASE)
    facts: dict[str, dict[str, Any]] = {day: {"aircraft_snapshot": snapshot} for day in work.asked if day in work.files}
    engine = spark.engine(settings, context.log.info)  # a session's start is none of the figures
    with monitor.measure() as measured:
        made = engine.transform(what, lake, work, snapshot)
    if isinstance(made, DayRows):
        return materialized_days(context, facts, value=made)
    made.require_all(what.result.name)
    rows = {day: record.rows for day, record in made.records.items()}
    for day, found in facts.items():
        uri = lake.uri(f"{what.result.path}/day={day}")
        found |= {"dagster/partition_row_count": rows.get(day, 0), "dagster/uri": uri, **spark.metadata()}
    add_previews(facts, lake, what.result)
    return materialized_days(context, measured.on_last_day(facts, sum(rows.values())))


def enriched_asset(what: Enrichment, columns: dict[str, list[tuple[str, str]]]) -> dg.AssetsDefinition:
    """The asset of an enriched table: the one before it, joined with its reference tables. `columns` is its lineage."""

    @dg.asset(
        name=what.result.name,
        group_name="core",
        kinds={"parquet", "duckdb", "spark", "ibis"},
        partitions_def=DAILY,
        deps=[table_of(what.raw).name, *(r.name for r in what.references)],
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
