"""The marts: dbt models over the flights of exactly the run's days."""

from collections.abc import Iterator

import dagster as dg

from opensky_assets.io_managers.metadata import table_metadata
from opensky_assets.lake.warehouse import rebuild_warehouse
from opensky_assets.partitions import DAILY, day_event, materialized_days
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.marts import BY_MOVEMENT, MARTS
from opensky_assets.schemas.tables import tables
from opensky_assets.transforms.mart_days import tables_of
from opensky_assets.transforms.marts import DbtTest, MartsFailed, build_marts

_NEIGHBOURS = (
    " A run over flights of some days also refreshes the two days before and the day after them, where movements of "
    "these flights are counted, and materializes those that changed: also days without a flight list of their own."
)


def _spec(mart_name: str) -> dg.AssetSpec:
    mart = next(mart for mart in MARTS if mart.name == mart_name)
    return dg.AssetSpec(
        mart.name,
        deps=[table.name for table in tables() if table.contract in tables_of(mart)],
        group_name="marts",
        kinds={"dbt", "duckdb", "parquet"},
        description=mart.description + (_NEIGHBOURS if mart in BY_MOVEMENT else ""),
        code_version=mart.version,
        metadata=table_metadata(mart),
        skippable=True,
        partitions_def=DAILY,
    )


def _check_result(mart: str, tests: list[DbtTest]) -> dg.AssetCheckResult:
    own = [test for test in tests if mart in test.models]
    return dg.AssetCheckResult(
        asset_key=mart,
        check_name="dbt_tests",
        passed=all(test.passed for test in own),
        metadata={test.name: "passed" if test.passed else f"{test.failures} rows" for test in own},
    )


@dg.multi_asset(
    specs=[_spec(mart.name) for mart in MARTS],
    check_specs=[
        dg.AssetCheckSpec("dbt_tests", asset=mart.name, description="The data tests of the model, all of them")
        for mart in MARTS
    ],
    can_subset=True,
)
def marts(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, dbt: DbtResource, monitor: MonitorResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    chosen = [mart for mart in MARTS if dg.AssetKey(mart.name) in context.selected_asset_keys]
    checked = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
    with tried_again(context.retry_number):
        lake = opensky.open_lake()
        try:
            with monitor.measure() as measured:
                done = build_marts(lake, context.partition_keys, chosen, dbt.build)
        except MartsFailed as failed:
            yield from (_check_result(name, failed.tests) for name in checked)
            raise dg.Failure(str(failed), allow_retries=False) from None
        views = rebuild_warehouse(lake, opensky.settings().warehouse)
    context.log.info(f"warehouse {opensky.settings().warehouse}: {', '.join(views)}")
    for mart in chosen:
        facts = {
            day: {
                "dagster/partition_row_count": rows,
                "dagster/uri": lake.uri(f"{mart.path}/day={day}"),
            }
            for day, rows in done.rows[mart.name].items()
        }
        key = dg.AssetKey(mart.name)
        asked = set(context.partition_keys)
        for day in sorted(facts.keys() - asked):
            # Flights of the run's days have movements on this day too: it has changed, and its history says so.
            if DAILY.has_partition_key(day):
                context.log_event(day_event(key, day, facts[day], context.assets_def.code_versions_by_key))
            else:
                context.log.info(f"{mart.name}: published {day}, which is outside the calendar")
        own = {day: facts[day] for day in facts if day in asked}
        own = measured.on_last_day(own, what=f"one dbt build of {len(chosen)} marts")
        yield materialized_days(context, own, asset_key=key)
    yield from (_check_result(name, done.tests) for name in checked)
