"""The marts: each model of the dbt project is an asset, over exactly the run's days. Made by functions, since datasets
of one's own are tables that models read too, and registered later than this is imported."""

import logging
from collections.abc import Collection, Iterator, Mapping

import dagster as dg

from opensky_assets.io_managers.metadata import table_metadata
from opensky_assets.lake.warehouse import rebuild_warehouse
from opensky_assets.partitions import DAILY, day_event, materialized_days
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.dbt_project import Mart, Model, Project
from opensky_assets.schemas.tables import marts as all_marts
from opensky_assets.schemas.tables import project
from opensky_assets.transforms.dbt_outcome import DbtStopped, DbtTest
from opensky_assets.transforms.dbt_sources import tables_behind
from opensky_assets.transforms.marts import MartsReport, build_marts
from opensky_assets.wording import plural

log = logging.getLogger(__name__)

GROUP = "marts"
CHECK = "dbt_tests"


def _tables_read(model: Model) -> dict[str, None]:
    """The assets of the tables that a model reads by itself."""
    return {table.writer: None for source in model.sources for table in tables_behind(source)}


def _mart_spec(found: Project, mart: Mart) -> dg.AssetSpec:
    # The models that it reads show how it is made; the tables behind them are what a run has to make before.
    upstream = found.upstream_of([mart.name])
    tables = {name: None for model in upstream for name in _tables_read(found.models[model])}
    return dg.AssetSpec(
        mart.name,
        deps=[*tables, *mart.model.refs],
        group_name=GROUP,
        kinds={"dbt", "duckdb", "parquet"},
        description=mart.contract.description + _neighbours(*found.window_of(mart.name)),
        code_version=mart.contract.version,
        metadata=table_metadata(mart.contract),
        skippable=True,
        partitions_def=DAILY,
    )


def _neighbours(before: int, after: int) -> str:
    """What the description says of a mart of which a day is made of days around it."""
    if not before and not after:
        return ""
    around = [f"{f'{n} days' if n > 1 else 'day'} {where}" for n, where in ((after, "before"), (before, "after")) if n]
    return (
        f" A run also refreshes the {' and the '.join(around)} its days, since their rows need its days too, and "
        "materializes those that changed, also days without rows upstream."
    )


def _broken_spec(name: str, problem: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        group_name=GROUP,
        kinds={"dbt"},
        description=f"Cannot be built: {problem}",
        code_version="0",
        skippable=True,
        partitions_def=DAILY,
    )


def staging_specs() -> list[dg.AssetSpec]:
    """The models that are not published: how the marts are made, to be seen in the graph.

    They stand upstream of marts and downstream of nothing that can be materialized: Dagster takes a selection by
    `downstream()` only where all of it can be. So what they read is told in words."""
    staging = {model.name: model for model in project().staging}
    return [
        dg.AssetSpec(
            name,
            deps=[ref for ref in model.refs if ref in staging],
            group_name="staging",
            kinds={"dbt", "sql"},
            description=" ".join([model.description, _told(model)]).strip(),
            code_version="1",
        )
        for name, model in staging.items()
    ]


def _told(model: Model) -> str:
    window = (model.before, model.after)
    around = f", from {plural(model.before, 'day')} before to {plural(model.after, 'day')} after" if any(window) else ""
    return f"Reads {', '.join([*model.sources, *model.refs]) or 'nothing of the lake'}{around} ({model.file})."


def _check_result(name: str, done: MartsReport) -> dg.AssetCheckResult:
    own = [test for test in done.tests if name in test.models]
    problem = done.problems.get(name)
    return dg.AssetCheckResult(
        asset_key=name,
        check_name=CHECK,
        passed=problem is None,
        metadata={test.name: _outcome(test) for test in own} | ({"problem": problem} if problem else {}),
    )


def _outcome(test: DbtTest) -> str:
    if test.warned:
        return f"warned: {test.failures} rows"
    return "passed" if test.passed else f"{test.failures} rows"


def mart_assets() -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The marts as one asset, since dbt takes as long to start for one model as for all, and the models between."""
    found, marts = project(), all_marts()
    broken = {name: found.problems[name] for name in found.broken_marts}
    for problem in found.problems.values():
        log.warning(f"dbt project {found.folder}: {problem}")
    specs = [*(_mart_spec(found, mart) for mart in marts), *(_broken_spec(*pair) for pair in broken.items())]
    if not specs:
        return []
    return [_marts_asset(specs, marts, broken), *staging_specs()]


def _marts_asset(
    specs: Collection[dg.AssetSpec], known: Collection[Mart], broken: Mapping[str, str]
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        specs=list(specs),
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=spec.key, description="The data tests of the model, all of them")
            for spec in specs
        ],
        can_subset=True,
    )
    def marts(
        context: dg.AssetExecutionContext, opensky: OpenSkyResource, dbt: DbtResource, monitor: MonitorResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        names = {key.to_user_string() for key in context.selected_asset_keys}
        checked = {key.asset_key.to_user_string() for key in context.selected_asset_check_keys}
        chosen = [mart for mart in known if mart.name in names]
        with tried_again(context.retry_number):
            lake = opensky.open_lake()
            try:
                with monitor.measure() as measured:
                    done = build_marts(lake, context.partition_keys, chosen, dbt.build)
            except DbtStopped as stopped:
                raise dg.Failure(str(stopped), allow_retries=False) from None
            views = rebuild_warehouse(lake, opensky.settings().warehouse)
        context.log.info(f"warehouse {opensky.settings().warehouse}: {', '.join(views)}")
        done.problems.update({name: line for name, line in broken.items() if name in names})
        for mart in chosen:
            if mart.name in done.rows:
                facts = {
                    day: {
                        "dagster/partition_row_count": rows,
                        "dagster/uri": lake.uri(f"{mart.contract.path}/day={day}"),
                    }
                    for day, rows in done.rows[mart.name].items()
                }
                own = _own_days(context, mart.name, facts)
                own = measured.on_last_day(own, what=f"one dbt build of {len(chosen)} marts")
                yield materialized_days(context, own, asset_key=dg.AssetKey(mart.name))
        yield from (_check_result(name, done) for name in checked)
        if done.problems:
            lines = "; ".join(done.problems.values())
            raise dg.Failure(f"{len(done.problems)} of {len(names)} marts: {lines}", allow_retries=False)

    return marts


def _own_days(context: dg.AssetExecutionContext, name: str, facts: dict[str, dict]) -> dict[str, dict]:
    """The facts of the run's own days. Days around them have changed too, and their history says so."""
    asked, key = set(context.partition_keys), dg.AssetKey(name)
    for day in sorted(facts.keys() - asked):
        if DAILY.has_partition_key(day):
            context.log_event(day_event(key, day, facts[day], context.assets_def.code_versions_by_key))
        else:
            context.log.info(f"{name}: published {day}, which is outside the calendar")
    return {day: facts[day] for day in facts if day in asked}
