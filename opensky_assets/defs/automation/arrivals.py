"""The sensor of arrivals: which runs follow from what the source lists."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import takewhile

import dagster as dg

from opensky_assets.calendar import Partitions
from opensky_assets.dagster_private import BaseAssetGraph
from opensky_assets.graph import assets_of, following, graph_in, in_group, raw_assets
from opensky_assets.ingest.arrivals import Arrivals, look
from opensky_assets.lake import Lake
from opensky_assets.partitions import range_tags
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import (
    AIRCRAFT_DATABASE,
    ENRICHED_FLIGHTS,
    ENRICHED_STATES,
    FLIGHTS,
    STATE_VECTORS,
    Contract,
)

ENRICHED_ANEW = timedelta(days=7)
"""How far back flights get the aircraft of a new table; what is older does on request."""


def arrivals_sensor(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        target=dg.AssetSelection.groups("reference") | dg.AssetSelection.groups("raw").downstream(),
        minimum_interval_seconds=60,
        default_status=status,
        description="Lists the source and requests the days of new and changed objects, with everything made from them",
    )
    def arrivals(context: dg.SensorEvaluationContext, opensky: OpenSkyResource) -> dg.SensorResult:
        lake = opensky.open_lake()
        found = look(opensky.open_source(), lake, opensky.settings(), opensky.now(), context.cursor)
        requests = list(run_requests(found, lake, graph_in(context)))
        waiting = f"; {found.waiting} groups of objects are left to the next tick" if found.waiting else ""
        context.log.info(f"{found.objects} objects listed, {len(requests)} runs requested{waiting}")
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(f"{found.objects} objects, none new or changed{waiting}"),
            cursor=found.cursor,
        )

    return arrivals


def run_requests(found: Arrivals, lake: Lake, graph: BaseAssetGraph) -> Iterator[dg.RunRequest]:
    """The runs for what arrived. A run that needs reference tables which are not there yet makes them first."""
    reference = in_group(graph, "reference") if found.reference_missing else []
    for asked in found.asked:
        assets = raw_assets(asked.tables) if asked.only_read else assets_of(graph, asked.tables)
        key = f"{asked.first}…{asked.last} {'+'.join(asked.tables)} {asked.name}"
        of_days = None if asked.partitions is Partitions.NONE else (asked.first, asked.last)
        yield _request(key, [*reference, *assets], of_days)
    if found.aircraft is not None and not (found.reference_missing and found.asked):
        yield from _aircraft_requests(f"aircraft {found.aircraft}", found, lake, graph)


def _aircraft_requests(key: str, found: Arrivals, lake: Lake, graph: BaseAssetGraph) -> Iterator[dg.RunRequest]:
    """The runs for a new aircraft table."""
    days = _days_with_raw(lake, FLIGHTS, ENRICHED_FLIGHTS)
    if not days or found.reference_missing:
        yield _request(key, in_group(graph, "reference"), None)
        return
    raw = raw_assets([FLIGHTS.name])
    assets = [AIRCRAFT_DATABASE.name, *(name for name in following(graph, raw) if name not in raw)]
    if lake.parquet(AIRCRAFT_DATABASE.path).metadata.num_rows:
        first = max(days[-1], (date.fromisoformat(days[0]) - ENRICHED_ANEW + timedelta(days=1)).isoformat())
        yield _request(key, assets, (first, days[0]))
        return
    # The first table: all that was enriched without one.
    yield _request(key, assets, (days[-1], days[0]))
    if states := _days_with_raw(lake, STATE_VECTORS, ENRICHED_STATES):
        yield _request(f"{key} of states", [AIRCRAFT_DATABASE.name, ENRICHED_STATES.name], (states[-1], states[0]))


def _days_with_raw(lake: Lake, raw: Contract, enriched: Contract) -> list[str]:
    """The newest days of an enriched table, newest first, down to one whose raw rows were pruned: of that one nothing
    could be made anew."""
    there = set(lake.days(raw.path))
    return list(takewhile(there.__contains__, reversed(lake.days(enriched.path))))


def _request(key: str, assets: Sequence[str], days: tuple[str, str] | None) -> dg.RunRequest:
    # A range and not a partition a run: one run over all of its days.
    tags = range_tags(*days) if days else {}
    return dg.RunRequest(run_key=key, asset_selection=[dg.AssetKey(name) for name in assets], tags=tags)
