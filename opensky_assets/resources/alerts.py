"""The sensor that turns a failed run into one alert."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from opensky_assets.alerts import Alert, send
from opensky_assets.partitions import run_days, told_days
from opensky_assets.resources.opensky import OpenSkyResource

ALERT_TAG = "opensky/alert"
"""On a run of which an alert was sent: its cause."""


def failure_alerts(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """One alert a cause: not for a run that will be retried, and not again for the same reason in the hours after."""

    @dg.run_failure_sensor(
        name="failure_alerts",
        default_status=status,
        description="One alert for one cause, to the log and, where they are set, OPENSKY_ALERT_URL and _ALERT_EMAIL",
    )
    def alerts(context: dg.RunFailureSensorContext, opensky: OpenSkyResource) -> None:
        settings = opensky.settings()
        run, instance = context.dagster_run, context.instance
        record = instance.get_run_by_id(run.run_id)
        if record is not None and record.tags.get(WILL_RETRY_TAG) == "true":
            context.log.info(f"run {run.run_id} will be retried: no alert yet")
            return
        alert = alert_of(context, settings.ui_url)
        since = datetime.now(UTC) - timedelta(hours=settings.alert_quiet_hours)
        if instance.get_runs(dg.RunsFilter(tags={ALERT_TAG: alert.cause}, updated_after=since), limit=1):
            context.log.info(f"already told: {alert.title}")
            return
        context.log.error(alert.text)
        # Marked only when it is out, so that the next failure tells what could not be sent now.
        send(alert, settings)
        instance.add_run_tags(run.run_id, {ALERT_TAG: alert.cause})

    return alerts


def alert_of(context: dg.RunFailureSensorContext, ui_url: str) -> Alert:
    """What failed in the run. Its first failed step tells the reason: the others often follow from it."""
    events = context.get_step_failure_events()
    steps = sorted({event.step_key for event in events if event.step_key})
    days = run_days(context.dagster_run)
    return Alert(
        ", ".join(steps) or context.dagster_run.job_name,
        told_days(days) if days else "",
        _reason(events[0]) if events else (context.failure_event.message or "no step failed"),
        f"{ui_url.rstrip('/')}/runs/{context.dagster_run.run_id}",
    )


def _reason(event: dg.DagsterEvent) -> str:
    """The words of the first cause, in one line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return " ".join(data.user_failure_data.description.split())
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return " ".join(error.message.split()) if error is not None else str(event.message)
