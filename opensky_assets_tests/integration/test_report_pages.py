"""The pages in a real browser, on a phone and on a desk, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opensky_assets.report.page import cards, page
from opensky_assets_tests.chromium import BROWSER, Chromium, chromium
from opensky_assets_tests.report_data import busy_day, busy_range, nothing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (Debian: apt-get install chromium)"),
]

PAGES = {"day": busy_day(), "range": busy_range(), "nothing": nothing()}

DRAWN = """
    [...document.querySelectorAll('main section')].map(section => {
        const shown = [...section.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0);
        const marks = shown.flatMap(svg => [...svg.querySelectorAll('path, use')]).filter(mark => {
            const box = mark.getBoundingClientRect();
            const style = getComputedStyle(mark);
            const painted = [style.fill, style.stroke].some(paint => paint !== 'none' && paint !== '');
            return painted && box.width + box.height > 1;
        });
        return {
            name: section.id, drawings: shown.length, marks: marks.length,
            colours: new Set(marks.flatMap(m => [getComputedStyle(m).fill, getComputedStyle(m).stroke])).size,
            smallest: Math.min(99, ...shown.flatMap(svg => [...svg.querySelectorAll('text')]
                .map(text => parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width
                    / svg.viewBox.baseVal.width))),
        };
    })
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as tab:
        yield tab


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, data in PAGES.items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(page(data), encoding="utf-8")
    return made


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
@pytest.mark.parametrize("name", PAGES)
def test_every_chart_has_marks_and_nothing_leaves_the_page(
    browser: Chromium, files: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(files[name], width, 900, dark)
    drawn = {found["name"]: found for found in browser.ask(DRAWN) if found["name"]}
    assert list(drawn) == [card.name for card in cards(PAGES[name])]
    for found in drawn.values():
        # Of the two maps of the world one, and below it Europe and North America.
        assert found["drawings"] == (3 if found["name"] == "map" else 1), found
        assert found["marks"] >= 3 and found["colours"] >= 2, found
        assert found["smallest"] >= 6.3, found  # CSS pixels; the smallest are the numbers in the matrix
    assert browser.requests == [files[name].resolve().as_uri()]
    assert browser.complaints == []
    # Nothing sticks out to the side.
    assert browser.ask("document.documentElement.scrollWidth") <= width
    ground, ink = browser.ask(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (lightness(ground) < lightness(ink)) is dark


def lightness(colour: str) -> float:
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
