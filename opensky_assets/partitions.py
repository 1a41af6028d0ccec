"""The calendars, and how a run over many days says which of them it materialized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from opensky_assets.calendar import FIRST_DAY, Partitions, days_text, kind_of
from opensky_assets.dagster_private import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    PARTITION_NAME_TAG,
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION,
)

NO_EVENTS = SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
"""Metadata key of an output for which Dagster emits no events of its own. Private to Dagster: a test holds it."""

DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="UTC")
"""Every UTC day that is over."""

YEARLY = dg.TimeWindowPartitionsDefinition(
    start=f"{FIRST_DAY.year}", fmt="%Y", cron_schedule="0 0 1 1 *", timezone="UTC", end_offset=1
)
"""Every UTC year from the first of the calendar to the one in progress, of which some days are over."""

PARTITIONS: dict[Partitions, dg.PartitionsDefinition | None] = {
    Partitions.DAY: DAILY,
    Partitions.YEAR: YEARLY,
    Partitions.NONE: None,
}
"""Dagster's partitions of a raw table, by what its contract says."""

SINGLE_RUN = dg.BackfillPolicy.single_run()
"""A range of days is one run: a run a day costs ten times as much."""


def materialized_days(
    context: dg.AssetExecutionContext,
    metadata_by_day: Mapping[str, Mapping[str, Any]],
    *,
    asset_key: dg.AssetKey | None = None,
    value: Any = None,
    data_version: str | None = None,
) -> dg.MaterializeResult:
    """The result of an asset that has the days of `metadata_by_day`, and no others of those the run asked for.

    Dagster itself materializes every day of a run's range. Where some have no data or failed, the events of the good
    days are logged here one by one and Dagster's own are left out, so that what is downstream goes on with the good
    days and the others stay as they were. With a `value`, the IO manager logs them, since it knows the rows.
    """
    key = asset_key or context.asset_key
    result: dict[str, Any] = {"asset_key": asset_key} if asset_key else {}
    if value is not None:
        result["value"] = value
    missing = sorted(set(context.partition_keys) - set(metadata_by_day))
    if value is None and missing:
        for day, metadata in metadata_by_day.items():
            versions = context.assets_def.code_versions_by_key
            context.log_event(day_event(key, day, metadata, versions, data_version))
    else:
        for day, metadata in metadata_by_day.items():
            context.add_asset_metadata(metadata, asset_key=key, partition_key=day)
    if missing:
        context.log.warning(f"{key.to_user_string()}: not materialized, {len(missing)} days: {days_text(missing)}")
        return dg.MaterializeResult(metadata={NO_EVENTS: True}, **result)
    return dg.MaterializeResult(data_version=dg.DataVersion(data_version) if data_version else None, **result)


def day_event(
    asset_key: dg.AssetKey,
    day: str,
    metadata: Mapping[str, Any],
    code_versions: Mapping[dg.AssetKey, str | None],
    data_version: str | None = None,
) -> dg.AssetMaterialization:
    """One day's materialization with the versions that Dagster would have given it."""
    tags = {}
    if code := code_versions.get(asset_key):
        tags[CODE_VERSION_TAG] = code
    if data_version:
        tags |= {DATA_VERSION_TAG: data_version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
    return dg.AssetMaterialization(asset_key, partition=day, metadata=dict(metadata), tags=tags)


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of one run over a range of days. Dagster takes a run that has them as one over all of its days."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def run_days(run: dg.DagsterRun) -> list[str] | None:
    """The days a run is about; `None` for a run without partitions. Checks are told no partition, so ask the run."""
    if day := run.tags.get(PARTITION_NAME_TAG):
        return [day]
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        by = PARTITIONS[kind_of(first)] or DAILY
        return list(by.get_partition_keys_in_range(dg.PartitionKeyRange(first, last)))
    return None
