"""Make a report and publish it: the page, and each of its figures as a picture beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from opensky_assets.lake import Lake
from opensky_assets.lake.days import replace_pages
from opensky_assets.report import figures
from opensky_assets.report.data import ReportData, report_data
from opensky_assets.report.page import MOST_BYTES, cards, page, span
from opensky_assets.report.theme import PICTURE, Theme
from opensky_assets.schemas import ENRICHED_FLIGHTS, STATE_VECTORS, Contract
from opensky_assets.schemas.tables import mart_named
from opensky_assets.transforms.inputs import combined, versions_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ReportTooLarge(Exception):
    """The page is larger than it may be."""


@dataclass(frozen=True)
class Report:
    """A published report: the paths of its page and its pictures in the lake, and a small picture of the map."""

    page: str
    page_bytes: int
    pictures: list[str]
    charts: list[str]
    flights: int
    thumbnail: bytes | None


def report_folder(first: str, last: str) -> str:
    return f"reports/day={first}" if first == last else f"reports/range={first}_{last}"


def is_day(text: str) -> bool:
    """Whether it is a day as the lake writes it, 2022-06-25."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


MARTS_READ = (
    "airport_movements_hourly",
    "airport_traffic",
    "routes",
    "od_matrix",
    "manufacturers",
    "aircraft_utilisation",
    "data_quality_daily",
)
"""The marts that a report reads, beside enriched flights and the raw state vectors."""

_FACTS = ("marts/data_quality_daily", STATE_VECTORS.path)


def tables_read() -> list[Contract]:
    """The tables that a report reads. Raises `UnknownMart` where the dbt project lacks one."""
    return [*(mart_named(name).contract for name in MARTS_READ), ENRICHED_FLIGHTS, STATE_VECTORS]


def days_with_facts(lake: Lake, asked: Iterable[str]) -> list[str]:
    """Those of the days asked for that a report can say something of."""
    days = list(asked)
    return sorted({day for path in _FACTS for day in lake.day_files(path, days)})


def days_between(lake: Lake, first: str, last: str) -> list[str]:
    """All days of the lake from `first` to `last` that a report can say something of."""
    return _days(lake, _FACTS, first, last)


def _days(lake: Lake, paths: Sequence[str], first: str, last: str) -> list[str]:
    return sorted({day for path in paths for day in lake.days(path) if first <= day <= last})


def build_report(lake: Lake, first: str, last: str) -> Report:
    """Publish the report over the days from `first` to `last`. Raises `Overtaken` where its marts change meanwhile."""
    days = [first]
    if first != last:
        # Movements are also on days that have no flight list of their own.
        days = _days(lake, (*_FACTS, "marts/airport_traffic"), first, last)
    inputs = _inputs(lake, days)
    data = report_data(lake, first, last, days)
    found = cards(data)
    html = page(data).encode()
    if len(html) > MOST_BYTES:
        raise ReportTooLarge(f"the page of {span(data)} has {len(html):,} bytes, more than {MOST_BYTES:,}")
    folder = report_folder(first, last)
    with lake.run() as run:
        staging = run.folder("report")
        files = {f"{folder}/report.html": staging / "report.html"}
        files[f"{folder}/report.html"].write_bytes(html)
        for card in found:
            path = f"{folder}/{card.name}.png"
            files[path] = staging / f"{card.name}.png"
            files[path].write_bytes(_picture(card.draw, card.title, data))
            for inset in card.insets:
                path = f"{folder}/{card.name}-{inset.name}.png"
                files[path] = staging / f"{card.name}-{inset.name}.png"
                files[path].write_bytes(_picture(inset.draw, f"{card.title}: {inset.title}", data))
        replace_pages(lake, run, folder, files, inputs, partial(_inputs, lake, days))
    return Report(
        f"{folder}/report.html",
        len(html),
        [path for path in files if path.endswith(".png")],
        [card.name for card in found],
        int(data.totals["flights"]),
        _thumbnail(data),
    )


def _inputs(lake: Lake, days: Sequence[str]) -> dict[str, str]:
    """Versions of what a report over these days is made of."""
    versions = {table.path: versions_of(lake, table, days) for table in tables_read()}
    return {path: combined(f"{day} {of_day[day]}" for day in sorted(of_day)) for path, of_day in versions.items()}


def _picture(draw: Callable[[Theme], Figure], title: str, data: ReportData) -> bytes:
    figure = draw(PICTURE)
    simulated = ", SIMULATED data" if data.simulated else ", data: The OpenSky Network"
    figure.suptitle(f"{title}, {span(data)}{simulated}", fontsize=7.5, color=PICTURE["muted"], x=0.01, ha="left")
    return figures.as_png(figure)


def _thumbnail(data: ReportData) -> bytes | None:
    if not data.map_routes:
        return None
    drawn = figures.route_map(data.map_routes[:80], data.airports[:40], PICTURE, wide=True, width=4.0)
    return figures.as_png(drawn, dpi=80)
