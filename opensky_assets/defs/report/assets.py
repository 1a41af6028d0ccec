"""Reports: a page for a day, a page for a range of days."""

import base64
from typing import Any

import dagster as dg
from pydantic import Field

from opensky_assets.lake import Lake
from opensky_assets.partitions import DAILY, NO_EVENTS, day_event, materialized_days
from opensky_assets.report.build import MARTS_READ, Report, build_report, days_between, days_with_facts, is_day
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import ENRICHED_FLIGHTS, STATE_VECTORS
from opensky_assets.schemas.tables import table_of

CODE_VERSION = "2"
UPSTREAM = [*(table_of(contract).name for contract in (ENRICHED_FLIGHTS, STATE_VECTORS)), *MARTS_READ]


def _metadata(lake: Lake, pages_url: str, report: Report, thumbnail: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        # A browser opens no file:// or s3:// link of a web page: the webserver's process serves pages at this address.
        "page": dg.MetadataValue.url(f"{pages_url}/{report.page}"),
        "path": dg.MetadataValue.path(lake.address(report.page)),
        "page_bytes": report.page_bytes,
        "flights": report.flights,
        "charts": report.charts,
        "pictures": [lake.uri(path) for path in report.pictures],
    }
    if thumbnail and report.thumbnail:
        picture = base64.b64encode(report.thumbnail).decode()
        facts["map"] = dg.MetadataValue.md(f"![Routes](data:image/png;base64,{picture})")
    return facts


class DailyReportConfig(dg.Config):
    every_day: bool = Field(
        False, description="In a run over several days, make a page for each day, not only for the last"
    )


@dg.asset(
    group_name="report",
    kinds={"html", "matplotlib"},
    partitions_def=DAILY,
    deps=UPSTREAM,
    code_version=CODE_VERSION,
    description=(
        "The report of one day: a page that opens offline, and its figures as pictures. A run over several days makes "
        "the page of the last day that has data, or of each day with `every_day`."
    ),
)
def daily_report(
    context: dg.AssetExecutionContext, config: DailyReportConfig, opensky: OpenSkyResource, monitor: MonitorResource
) -> dg.MaterializeResult:
    with tried_again(context.retry_number):
        lake, asked = opensky.open_lake(), sorted(context.partition_keys)
        found = days_with_facts(lake, asked)
        chosen = found if config.every_day else found[-1:]
        with monitor.measure() as measured:
            url, single = opensky.settings().pages_url, len(asked) == 1
            facts = {day: _metadata(lake, url, build_report(lake, day, day), thumbnail=single) for day in chosen}
        facts = measured.on_last_day(facts, what="pages" if len(chosen) > 1 else "page")
        if chosen == found:
            return materialized_days(context, facts)
        context.log.info(f"the page of {chosen[-1]}; for those of the other {len(found) - 1} days set every_day")
        for day, metadata in facts.items():
            context.log_event(day_event(context.asset_key, day, metadata, context.assets_def.code_versions_by_key))
        return dg.MaterializeResult(metadata={NO_EVENTS: True})


class RangeReportConfig(dg.Config):
    first: str = Field("", description="First day, as 2022-06-25; empty: the first one in the lake")
    last: str = Field("", description="Last day; empty: the last one in the lake")


@dg.asset(
    group_name="report",
    kinds={"html", "matplotlib"},
    deps=UPSTREAM,
    code_version=CODE_VERSION,
    description="The report of a range of days, by default all days of the lake: a page that opens offline.",
)
def range_report(
    context: dg.AssetExecutionContext, config: RangeReportConfig, opensky: OpenSkyResource, monitor: MonitorResource
) -> dg.MaterializeResult:
    with tried_again(context.retry_number):
        lake = opensky.open_lake()
        for name, day in (("first", config.first), ("last", config.last)):
            if day and not is_day(day):
                raise dg.Failure(f"{name}: {day!r} is not a day: write it as 2022-06-25", allow_retries=False)
        days = days_between(lake, config.first or "0000", config.last or "9999")
        if not days:
            raise dg.Failure("the lake has no data of these days: materialize them first", allow_retries=False)
        first, last = config.first or days[0], config.last or days[-1]
        with monitor.measure() as measured:
            report = build_report(lake, first, last)
        context.log.info(f"{len(days)} days: {lake.address(report.page)}")
        facts = _metadata(lake, opensky.settings().pages_url, report, thumbnail=True)
        return dg.MaterializeResult(metadata={"days": len(days), **facts, **measured.figures()})
