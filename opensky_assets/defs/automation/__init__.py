"""What runs by itself: sensors and schedules. They are there everywhere, and on in production only; elsewhere somebody
turns them on.

Made by functions: whatever stands at the top of a module of `defs/` is registered everywhere.
"""

from collections.abc import Sequence

import dagster as dg

from opensky_assets.defs.automation.alerts import failure_alerts, tick_alerts
from opensky_assets.defs.automation.api_flights import api_flights_job, api_flights_nightly
from opensky_assets.defs.automation.arrivals import arrivals_sensor
from opensky_assets.defs.automation.schedules import data_pipeline, monitoring, weekly
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.settings import Settings


def automation(
    settings: Settings, daily: Sequence[dg.AssetKey] = (), checks: Sequence[dg.AssetChecksDefinition] = ()
) -> dg.Definitions:
    """The sensors, schedules and their jobs. `daily`: the assets that the daily pipeline runs; `checks`: those that
    monitoring runs."""
    production = settings.env == "production"
    sensor_status = dg.DefaultSensorStatus.RUNNING if production else dg.DefaultSensorStatus.STOPPED
    status = dg.DefaultScheduleStatus.RUNNING if production else dg.DefaultScheduleStatus.STOPPED
    found = dg.Definitions(
        sensors=[arrivals_sensor(sensor_status), failure_alerts(sensor_status), tick_alerts(sensor_status)],
        schedules=[
            weekly(
                "aircraft_tables_weekly",
                dg.define_asset_job("aircraft_tables", dg.AssetSelection.assets(AIRCRAFT_DATABASE.name)),
                "0 5 * * 1",
                status,
                "Each Monday, also if no new object has arrived",
            ),
            weekly(
                "benchmark_weekly",
                dg.define_asset_job("benchmark", dg.AssetSelection.groups("benchmark")),
                "0 3 * * 0",
                status,
                "The ingest benchmark, each Sunday, when little else runs",
            ),
            monitoring(checks, status),
        ],
    )
    if daily:
        found = dg.Definitions.merge(found, dg.Definitions(schedules=[data_pipeline(daily, status)]))
    job = api_flights_job()  # without credentials too, so that whoever launches it reads that they are missing
    nightly = [api_flights_nightly(job, status)] if settings.api.client_id and settings.api.client_secret else []
    return dg.Definitions.merge(found, dg.Definitions(jobs=[job], schedules=nightly))
