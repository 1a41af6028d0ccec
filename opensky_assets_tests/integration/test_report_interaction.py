"""What the page's script does, tried by mouse, finger and keys in a real browser; without it the page is complete."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensky_assets.report.data import Airline, ReportData
from opensky_assets.report.page import page
from opensky_assets_tests.chromium import BROWSER, Chromium, chromium
from opensky_assets_tests.report_data import busy_day, busy_range

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (Debian: apt-get install chromium)"),
]

HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://evil.example")'
SCREENS = [(390, True), (1280, False), (390, False), (1280, True)]


def data() -> ReportData:
    """Some weeks of the busy range, with names that try to be more than names."""
    busy = busy_range()
    first, second, *others = busy.airports[:200]
    airports = [replace(first, name=HOSTILE, position=(8.6, 50.0)), replace(second, position=(-84.4, 33.6)), *others]
    routes = [replace(route, ends=(8.6, 50.0, 2.5 + at, 41.0)) for at, route in enumerate(busy.map_routes[:6])]
    airlines = [Airline("AAA", FORMULA, 900, 9), Airline("BBB", HOSTILE, 800, 80), Airline("CCC", None, 1_000, 7)]
    days = busy.daily[-60:]
    return replace(
        busy, first=days[0][0], airports=airports, map_routes=[*routes, *busy.map_routes[6:60]], airlines=airlines,
        daily=days, days=[day for day, _ in days],
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as tab:
        yield tab


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(data()), encoding="utf-8")
    return path


@pytest.fixture(params=SCREENS, ids=[f"{width}-{'dark' if dark else 'light'}" for width, dark in SCREENS])
def tab(request: pytest.FixtureRequest, browser: Chromium, file: Path) -> Iterator[Chromium]:
    """The page on a screen. Afterwards nothing was asked of anybody, nothing went wrong, nothing sticks out."""
    width, dark = request.param
    browser.open(file, width, 900, dark)
    yield browser
    asked = [address for address in browser.requests if not address.startswith("blob:")]
    assert asked == [file.resolve().as_uri()]
    assert browser.complaints == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.querySelectorAll('img, iframe, form').length") == 0


def place(tab: Chromium, script: str) -> tuple[float, float]:
    """Where in the window the middle of an element is, once it is scrolled to."""
    box = tab.ask(
        f"(() => {{ const it = {script}; it.scrollIntoView({{block: 'center'}});"
        " const box = it.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; })()"
    )
    return box[0], box[1]


def mark(tab: Chromium, section: str, row: int, table: int = 0, drawing: str = "svg") -> tuple[float, float]:
    """Where in the window the mark of a row is, in the drawing that is shown."""
    x, y = tab.ask(
        f"""(() => {{
            const all = [...document.querySelectorAll('#{section} {drawing}')];
            const svg = all.find(svg => svg.getBoundingClientRect().width);
            svg.scrollIntoView({{block: 'center'}});
            for (const group of svg.querySelectorAll('g[data-table="{table}"]')) {{
                const rows = group.dataset.rows.split(',').flatMap(part => {{
                    const [a, b] = part.split('-').map(Number);
                    return Array.from({{length: (b ?? a) - a + 1}}, (_, n) => a + n);
                }});
                if (!rows.includes({row})) continue;
                const piece = group.querySelector('path').getAttribute('d').split('M')[1 + rows.indexOf({row})];
                const numbers = piece.match(/-?[\\d.]+/g).map(Number);
                const middle = odd => {{
                    const half = numbers.filter((_, n) => n % 2 === odd);
                    return (Math.min(...half) + Math.max(...half)) / 2;
                }};
                const at = new DOMPoint(middle(0), middle(1)).matrixTransform(svg.getScreenCTM());
                return [at.x, at.y];
            }}
        }})()"""
    )
    return x, y


def tip(tab: Chromium, section: str) -> str | None:
    """The text of the values that are shown, a line each."""
    return tab.ask(
        f"(() => {{ const it = [...document.querySelectorAll('#{section} .tip')].find(tip => !tip.hidden);"
        " return it ? [...it.children].map(line => [...line.childNodes].map(n => n.textContent).join(' ')).join('\\n')"
        " : null; })()"
    )


def column(tab: Chromium, section: str, at: int, table: int = 0) -> list[str]:
    rows = f"[...document.querySelectorAll('#{section} table')[{table}].tBodies[0].rows]"
    return tab.ask(f"{rows}.map(row => row.cells[{at}].textContent)")


def view_box(tab: Chromium, section: str) -> list[float]:
    shown = f"[...document.querySelectorAll('#{section} svg')].find(svg => svg.getBoundingClientRect().width)"
    return [float(part) for part in tab.ask(f"{shown}.getAttribute('viewBox')").split()]


def press_tool(tab: Chromium, section: str, label: str) -> None:
    tab.click(*place(tab, f"document.querySelector('#{section} .tools [aria-label=\"{label}\"]')"))


def test_a_mouse_reads_columns_bars_cells_and_airports(tab: Chromium) -> None:
    shown = data()
    tab.mouse(*mark(tab, "hours", 17))
    arrivals, departures = shown.hours[17]
    means = f"Arrivals a day (mean) {arrivals / 60:.1f}\nDepartures a day (mean) {departures / 60:.1f}"
    assert tip(tab, "hours") == f"17:00\n{means}\nArrivals {arrivals:,}\nDepartures {departures:,}"
    assert tab.ask("document.querySelectorAll('#hours .lit').length") == 2  # both columns of the hour
    tab.mouse(*mark(tab, "daily", 30))
    assert tip(tab, "daily") == f"{shown.daily[30][0]}\nFlights {shown.daily[30][1]:,}"
    tab.mouse(*mark(tab, "matrix", 1 * 15 + 2, table=1))
    assert shown.matrix is not None
    assert tip(tab, "matrix") == f"X001 → X002\nFlights {shown.matrix.flights[1][2]:,}"
    tab.mouse(*mark(tab, "map", 0, table=1))
    assert tip(tab, "map") == f"X000\nName {HOSTILE}\nDepartures 500,000\nArrivals 400,000"
    tab.mouse(*mark(tab, "airlines", 1))
    assert str(tip(tab, "airlines")).startswith(f"{HOSTILE}\nCode BBB\nFlights 800\n")
    tab.mouse(2, 2)
    assert tip(tab, "airlines") is None


def test_a_finger_reads_values(tab: Chromium) -> None:
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        tab.tap(*mark(tab, "hours", 3))
        assert str(tip(tab, "hours")).startswith("03:00\n")
        tab.tap(*mark(tab, "map", 1, table=1))
        assert str(tip(tab, "map")).startswith("X001\nName Airport 1 <&>\n")
    finally:
        tab.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_keys_read_values_and_zoom(tab: Chromium) -> None:
    tab.ask("document.querySelector('#routes svg').focus()")
    tab.press("ArrowDown")
    tab.press("ArrowDown")
    assert str(tip(tab, "routes")).startswith("X001 → X002\nFlights 2,001")
    assert tab.ask("document.querySelector('[aria-live]').textContent").startswith("X001 → X002, Flights 2,001")
    tab.press("End")
    assert str(tip(tab, "routes")).startswith("X009 → X010\n")
    home = view_box(tab, "routes")
    tab.press("+", "+")
    assert view_box(tab, "routes")[2] == pytest.approx(home[2] / 2, rel=0.01)
    tab.press("0", "0")
    assert view_box(tab, "routes") == pytest.approx(home, abs=0.01)
    tab.press("ArrowUp")
    tab.press("Escape")
    assert tip(tab, "routes") is None


def test_a_map_zooms_and_shows_more_airports(tab: Chromium) -> None:
    home = view_box(tab, "map")
    thick = (
        "Math.max(...[...document.querySelectorAll('#map svg path')].map(p => parseFloat(p.style.strokeWidth) || 0))"
    )
    before = tab.ask(thick)
    x, y = (round(at) for at in mark(tab, "map", 0, table=1))
    for _ in range(3):
        tab.mouse(x, y, "mouseWheel", deltaX=0, deltaY=-60, modifiers=2)  # with Ctrl; alone, a wheel scrolls
    zoomed = view_box(tab, "map")
    assert zoomed[2] < home[2] / 2 and zoomed[2] / zoomed[3] == pytest.approx(home[2] / home[3], rel=0.01)
    assert tab.ask("document.querySelectorAll('#map .code').length") >= 1
    assert tab.ask(thick) <= before
    # What was below the mouse still is.
    assert mark(tab, "map", 0, table=1) == pytest.approx((x, y), abs=4)
    tab.mouse(x, y, "mousePressed", button="left", buttons=1, clickCount=1)
    tab.mouse(x - 40, y, button="left", buttons=1)
    tab.mouse(x - 40, y, "mouseReleased", button="left", clickCount=1)
    assert view_box(tab, "map")[0] > zoomed[0]
    press_tool(tab, "map", "Show all")
    assert view_box(tab, "map") == pytest.approx(home, abs=0.01)
    assert tab.ask("document.querySelectorAll('#map .code').length") == 0
    assert tab.ask(thick) == before


def test_buttons_zoom_a_map_to_its_busiest_airport(tab: Chromium) -> None:
    for _ in range(3):
        press_tool(tab, "map", "Zoom in")
    drawn = "[...document.querySelectorAll('#map svg')].find(svg => svg.getBoundingClientRect().width)"
    assert mark(tab, "map", 0, table=1) == pytest.approx(place(tab, drawn), abs=3)
    assert tab.ask("document.querySelectorAll('#map svg.zoomed').length") == 1  # the insets stay as they are


def test_columns_zoom_sideways_with_days_on_the_axis(tab: Chromium) -> None:
    shown = data()
    for _ in range(3):
        press_tool(tab, "daily", "Zoom in")
    ticks = tab.ask("[...document.querySelectorAll('#daily .tick')].map(tick => tick.textContent)")
    days = [day for day, _ in shown.daily]
    assert 1 <= len(ticks) <= 5 and set(ticks) <= set(days[15:45])
    x, y = place(tab, "document.querySelector('#daily svg')")
    tab.mouse(x, y)
    assert str(tip(tab, "daily")).split("\n")[0] in days[20:40]
    press_tool(tab, "daily", "Show all")
    assert tab.ask("document.querySelectorAll('#daily .tick').length") == 0


def test_insets_for_the_crowded_parts_of_the_world(tab: Chromium) -> None:
    titles = "[...document.querySelectorAll('#map .insets h3')].map(title => title.textContent)"
    assert tab.ask(titles) == ["Europe", "North America"]
    wide = tab.ask("[...document.querySelectorAll('#map .insets svg')].map(s => s.getBoundingClientRect().width)")
    assert all(width > 300 for width in wide)


def test_a_table_is_sorted_and_marks_still_find_their_rows(tab: Chromium) -> None:
    tab.ask("document.querySelector('#airlines details').open = true")
    heads = "document.querySelectorAll('#airlines table')[0].tHead.rows[0].cells"
    before = column(tab, "airlines", 0)
    tab.click(*place(tab, f"{heads}[2].firstChild"))
    flights = [int(text.replace(",", "")) for text in column(tab, "airlines", 2)]
    assert flights == sorted(flights, reverse=True)
    tab.click(*place(tab, f"{heads}[2].firstChild"))
    flights = [int(text.replace(",", "")) for text in column(tab, "airlines", 2)]
    assert flights == sorted(flights) and tab.ask(f"{heads}[2].getAttribute('aria-sort')") == "ascending"
    tab.click(*place(tab, f"{heads}[4].firstChild"))
    assert column(tab, "airlines", 4) == ["80", "9", "7"]
    tab.click(*place(tab, f"{heads}[0].firstChild"))
    assert column(tab, "airlines", 0) == sorted(before) or column(tab, "airlines", 0)[0] == HOSTILE
    tab.mouse(*mark(tab, "airlines", 0))
    assert str(tip(tab, "airlines")).startswith(f"{FORMULA}\nCode AAA\n")


def test_each_table_downloads_as_csv(tab: Chromium, tmp_path: Path) -> None:
    tables = tab.ask("document.querySelectorAll('main table').length")
    assert tab.ask("document.querySelectorAll('main .csv').length") == tables
    tab.ask("document.querySelector('#airlines details').open = true")
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.click(*place(tab, "document.querySelector('#airlines .csv')"))
    until = time.monotonic() + 20
    while not (found := [path for path in tmp_path.glob("*.csv") if path.stat().st_size]):
        assert time.monotonic() < until, "nothing was downloaded"
        tab.ask("0")
        time.sleep(0.05)
    assert found[0].name == "air-traffic-31-october-2026-to-29-december-2026_airlines.csv"
    rows: list[Any] = list(csv.DictReader(io.StringIO(found[0].read_bytes().decode("utf-8-sig"))))
    assert [row["Airline"] for row in rows[:3]] == [f"'{FORMULA}", HOSTILE, "CCC"]  # no formula for a spreadsheet
    assert [row["Flights"] for row in rows[:3]] == ["900", "800", "1000"]  # plain numbers


def test_without_script_the_page_is_complete(browser: Chromium, file: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file, 1280, 900, False)
        assert browser.ask("document.querySelectorAll('.tools, .csv, .sort, .spoken').length") == 0
        assert browser.ask("document.querySelectorAll('main section svg').length") >= 12
        assert browser.complaints == []
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_only_our_script_runs(browser: Chromium, tmp_path: Path) -> None:
    """The policy allows the script by its hash: one that got into the page all the same does not run."""
    changed = tmp_path / "changed.html"
    html = page(replace(busy_day(), map_routes=[], airports=busy_day().airports[:20]))
    changed.write_text(html.replace("</main>", "<script>document.title = 'taken'</script></main>"), encoding="utf-8")
    browser.open(changed, 1280, 900, False)
    assert browser.ask("document.title").startswith("Air traffic")
    assert browser.ask("document.querySelectorAll('.tools').length") > 5
    assert any("script-src" in complaint for complaint in browser.complaints)
