"""What runs by itself: the sensor of arrivals, yesterday's flights of the API, the aircraft tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from itertools import takewhile

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    RETRY_NUMBER_TAG,
)
from pydantic import Field

from opensky_assets.calendar import Partitions
from opensky_assets.graph import following, raw_assets
from opensky_assets.ingest.arrivals import Arrivals, look
from opensky_assets.jobs.materialize import BENCHMARK_ASSETS, REFERENCE_ASSETS, assets_of
from opensky_assets.lake import Lake
from opensky_assets.partitions import DAILY
from opensky_assets.resources.alerts import failure_alerts, tick_alerts
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import (
    AIRCRAFT_DATABASE,
    DATA_QUALITY_DAILY,
    ENRICHED_FLIGHTS,
    ENRICHED_STATES,
    FLIGHTS,
    STATE_VECTORS,
    Contract,
)
from opensky_assets.settings import Settings
from opensky_assets.sources.api import TERMS
from opensky_assets.sources.landing import land_flights, open_api

ENRICHED_ANEW = timedelta(days=7)
"""How far back flights get the aircraft of a new table; what is older does on request."""


def automation(settings: Settings) -> dg.Definitions:
    """The sensors and schedules of the environment. They run by themselves in production; elsewhere somebody turns
    them on."""
    production = settings.env == "production"
    status = dg.DefaultSensorStatus.RUNNING if production else dg.DefaultSensorStatus.STOPPED
    sensors = [_arrivals(status), failure_alerts(status), tick_alerts(status)]
    jobs: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = []
    schedules: list[dg.ScheduleDefinition] = []
    api_flights = _api_flights() if settings.client_id and settings.client_secret else None
    if api_flights:
        jobs.append(api_flights)
    if production:
        aircraft = dg.define_asset_job("aircraft_tables", [AIRCRAFT_DATABASE.name])
        schedules.append(
            dg.ScheduleDefinition(
                name="aircraft_tables_weekly",
                job=aircraft,
                cron_schedule="0 5 * * 1",
                execution_timezone="UTC",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Each Monday, also where the source has announced nothing",
            )
        )
        schedules.append(
            dg.ScheduleDefinition(
                name="benchmark_weekly",
                job=dg.define_asset_job("benchmark", list(BENCHMARK_ASSETS)),
                cron_schedule="0 3 * * 0",
                execution_timezone="UTC",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="The ingest benchmark, each Sunday, when little else runs",
            )
        )
        if api_flights:
            schedules.append(_api_flights_nightly(api_flights))
    return dg.Definitions(sensors=sensors, jobs=jobs, schedules=schedules)


FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=30))
"""Of what follows from yesterday's flights: a night that brought nothing shows. It looks at the newest
materialization of the asset, so days of the past never turn red."""


def with_freshness(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The spec with a freshness policy, where a schedule of this environment brings it new rows each night."""
    nightly = settings.env == "production" and settings.client_id and settings.client_secret
    followed = {"raw_flights", ENRICHED_FLIGHTS.name, DATA_QUALITY_DAILY.name, "daily_report"}
    if not nightly or spec.key.to_user_string() not in followed:
        return spec
    return spec.replace_attributes(freshness_policy=FRESH)


CREDITS_SPENT = "opensky/api_credits_spent"
"""Tag of a run: what its attempts have spent of the budget so far. One that is started again after its process died has
it too."""


class ApiFlightsConfig(dg.Config):
    again: bool = Field(False, description="Also ask for what is landed already")


@dg.op
def land_api_flights(context: dg.OpExecutionContext, config: ApiFlightsConfig, opensky: OpenSkyResource) -> None:
    """A day's flights of OpenSky's API as objects of the source; the sensor of arrivals brings them into the lake."""
    context.log.info(TERMS)
    with tried_again(context.retry_number):
        settings, day = opensky.settings(), date.fromisoformat(context.partition_key)
        with closing(open_api(settings, context.log.info, *_credits(context))) as api:
            done = land_flights(
                api,
                opensky.open_source(),
                day,
                opensky.today(),
                context.log.info,
                settings.airports,
                config.again,
            )
        context.add_output_metadata(
            {
                "landed": len(done.landed),
                "there_already": len(done.there),
                "waiting": done.waiting,
                "credits": done.credits,
                "credits_left_today": done.remaining if done.remaining is not None else "not told",
            }
        )


def _credits(context: dg.OpExecutionContext) -> tuple[int, Callable[[int], None]]:
    """What the attempts before this one have spent, and how to put on record what is spent now. A run that somebody
    repeats has the tags of the one before, but a budget of its own."""
    run = context.instance.get_run_by_id(context.run_id)
    tags = run.tags if run else {}
    own = context.retry_number or RETRY_NUMBER_TAG in tags
    spent = int(tags.get(CREDITS_SPENT, 0)) if own else 0
    return spent, lambda total: context.instance.add_run_tags(context.run_id, {CREDITS_SPENT: str(total)})


def _api_flights() -> dg.JobDefinition:
    """Made by a function: whatever stands at the top of a module of `defs/` is registered everywhere."""

    @dg.job(
        partitions_def=DAILY,
        description=f"One day's flights, from OpenSky's API into the source, below flights_api/. {TERMS}",
    )
    def api_flights() -> None:
        land_api_flights()

    return api_flights


def _api_flights_nightly(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="api_flights_nightly",
        job=job,
        # OpenSky fills /flights in a batch each night, without saying until when.
        cron_schedule="0 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Yesterday's flights, each day at 06:00 UTC; and what the day before lacks, where OpenSky was late or the "
            f"run failed. {TERMS}"
        ),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        night = context.scheduled_execution_time.date()
        days = [(night - timedelta(days=before)).isoformat() for before in (2, 1)]
        return [dg.RunRequest(run_key=f"{night} {day}", partition_key=day) for day in days]

    return nightly


def _arrivals(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        target=dg.AssetSelection.assets(*REFERENCE_ASSETS) | dg.AssetSelection.groups("raw").downstream(),
        minimum_interval_seconds=60,
        default_status=status,
        description="Lists the source and asks for the days of new and changed objects, and all that follows from them",
    )
    def arrivals(context: dg.SensorEvaluationContext, opensky: OpenSkyResource) -> dg.SensorResult:
        lake = opensky.open_lake()
        found = look(opensky.open_source(), lake, opensky.settings(), opensky.now(), context.cursor)
        assert context.repository_def is not None
        requests = list(run_requests(found, lake, context.repository_def.asset_graph))
        waiting = f"; {found.waiting} groups of objects are left to the next tick" if found.waiting else ""
        context.log.info(f"{found.objects} objects listed, {len(requests)} runs asked for{waiting}")
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(f"{found.objects} objects, none new or changed{waiting}"),
            cursor=found.cursor,
        )

    return arrivals


def run_requests(found: Arrivals, lake: Lake, graph: BaseAssetGraph) -> Iterator[dg.RunRequest]:
    """The runs for what arrived. A run that needs reference tables which are not there yet makes them first."""
    reference: Sequence[str] = REFERENCE_ASSETS if found.reference_missing else ()
    for asked in found.asked:
        assets = [f"raw_{table}" for table in asked.tables] if asked.only_read else _all_of(asked.tables, graph)
        key = f"{asked.first}…{asked.last} {'+'.join(asked.tables)} {asked.name}"
        of_days = None if asked.partitions is Partitions.NONE else (asked.first, asked.last)
        yield _request(key, [*reference, *assets], of_days)
    if found.aircraft is None or (found.reference_missing and found.asked):
        return
    key = f"aircraft {found.aircraft}"
    days = _days_with_raw(lake, FLIGHTS, ENRICHED_FLIGHTS)
    if not days or found.reference_missing:
        yield _request(key, REFERENCE_ASSETS, None)
        return
    first = max(days[-1], (date.fromisoformat(days[0]) - ENRICHED_ANEW + timedelta(days=1)).isoformat())
    enriched = [name for name in assets_of([FLIGHTS.name]) if name != "raw_flights"]
    if lake.parquet(AIRCRAFT_DATABASE.path).metadata.num_rows:
        yield _request(key, [AIRCRAFT_DATABASE.name, *enriched], (first, days[0]))
        return
    # The first table: all that was enriched without one.
    yield _request(key, [AIRCRAFT_DATABASE.name, *enriched], (days[-1], days[0]))
    if states := _days_with_raw(lake, STATE_VECTORS, ENRICHED_STATES):
        yield _request(f"{key} of states", [AIRCRAFT_DATABASE.name, ENRICHED_STATES.name], (states[-1], states[0]))


def _all_of(tables: Sequence[str], graph: BaseAssetGraph) -> list[str]:
    """The assets of raw tables, and what follows from them."""
    opensky = [table for table in tables if table in (FLIGHTS.name, STATE_VECTORS.name)]
    own = [table for table in tables if table not in opensky]
    chosen = [*(assets_of(opensky) if opensky else ()), *(following(graph, raw_assets(own)) if own else ())]
    return list(dict.fromkeys(chosen))


def _days_with_raw(lake: Lake, raw: Contract, enriched: Contract) -> list[str]:
    """The newest days of an enriched table, newest first, down to one whose raw rows were pruned: of that one nothing
    could be made anew."""
    there = set(lake.days(raw.path))
    return list(takewhile(there.__contains__, reversed(lake.days(enriched.path))))


def _request(key: str, assets: Sequence[str], days: tuple[str, str] | None) -> dg.RunRequest:
    # A range and not a partition a run: Dagster takes a run with these tags as one over all of its days.
    tags = {ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[1]} if days else {}
    return dg.RunRequest(run_key=key, asset_selection=[dg.AssetKey(name) for name in assets], tags=tags)
