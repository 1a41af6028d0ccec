"""The flights of OpenSky's API: a job that lands one day's, and its schedule."""

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta

import dagster as dg
from pydantic import Field

from opensky_assets.dagster_private import RETRY_NUMBER_TAG
from opensky_assets.partitions import DAILY
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.sources.api import TERMS
from opensky_assets.sources.landing import land_flights, open_api
from opensky_assets.storage.landing import open_landing
from opensky_assets.storage.objects import open_source

CREDITS_SPENT = "opensky/api_credits_spent"
"""Tag of a run: what its attempts have spent of the budget so far. One that is started again after its process died has
it too."""


class ApiFlightsConfig(dg.Config):
    again: bool = Field(False, description="Also request what is stored already")


@dg.op
def land_api_flights(context: dg.OpExecutionContext, config: ApiFlightsConfig, opensky: OpenSkyResource) -> None:
    """A day's flights of OpenSky's API as objects of the source, or of the landing where that is read without
    credentials; the sensor of arrivals brings them into the lake."""
    context.log.info(TERMS)
    with tried_again(context.retry_number):
        settings, day = opensky.settings(), date.fromisoformat(context.partition_key)
        with closing(open_api(settings, context.log.info, *_credits(context))) as api:
            source = open_source(settings)
            done = land_flights(
                api,
                source if source.is_writable else open_landing(settings),
                day,
                opensky.today(),
                context.log.info,
                settings.api.airports,
                config.again,
                source,
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


def api_flights_job() -> dg.JobDefinition:
    """Made by a function: whatever stands at the top of a module of `defs/` is registered everywhere."""

    @dg.job(
        partitions_def=DAILY,
        description=f"Stores one day's flights from OpenSky's API in the source, below flights_api/. {TERMS}",
    )
    def api_flights() -> None:
        land_api_flights()

    return api_flights


def api_flights_nightly(job: dg.JobDefinition, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="api_flights_nightly",
        job=job,
        # OpenSky fills /flights in a batch each night, without saying until when.
        cron_schedule="0 6 * * *",
        execution_timezone="UTC",
        default_status=status,
        description=(
            "Requests yesterday's flights, each day at 06:00 UTC, and what is missing of the day before, if OpenSky "
            f"was late or the run failed. {TERMS}"
        ),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        night = context.scheduled_execution_time.date()
        days = [(night - timedelta(days=before)).isoformat() for before in (2, 1)]
        return [dg.RunRequest(run_key=f"{night} {day}", partition_key=day) for day in days]

    return nightly
