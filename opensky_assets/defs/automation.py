"""What runs by itself: the sensor of arrivals."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from opensky_assets.ingest.arrivals import Arrivals, look
from opensky_assets.jobs.materialize import REFERENCE_ASSETS, assets_of
from opensky_assets.lake import Lake
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, ENRICHED_FLIGHTS, FLIGHTS
from opensky_assets.settings import FIRST_DAY, Settings

ENRICHED_ANEW = timedelta(days=7)
"""How far back flights get the aircraft of a new table; what is older does on request."""


def automation(settings: Settings) -> dg.Definitions:
    """The sensors and schedules of the environment. They run by themselves in production; elsewhere somebody turns
    them on."""
    running = settings.env == "production"
    return dg.Definitions(sensors=[_arrivals(dg.DefaultSensorStatus.RUNNING if running else None)])


def _arrivals(status: dg.DefaultSensorStatus | None) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        target=dg.AssetSelection.assets(*REFERENCE_ASSETS, *assets_of(["flights", "state_vectors"])),
        minimum_interval_seconds=60,
        default_status=status or dg.DefaultSensorStatus.STOPPED,
        description="Lists the source and asks for the days of new and changed objects, and all that follows from them",
    )
    def arrivals(context: dg.SensorEvaluationContext, opensky: OpenSkyResource) -> dg.SensorResult:
        lake = opensky.open_lake()
        found = look(opensky.open_source(), lake, opensky.settings(), opensky.today(), context.cursor)
        requests = list(run_requests(found, lake))
        waiting = f"; {found.waiting} groups of objects are left to the next tick" if found.waiting else ""
        context.log.info(f"{found.objects} objects listed, {len(requests)} runs asked for{waiting}")
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(f"{found.objects} objects, none new or changed{waiting}"),
            cursor=found.cursor,
        )

    return arrivals


def run_requests(found: Arrivals, lake: Lake) -> Iterator[dg.RunRequest]:
    """The runs for what arrived. A run that needs reference tables which are not there yet makes them first."""
    reference: Sequence[str] = REFERENCE_ASSETS if found.reference_missing else ()
    for asked in found.asked:
        assets = [f"raw_{table}" for table in asked.tables] if asked.only_read else assets_of(asked.tables)
        key = f"{asked.first}…{asked.last} {'+'.join(asked.tables)} {asked.version}"
        yield _request(key, [*reference, *assets], (asked.first, asked.last))
    if found.aircraft is None or (found.reference_missing and found.asked):
        return
    days = lake.days(ENRICHED_FLIGHTS.path)
    key = f"aircraft {found.aircraft}"
    if not days or found.reference_missing:
        yield _request(key, REFERENCE_ASSETS, None)
        return
    first = max(date.fromisoformat(days[-1]) - ENRICHED_ANEW + timedelta(days=1), FIRST_DAY)
    enriched = [name for name in assets_of([FLIGHTS.name]) if name != "raw_flights"]
    yield _request(key, [AIRCRAFT_DATABASE.name, *enriched], (first.isoformat(), days[-1]))


def _request(key: str, assets: Sequence[str], days: tuple[str, str] | None) -> dg.RunRequest:
    # A range and not a partition a run: Dagster takes a run with these tags as one over all of its days.
    tags = {ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[1]} if days else {}
    return dg.RunRequest(run_key=key, asset_selection=[dg.AssetKey(name) for name in assets], tags=tags)
