"""Which assets are expected to be fresh, and how fresh."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from opensky_assets.schemas import ENRICHED_FLIGHTS
from opensky_assets.settings import Settings

FAIL_AFTER, WARN_AFTER = timedelta(hours=36), timedelta(hours=30)
FRESH = dg.FreshnessPolicy.time_window(fail_window=FAIL_AFTER, warn_window=WARN_AFTER)
"""Of what follows from yesterday's flights: a night that brought nothing shows. It looks at the newest
materialization of the asset, so days of the past never turn red."""


def followed_assets(settings: Settings) -> set[str]:
    """The assets to which a schedule of this environment brings new rows each night."""
    nightly = settings.env == "production" and settings.api.client_id and settings.api.client_secret
    return {"raw_flights", ENRICHED_FLIGHTS.name, "data_quality_daily", "daily_report"} if nightly else set()


def with_freshness(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The spec with a freshness policy, where a schedule brings the asset new rows each night."""
    followed = spec.key.to_user_string() in followed_assets(settings)
    return spec.replace_attributes(freshness_policy=FRESH) if followed else spec


def stale_assets(settings: Settings, instance: dg.DagsterInstance, now: datetime) -> dict[str, str]:
    """The assets that were not materialized within the time of their policy, and since when."""
    stale = {}
    for name in sorted(followed_assets(settings)):
        event = instance.get_latest_materialization_event(dg.AssetKey(name))
        newest = datetime.fromtimestamp(event.timestamp, UTC) if event else None
        if newest is None or now - newest > FAIL_AFTER:
            stale[name] = f"since {newest:%Y-%m-%d %H:%M} UTC" if newest else "never materialized"
    return stale
