"""The page: complete, self-contained, small, and honest about what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from opensky_assets.report.build import report_folder
from opensky_assets.report.page import MOST_BYTES, cards, page, span
from opensky_assets.report.theme import DARK, LIGHT, PAGE, ROLES
from opensky_assets_tests.report_data import busy_day, busy_range, nothing

VOID = {"meta", "link", "br", "i"}


class Balance(HTMLParser):
    """Every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

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
    assert "<script" not in day and "@import" not in day
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
    assert "160 of 210 pairs are served, connectivity 76.0%" in day and "80.0% are filled" in day
    assert "will be added when that day is in the lake" in day
    assert "7 hours after the day's end" in day
    assert "Airport 0 &lt;&amp;&gt;" in day and "<&>" not in day
    names = [card.name for card in cards(busy_day())]
    wanted = "map hours routes matrix outbound inbound manufacturers aircraft ages quality"
    assert names == wanted.split()
    for name in names:
        assert f'<section class="whole" id="{name}">' in day or f'<section id="{name}">' in day


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
