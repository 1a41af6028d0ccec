"""The page: complete, self-contained, small, and honest about what it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from opensky_assets.ingest.quality import Notice
from opensky_assets.report.build import report_folder
from opensky_assets.report.data import Matrix, ReportData
from opensky_assets.report.figures import daily, percent
from opensky_assets.report.page import MOST_BYTES, Card, cards, page, span
from opensky_assets.report.theme import DARK, LIGHT, PAGE, ROLES
from opensky_assets_tests.report_data import busy_day, busy_range, nothing

NBSP = "\N{NO-BREAK SPACE}"
VOID = {"meta", "link", "br", "i"}


class Balance(HTMLParser):
    """Every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID - {"i"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "data")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Balance:
    found = Balance()
    found.feed(html)
    assert found.open == []
    return found


@pytest.fixture(scope="module")
def day() -> str:
    return page(busy_day())


@pytest.fixture(scope="module")
def range_page() -> str:
    return page(busy_range())


def test_the_fullest_page_is_below_the_limit(day: str, range_page: str) -> None:
    assert len(day.encode()) < MOST_BYTES
    assert len(range_page.encode()) < MOST_BYTES


def test_it_loads_nothing_and_forbids_itself_to(day: str) -> None:
    assert all(address.startswith(("#", "data:")) for address in parsed(day).addresses)
    assert "default-src 'none'" in day
    assert day.count("<script") == 1 and "@import" not in day
    code = day.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in day
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|fetch\(|XMLHttp|eval\(|import\(", code
    )
    assert not re.search(r"url\((?!#)", day)


def test_colours_are_the_variables_of_both_themes(day: str) -> None:
    body = day.split("</head>")[1]
    used = set(re.findall(r"var\(--(\w+)\)", body))
    assert used <= set(ROLES)
    assert set(LIGHT) == set(DARK) == set(PAGE.colours)
    assert not re.search(r"#[0-9a-f]{6}\b", body)


def test_what_a_day_tells(day: str) -> None:
    assert "Sunday, 26 June 2022" in day
    assert "Simulated data: no flight here was flown" in day
    assert "Bringing Up OpenSky" in day and "IPSN 2014" in day and "https://opensky-network.org" in day
    assert "Natural Earth" in day and "airportsdata" in day
    assert f"160 of 210 pairs of two different airports are served, a connectivity of 76.0{NBSP}%." in day
    assert f"all 15² cells, which also count flights that end where they began: that figure is 80.0{NBSP}%" in day
    assert "will be added when that day is in the lake" in day
    assert "7 hours after the day&#39;s end" in day
    assert not re.search(r"\d%", " ".join(parsed(day).text))
    assert "Airport 0 &lt;&amp;&gt;" in day and "<&>" not in day
    names = [card.name for card in cards(busy_day())]
    wanted = "map hours routes matrix outbound inbound airlines manufacturers aircraft ages quality"
    assert names == wanted.split()
    for name in names:
        assert f'<section class="whole" id="{name}"' in day or f'<section id="{name}"' in day


def test_every_axis_has_its_unit(day: str) -> None:
    for unit in (
        "flights per hour", "hour of the day (UTC)", "age of the position (s)", "share of the positions (%)",
        "share of the flights (%)", ">aircraft<", ">departures<", ">arrivals<", ">flights<", ">from<", ">to<",
    ):  # fmt: skip
        assert unit in day, unit


def test_a_range_has_its_days_and_is_real(range_page: str) -> None:
    assert "1 January 2017 to 29 December 2026" in range_page
    assert "flights per day" in range_page and "flights per hour, mean" in range_page
    assert 'class="simulated"' not in range_page


def test_without_anything_it_says_so() -> None:
    html = page(nothing())
    parsed(html)
    assert "No flight of these days is in the lake" in html
    assert cards(nothing()) == []


def test_without_states_these_figures_are_left_out() -> None:
    names = [card.name for card in cards(replace(busy_day(), states=None))]
    assert "aircraft" not in names and "ages" not in names


def test_the_same_data_make_the_same_page(day: str) -> None:
    assert page(busy_day()) == day


def test_no_id_stands_twice(range_page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', range_page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', range_page)) | set(re.findall(r"url\(#([^)]+)\)", range_page)) <= set(ids)


def test_where_it_goes() -> None:
    assert report_folder("2022-06-26", "2022-06-26") == "reports/day=2022-06-26"
    assert report_folder("2022-06-01", "2022-06-30") == "reports/range=2022-06-01_2022-06-30"
    assert span(busy_day()) == "Sunday, 26 June 2022"


# --- what a day says, and when it says nothing ------------------------------------------------------------------------


def card(data: ReportData, name: str) -> Card:
    return next(card for card in cards(data) if card.name == name)


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0, "0 %"), (2e-6, "less than 0.1 %"), (0.0029, "0.3 %"), (0.075, "7.5 %"), (0.95, "95.0 %"),
        (0.99999, "more than 99.9 %"), (1, "100 %"),
    ],
)  # fmt: skip
def test_shares(share: float, told: str) -> None:
    assert percent(share) == told.replace(" %", f"{NBSP}%")


def test_a_small_share_is_not_zero() -> None:
    few = replace(busy_day(), manufacturers=[("BOEING", 250), (None, 89_750)])
    assert card(few, "manufacturers").lead.startswith(f"Boeing flies 0.3{NBSP}% of the flights. For 99.7{NBSP}% the")


def test_a_backload_says_nothing_of_delay() -> None:
    assert "after the day's end" in card(replace(busy_day(), landed_days=59.0), "quality").lead
    assert "after the day's end" not in card(replace(busy_day(), landed_days=6.9 * 365), "quality").lead


def test_records_that_are_not_in_the_tables() -> None:
    counts = {("flights", "read"): 10, ("flights", "written"): 10, ("enriched_flights", "flights"): 10}
    none = replace(busy_day(), quality=counts)
    assert card(none, "quality").lead.startswith("10 of 10 records read are in the tables, none is in quarantine. ")
    some = {**counts, ("flights", "written"): 5, ("flights", "quarantined"): 2, ("flights", "superseded"): 3}
    wanted = (
        "5 of 10 records read are in the tables, 2 in quarantine, each with its reason, 3 superseded by newer ones."
    )
    assert card(replace(busy_day(), quality=some), "quality").lead.startswith(wanted)


def test_empty_lines_of_the_matrix_are_explained() -> None:
    assert "Empty row: no departure of X000, X007, X014 goes to one of these" in card(busy_day(), "matrix").note
    full = Matrix(["EDDF", "ZBAA"], [[1, 2], [3, 4]], 2, 1.0, 1.0)
    assert "Empty" not in card(replace(busy_day(), matrix=full), "matrix").note


def test_notices_stand_above_the_cards() -> None:
    told = [Notice("hours_present of raw_state_vectors", "hours without a file (UTC): 2022-06-26 is without 07")]
    html = page(replace(busy_day(), notices=told))
    assert html.index("2022-06-26 is without 07") < html.index("<main>")
    assert "<aside" not in page(busy_day())


def test_the_kind_of_states_is_named() -> None:
    day = busy_day()
    assert day.states is not None
    assert card(day, "aircraft").lead.startswith("Distinct aircraft in the hourly state files.")
    polls = replace(day, states=replace(day.states, polls=True, days_with_polls=1))
    assert card(polls, "aircraft").lead.startswith("Distinct aircraft in the polls of /states/all.")
    both = replace(day, states=replace(day.states, days_with_polls=1))
    assert card(both, "aircraft").note.endswith("Polls of these days are not counted here.")


def drawn_rows(svg: str) -> list[tuple[int, int]]:
    """The table and row of each piece of a path that stands for one."""
    found = []
    for table, text, path in re.findall(r'data-table="(\d)" data-rows="([^"]*)">\s*<path d="([^"]*)"', svg):
        rows = [
            row
            for part in text.split(",")
            for a, _, b in [part.partition("-")]
            for row in range(int(a), int(b or a) + 1)
        ]
        assert len(rows) == path.count("M"), (text, path.count("M"))
        found += [(int(table), row) for row in rows]
    return found


@pytest.mark.parametrize("name", [card.name for card in cards(busy_range())])
def test_each_mark_stands_for_a_row(name: str, range_page: str) -> None:
    tables = card(busy_range(), name).tables
    section = re.search(rf'<section[^>]* id="{name}".*?</section>', range_page, re.DOTALL)
    assert section
    drawings = re.findall(r"<svg.*?</svg>", section.group(), re.DOTALL)
    for svg in drawings:
        rows = drawn_rows(svg)
        assert rows and all(0 <= row < len(tables[table].rows) for table, row in rows)
    if name == "airlines":
        assert {row for _, row in drawn_rows(drawings[0])} == set(range(10))
    elif name not in ("map", "matrix"):
        assert {row for _, row in drawn_rows(drawings[0])} == set(range(len(tables[0].rows)))
    if name == "matrix":
        assert {row for _, row in drawn_rows(drawings[0])} == set(range(15 * 15))


def test_a_world_map_has_its_crowded_parts_below(day: str) -> None:
    assert [inset.title for inset in card(busy_day(), "map").insets] == ["Europe", "North America"]
    some = busy_day().map_routes[:5]
    europe = [replace(route, ends=(2.5, 49.0, 8.6 + at, 50.0)) for at, route in enumerate(some)]
    south = [replace(route, ends=(151.2, -33.9, -46.5, -23.4 - at)) for at, route in enumerate(some)]
    assert [inset.title for inset in card(replace(busy_day(), map_routes=[*south, *europe]), "map").insets] == [
        "Europe"
    ]
    for alone in (europe, south):  # a map of Europe needs no inset; nor does one without routes there
        assert card(replace(busy_day(), map_routes=alone), "map").insets == []


def test_airlines_have_a_chart() -> None:
    airlines = card(busy_day(), "airlines")
    assert airlines.lead == (
        f"Airline 0 <&> (AAA) leads with 9,000 flights; these 10 of 650 airlines have 29.3{NBSP}% of all flights. "
        f"22.2{NBSP}% have no airline callsign."
    )
    assert airlines.rows[0] == ("Airline 0 <&>", "AAA", 9_000, 10.0, 50)
    assert len(airlines.rows) == 500 and airlines.note.endswith("The table has the first 500.")
    assert "airlines" not in [card.name for card in cards(replace(busy_day(), airlines=[]))]


def bars(counts: list[tuple[str, int]]) -> list[float]:
    """Widths of the bars, in pixels of the picture, whose whole width is 295 points at 72 dots an inch."""
    figure = daily(counts, PAGE)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    path = axes.patches[0].get_path().transformed(axes.transData).vertices.reshape(-1, 5, 2)
    return [float(width) / figure.dpi * 72 for width in np.ptp(path[:, :, 0], axis=1)]


def test_a_single_day_is_seen_on_an_axis_of_years() -> None:
    widths = bars([("2017-01-01", 80_000), ("2020-05-05", 3_418), ("2024-01-01", 80_000)])
    assert min(widths) > 2
    dense = bars(busy_range().daily)
    assert max(dense[1:-1]) < 0.1  # each day its own place, none over its neighbour


@pytest.mark.parametrize("days", [1, 3, 7])
def test_few_days_have_a_tick_each(days: int) -> None:
    figure = daily([(f"2022-06-{25 - n:02d}", 100) for n in reversed(range(days))], PAGE)
    figure.draw_without_rendering()
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown == [f"{25 - n} Jun" for n in reversed(range(days))]
