"""Schedules of assets: the daily pipeline, monitoring, and what runs once a week."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

from opensky_assets.dagster_private import UnresolvedAssetJobDefinition
from opensky_assets.datasets import dataset_names
from opensky_assets.graph import assets_of, graph_in
from opensky_assets.ingest.plan import make_plan
from opensky_assets.lake import Lake
from opensky_assets.partitions import range_tags, run_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.transforms.due import due_days_of

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
MONITORED_DAYS = 7


def weekly(
    name: str, job: UnresolvedAssetJobDefinition, cron: str, status: dg.DefaultScheduleStatus, description: str
) -> dg.ScheduleDefinition:
    """A schedule, in UTC, of a job that needs to know no day."""
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=description,
    )


def data_pipeline(daily: Sequence[dg.AssetKey], status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """Yesterday, through all assets that are daily and run a range of days at once.

    One asset in the job with another policy, or without partitions, and a range from the UI would be a run a day.
    """
    job = dg.define_asset_job(
        "opensky_data_pipeline",
        selection=dg.AssetSelection.assets(*daily),
        description="Makes all daily raw, core, mart and report assets of its days; a range of days is one run",
    )

    @dg.schedule(
        name="opensky_data_pipeline_daily",
        job=job,
        cron_schedule="0 8 * * *",  # two hours behind the landing of the API's flights
        execution_timezone="UTC",
        default_status=status,
        description="Makes yesterday, every day at 08:00 UTC, if something of it is due and no other run works on it",
    )
    def pipeline(context: dg.ScheduleEvaluationContext, opensky: OpenSkyResource) -> dg.RunRequest | dg.SkipReason:
        day = (context.scheduled_execution_time.date() - timedelta(days=1)).isoformat()
        if run_id := run_about(context.instance, day):
            return dg.SkipReason(f"run {run_id} already works on {day}")
        tables = due_tables(opensky.open_source(), opensky.open_lake(), opensky.settings(), opensky.today(), day)
        if isinstance(tables, str):
            return dg.SkipReason(tables)
        assets = [dg.AssetKey(name) for name in assets_of(graph_in(context), tables)]
        return dg.RunRequest(run_key=day, partition_key=day, asset_selection=assets)

    return pipeline


def due_tables(store: ObjectStore, lake: Lake, settings: Settings, today: date, day: str) -> list[str] | str:
    """The raw tables that have objects of the day, where anything of it is due; else the reason why nothing is."""
    if not settings.filters.wants(date.fromisoformat(day)):
        return f"{day} is excluded by OPENSKY_YEAR, OPENSKY_MONTH or OPENSKY_DAY"
    plan = make_plan(store, lake, settings, today)
    tables = [table for table in dataset_names() if any(day in (o.days or ()) for o in plan.of(table))]
    if not tables:
        return f"{store.uri} has no object of {day}"
    if not due_days_of(lake, plan, [day], settings.refresh):
        return f"{day} is in the lake, with everything made from it"
    missing = [table.name for table in (AIRCRAFT_DATABASE, AIRPORTS) if not lake.exists(table.path)]
    if missing:
        return f"{' and '.join(missing)}: not in the lake yet; materialize them, or turn on the sensor arrivals"
    return tables


def run_about(instance: dg.DagsterInstance, day: str) -> str | None:
    """A run about the day that is queued or in progress."""
    runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
    return next((run.run_id for run in runs if day in (run_days(run) or ())), None)


def monitoring(checks: Sequence[dg.AssetChecksDefinition], status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The checks of the week's days, the freshness of the assets and the proof of the lake, once a week."""
    job = dg.define_asset_job(
        "opensky_monitoring",
        selection=dg.AssetSelection.groups("monitoring") | dg.AssetSelection.checks(*checks),
        description="Runs all checks that need no run of their own and `verify` over the whole lake; makes no table",
    )

    @dg.schedule(
        name="opensky_monitoring_weekly",
        job=job,
        cron_schedule="0 7 * * 1",
        execution_timezone="UTC",
        default_status=status,
        description=f"Each Monday: the lake as a whole, and the checks over the last {MONITORED_DAYS} days",
    )
    def monitor(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.date()
        first, last = ((today - timedelta(days=n)).isoformat() for n in (MONITORED_DAYS, 1))
        return dg.RunRequest(run_key=last, tags=range_tags(first, last))

    return monitor
