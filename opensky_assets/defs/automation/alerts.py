"""The sensors that turn a failed run, and a failed tick of a sensor or schedule, into one alert."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from opensky_assets.alerts import Alert, AlertNotSent, send
from opensky_assets.calendar import days_text
from opensky_assets.dagster_private import WILL_RETRY_TAG, SerializableErrorInfo, failed_ticks
from opensky_assets.partitions import run_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.tables import tables as all_tables

if TYPE_CHECKING:
    from opensky_assets.dagster_private import InstigatorTick

ALERT_TAG, ALERTED_TAG = "opensky/alert", "opensky/alerted_run"
"""On a run of which an alert was sent: its cause, and its id, since a run that repeats it has its tags too."""


def failure_alerts(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """One alert a cause: not for a run that will be retried, and not again for the same reason in the hours after."""

    @dg.run_failure_sensor(
        name="failure_alerts",
        default_status=status,
        description="Sends one alert for each cause, to the log and to OPENSKY_ALERT_URL and OPENSKY_ALERT_EMAIL",
    )
    def alerts(context: dg.RunFailureSensorContext, opensky: OpenSkyResource) -> None:
        settings = opensky.settings()
        run, instance = context.dagster_run, context.instance
        record = instance.get_run_by_id(run.run_id)
        if record is not None and record.tags.get(WILL_RETRY_TAG) == "true":
            context.log.info(f"run {run.run_id} will be retried: no alert yet")
            return
        alert = alert_of(context, settings.ui_url)
        since = datetime.now(UTC) - timedelta(hours=settings.alerts.quiet_hours)
        alike = instance.get_runs(dg.RunsFilter(tags={ALERT_TAG: alert.cause}, updated_after=since))
        if any(told.tags.get(ALERTED_TAG) == told.run_id for told in alike):
            context.log.info(f"alert already sent: {alert.title}")
            return
        context.log.error(alert.text)
        # Marked only when it is out, so that the next failure tells what could not be sent now.
        for trouble in send(alert, settings):
            context.log.error(f"the alert was not sent by {trouble}")
        instance.add_run_tags(run.run_id, {ALERT_TAG: alert.cause, ALERTED_TAG: run.run_id})

    return alerts


def alert_of(context: dg.RunFailureSensorContext, ui_url: str) -> Alert:
    """What failed in the run. Its first failed step tells the reason: the others often follow from it."""
    run, events = context.dagster_run, context.get_step_failure_events()
    steps = sorted({event.step_key for event in events if event.step_key})
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    days = run_days(run)
    # The step of a check begins with the name of its asset.
    tables = [table.name for table in all_tables()]
    named = {max((name for name in tables if step.startswith(name)), key=len, default=step) for step in steps}
    return Alert(
        ", ".join(sorted(named) or assets) or run.job_name,
        days_text(days) if days else "",
        _reason(events[0]) if events else _end_of(context),
        f"{ui_url.rstrip('/')}/runs/{run.run_id}",
        # Of objects that are held back, each has to be told.
        of_its_days=any(step.endswith("_nothing_held_back") for step in steps),
    )


def _end_of(context: dg.RunFailureSensorContext) -> str:
    """Why a run failed of which no step did: the last that Dagster said of its process, and how it was marked."""
    said = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    last = [entry.dagster_event.message for entry in said if entry.dagster_event][-1:]
    told = [text for text in (*last, context.failure_event.message) if text]
    return " ".join(" ".join(told).split()) or "no step failed"


def _reason(event: dg.DagsterEvent) -> str:
    """The words of the first cause, in one line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return " ".join(data.user_failure_data.description.split())
    return _first_cause(data.error) or str(event.message)


def _first_cause(error: SerializableErrorInfo | None) -> str:
    while error is not None and error.cause is not None:
        error = error.cause
    text = " ".join(error.message.split()) if error is not None else ""
    return re.sub(r"^opensky_assets[\w.]+: ", "", text)  # the name of an own exception says nothing more


MOST_TICKS = 50
"""Failed ticks of one sensor or schedule that one look takes, the newest; a minute has few."""
FIRST_LOOK = timedelta(hours=1)


def tick_alerts(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """One alert a cause for the ticks of sensors and schedules that fail, which are no runs.

    The cursor holds, by sensor or schedule, the last failed tick that was looked at, and when each cause was told.
    """

    @dg.sensor(
        name="tick_alerts",
        minimum_interval_seconds=60,
        default_status=status,
        description="Sends one alert for each cause of a failing sensor or schedule, as failure_alerts does for runs",
    )
    def alerts(context: dg.SensorEvaluationContext, opensky: OpenSkyResource) -> dg.SensorResult:
        settings, instance, now = opensky.settings(), context.instance, datetime.now(UTC)
        memory = json.loads(context.cursor) if context.cursor else {"seen": {}, "told": {}}
        quiet = (now - timedelta(hours=settings.alerts.quiet_hours)).timestamp()
        told = {cause: at for cause, at in memory["told"].items() if at > quiet}
        seen: dict[str, int] = {}
        new: dict[str, tuple[Alert, str]] = {}
        for state in instance.all_instigator_state():
            if state.instigator_name == "tick_alerts":
                continue  # what it cannot send it tries again
            since = None if state.selector_id in memory["seen"] else (now - FIRST_LOOK).timestamp()
            failed = failed_ticks(instance, state, since, MOST_TICKS)
            last = memory["seen"].get(state.selector_id, 0)
            seen[state.selector_id] = max([last, *(tick.tick_id for tick in failed)])
            for tick in failed:
                alert = _tick_alert(tick, settings.ui_url)
                if tick.tick_id > last and alert.cause not in told:
                    new[alert.cause] = alert, state.selector_id
        for cause, (alert, teller) in new.items():
            context.log.error(alert.text)
            try:
                for trouble in send(alert, settings):
                    context.log.error(f"the alert was not sent by {trouble}")
            except AlertNotSent as trouble:  # its ticks are looked at again
                context.log.error(str(trouble))
                seen[teller] = memory["seen"].get(teller, 0)
            else:
                told[cause] = now.timestamp()
        reason = f"{len(new)} alerts" if new else "no sensor or schedule failed since"
        return dg.SensorResult(skip_reason=reason, cursor=json.dumps({"seen": seen, "told": told}))

    return alerts


def _tick_alert(tick: "InstigatorTick", ui_url: str) -> Alert:
    kind = tick.instigator_type.value.lower()
    place = f"{ui_url.rstrip('/')}/locations/opensky_assets/{kind}s/{tick.instigator_name}"
    reason = _first_cause(tick.tick_data.error) or "no reason given"
    return Alert(f"{kind} {tick.instigator_name}", "", reason, place)
