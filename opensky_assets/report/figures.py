"""The figures, drawn by matplotlib in the colours of a theme. Each takes data and a theme, and gives a `Figure`.

They are drawn small, with type of 8 to 9 points, so that they can be read on a phone at the width that it has.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from opensky_assets.report.data import AGE_STEPS_S, Airport, Matrix, Route, States
from opensky_assets.report.geo import View, cut, great_circle, make_view, shifted
from opensky_assets.report.outlines import outlines
from opensky_assets.report.theme import SEQUENCE, Theme, with_variables

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.1
"""Inches; 295 points, so that a point is about a pixel on a phone."""

MAP_LABELS = 14
DOTS = 6
"""Sizes of an airport's dot, by the root of its movements."""


def canvas(theme: Theme, height: float, width: float = WIDTH, padding: float = 0.03) -> Figure:
    """An empty figure; sizes are in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=padding, h_pad=padding)
    return Figure(figsize=(width, height), facecolor=theme["surface"], layout=layout)


def style(axes: Axes, theme: Theme) -> Axes:
    """The axes as all of ours look."""
    axes.set_facecolor(theme["surface"])
    axes.tick_params(colors=theme["muted"], labelsize=8.5, length=0, pad=3)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.xaxis.label.set(color=theme["muted"], size=8.5)
    axes.yaxis.label.set(color=theme["muted"], size=8.5)
    return axes


def _figure(theme: Theme, height: float, width: float = WIDTH, padding: float = 0.03) -> tuple[Figure, Axes]:
    figure = canvas(theme, height, width, padding)
    return figure, style(figure.add_subplot(), theme)


def grid(axes: Axes, theme: Theme, along: str) -> None:
    """Lines across the axis `along`, x or y."""
    axes.grid(True, axis="x" if along == "x" else "y", color=theme["grid"], linewidth=0.7)


def legend(axes: Axes, theme: Theme, columns: int) -> None:
    """Above the axes, in so many columns."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        labelcolor=theme["ink"],
        handlelength=1.0,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.2,
        borderpad=0,
    )


def number(value: float) -> str:
    """A count for people: thousands apart, decimals only where small."""
    return f"{value:,.0f}" if value >= 10 or float(value).is_integer() else f"{value:.1f}"


def percent(share: float) -> str:
    """A share for people: one decimal, and never 0 for what is there or 100 for what is not all. The sign stays on the
    line of its number."""
    if share in (0, 1):
        text = f"{100 * share:.0f}"
    elif 0 < share < 0.001:
        text = "less than 0.1"
    elif 0.9995 <= share < 1:
        text = "more than 99.9"
    else:
        text = f"{100 * share:.1f}"
    return f"{text}\N{NO-BREAK SPACE}%"


LONGEST_NAME = 26
"""Characters of a name in a drawing; the table beside it has all of them."""


def short(name: str) -> str:
    """A name in one line that leaves room for what is drawn."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


# --- the map -----------------------------------------------------------------------------------------------------


def route_map(
    routes: Sequence[Route], airports: Sequence[Airport], theme: Theme, wide: bool, width: float | None = None
) -> Figure:
    """Routes as great circles: the more flights, the stronger and darker the line; airports by their movements."""
    from matplotlib.collections import LineCollection, PolyCollection

    ways = [great_circle(*route.ends) for route in routes if route.ends]
    view = make_view(ways, 1.7, 2.3) if wide else make_view(ways, 0.9, 1.3)
    width = width or (9.0 if wide else WIDTH)
    figure, axes = _figure(theme, width / view.aspect, width, padding=0)
    left, right, bottom, top = view.bounds
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axes.set_facecolor(theme["surface"])

    lines = outlines()
    land = [view.project(ring) for whole in lines.land for ring in shifted(whole, view)]
    axes.add_collection(PolyCollection([r for r in land if _touches(r, view)], facecolors=theme["land"], linewidths=0))
    borders = [view.project(line) for whole in lines.borders for line in shifted(whole, view)]
    axes.add_collection(
        LineCollection([line for line in borders if _touches(line, view)], colors=theme["border"], linewidths=0.6)
    )

    least, most = (choose((route.flights for route in routes), default=1) for choose in (min, max))
    for level in range(1, len(SEQUENCE)):
        # One path a class, the strongest last, on top of the others.
        chosen = [
            part
            for route, way in zip((r for r in routes if r.ends), ways, strict=True)
            if _level(route.flights, least, most) == level
            for piece in cut(way, view)
            for part in [view.project(piece)]
            if _touches(part, view)
        ]
        if chosen:
            strength = (0.35 + 0.4 * level) * (1.0 if wide else 0.75)
            _lines(axes, chosen, theme[SEQUENCE[max(2, level)]], strength, f"routes-{level}", 2 + level * 0.1)
    _airports(axes, airports, view, theme, wide)
    return figure


def _lines(axes: Axes, lines: Sequence[np.ndarray], colour: str, width: float, name: str, order: float) -> None:
    """Many lines as one path, which takes a tenth of the text of as many paths."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = np.concatenate([[Path.MOVETO, *[Path.LINETO] * (len(line) - 1)] for line in lines])
    axes.add_patch(
        PathPatch(
            Path(np.concatenate(lines), codes),
            fill=False,
            edgecolor=colour,
            linewidth=width,
            capstyle="round",
            joinstyle="round",
            gid=name,
            zorder=order,
        )
    )


def _touches(line: np.ndarray, view: View) -> bool:
    left, right, bottom, top = view.bounds
    x, y = line[:, 0], line[:, 1]
    return bool(x.max() >= left and x.min() <= right and y.max() >= bottom and y.min() <= top)


def _level(flights: int, least: int, most: int) -> int:
    """1 to 5, even steps of the logarithm between the least and the most."""
    if most <= least:
        return 3
    return 1 + min(4, int(5 * math.log(flights / least) / math.log((most + 1) / least)))


def _airports(axes: Axes, airports: Sequence[Airport], view: View, theme: Theme, wide: bool) -> None:
    import matplotlib.patheffects as effects

    found = []
    left, right, bottom, top = view.bounds
    for airport in airports:
        if airport.position:
            for copy in shifted(np.array([airport.position]), view):
                x, y = view.project(copy)[0]
                if left <= x <= right and bottom <= y <= top:
                    found.append((float(x), float(y), airport))
    if not found:
        return
    most = max(a.outbound + a.inbound for _, _, a in found)
    for size in range(1, DOTS + 1):  # a dot is a line of no length with round ends
        dots = [
            np.array([[x, y], [x + 1e-6, y]])
            for x, y, a in found
            if math.ceil(DOTS * math.sqrt((a.outbound + a.inbound) / most)) == size
        ]
        if dots:
            across = (0.5 + 3.0 * size / DOTS) * (1.0 if wide else 0.8)
            _lines(axes, dots, theme["second"], across, f"airports-{size}", 4 + size * 0.01)
    taken: list[tuple[float, float]] = []
    point = (right - left) / (axes.figure.get_figwidth() * 72)  # type: ignore[union-attr]
    for x, y, airport in found:
        if len(taken) >= (MAP_LABELS if wide else 6):
            break
        wide_label, high_label = 26 * point, 10 * point
        if x + wide_label > right or y + high_label > top or y - high_label < bottom:
            continue
        if any(abs(x - other) < wide_label * 1.15 and abs(y - beside) < high_label * 1.3 for other, beside in taken):
            continue
        taken.append((x, y))
        axes.annotate(
            short(airport.code),
            (x, y),
            xytext=(3, 2.5),
            textcoords="offset points",
            fontsize=8,
            color=theme["ink"],
            zorder=5,
            path_effects=[effects.withStroke(linewidth=2, foreground=theme["surface"])],
        )


# --- bars --------------------------------------------------------------------------------------------------------


def hours(counts: Sequence[tuple[int, int]], days: int, theme: Theme) -> Figure:
    """Arrivals and departures in each hour of the day; over several days the mean of a day."""
    figure, axes = _figure(theme, 3.1)
    at = np.arange(24)
    scale = 1 / max(days, 1)
    axes.bar(at - 0.21, [arrivals * scale for arrivals, _ in counts], 0.4, color=theme["first"], label="Arrivals")
    axes.bar(at + 0.21, [out * scale for _, out in counts], 0.4, color=theme["second"], label="Departures")
    _hour_axis(axes)
    axes.set_ylabel("flights per hour" if days == 1 else "flights per hour, mean")
    grid(axes, theme, "y")
    legend(axes, theme, 2)
    return figure


def _hour_axis(axes: Axes) -> None:
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in range(0, 24, 3)])
    axes.set(xlim=(-0.7, 23.7), xlabel="hour of the day (UTC)")


def _whole_numbers(axes: Axes, along: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def ranked(
    bars: Sequence[tuple[str, float]], theme: Theme, unit: str, role: str = "first", quiet: frozenset[str] = frozenset()
) -> Figure:
    """Horizontal bars, each with its number; those in `quiet` are pale, since they say what is not known."""
    figure, axes = _figure(theme, max(0.9, 0.26 * len(bars) + 0.55))
    values = [value for _, value in bars]
    most = max(values, default=1) or 1
    colours = [theme["quiet"] if name in quiet else theme[role] for name, _ in bars]
    axes.barh(range(len(bars)), values, 0.7, color=colours)
    for at, value in enumerate(values):
        axes.text(value + most * 0.015, at, number(value), va="center", ha="left", fontsize=8.5, color=theme["ink"])
    axes.set_yticks(range(len(bars)), [short(name) for name, _ in bars], color=theme["ink"])
    axes.set(xlim=(0, most * 1.14), ylim=(len(bars) - 0.5, -0.5), xlabel=unit)
    _whole_numbers(axes, "x")
    grid(axes, theme, "x")
    return figure


def daily(counts: Sequence[tuple[str, int]], theme: Theme) -> Figure:
    """Flights of each day that has any; days without are gaps, not zeros. A day that stands alone is drawn wide enough
    to be seen, up to half the way to the days beside it."""
    from datetime import date

    import matplotlib.dates as mdates
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    figure, axes = _figure(theme, 2.4)
    days = np.array([mdates.date2num(date.fromisoformat(day)) for day, _ in counts])
    axes.xaxis_date()
    most = max((n for _, n in counts), default=1)
    span = days[-1] - days[0] + 1
    least = LEAST_BAR_POINTS / 2 * span / (WIDTH * 72 * 0.8)  # the axes take about so much of the width
    before, after = np.diff(days, prepend=-np.inf) / 2, np.diff(days, append=np.inf) / 2
    left, right = (days - np.clip(before, 0.45, max(least, 0.45)), days + np.clip(after, 0.45, max(least, 0.45)))
    # One path for all bars: there can be thousands.
    bars = zip(left, right, (n for _, n in counts), strict=True)
    corners = [point for one, other, n in bars for point in ((one, 0), (one, n), (other, n), (other, 0), (one, 0))]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(days)
    axes.add_patch(PathPatch(Path(corners, codes), facecolor=theme["first"], linewidth=0))
    margin = 0.02 * span
    axes.set(xlim=(left[0] - margin, right[-1] + margin), ylim=(0, most * 1.05))
    if span <= MOST_DAY_TICKS:
        shown = [mdates.num2date(day) for day in np.arange(days[0], days[-1] + 1)]
        axes.set_xticks(shown, [f"{day.day} {day:%b}" for day in shown])
    else:
        locator = mdates.AutoDateLocator(minticks=2, maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))
    axes.set(ylabel="flights per day", xlabel="day last seen (UTC)")
    _whole_numbers(axes, "y")
    grid(axes, theme, "y")
    return figure


LEAST_BAR_POINTS = 2.5
MOST_DAY_TICKS = 7


def shares(parts: Sequence[tuple[str, float]], theme: Theme) -> Figure:
    """Bars of 100 %: what is known, and what is not."""
    figure, axes = _figure(theme, 0.27 * len(parts) + 0.75)
    known = [100 * share for _, share in parts]
    axes.barh(range(len(parts)), known, 0.62, color=theme["first"], label="known")
    axes.barh(range(len(parts)), [100 - k for k in known], 0.62, left=known, color=theme["quiet"], label="not known")
    for at, value in enumerate(known):
        inside = value > 20
        axes.text(
            value - 1.5 if inside else value + 1.5,
            at,
            f"{value:.1f} %",
            va="center",
            ha="right" if inside else "left",
            fontsize=8.5,
            color=theme["surface"] if inside else theme["ink"],
        )
    axes.set_yticks(range(len(parts)), [name for name, _ in parts], color=theme["ink"])
    axes.set(xlim=(0, 100), ylim=(len(parts) - 0.5, -0.5), xlabel="share of the flights (%)")
    legend(axes, theme, 2)
    return figure


def position_age(states: States, theme: Theme) -> Figure:
    """How old a position is at the instant it stands for, in classes."""
    figure, axes = _figure(theme, 2.6)
    names = [
        f"≤ {AGE_STEPS_S[0]}",
        *(f"{low}–{up}" for low, up in pairwise(AGE_STEPS_S)),
        f"> {AGE_STEPS_S[-1]}",
    ]
    values = [100 * share for share in states.age_shares]
    stale = AGE_STEPS_S.index(15)
    colours = [theme["first"] if at <= stale else theme["second"] for at in range(len(values))]
    axes.bar(range(len(values)), values, 0.75, color=colours)
    for at, value in enumerate(values):
        told = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        axes.text(at, value + max(values) * 0.02, told, ha="center", va="bottom", fontsize=8, color=theme["ink"])
    axes.set_xticks(range(len(values)), names, fontsize=7.6)
    axes.set(xlabel="age of the position (s)", ylabel="share of the positions (%)", ylim=(0, max(values) * 1.12))
    grid(axes, theme, "y")
    return figure


def aircraft_by_hour(states: States, theme: Theme) -> Figure:
    figure, axes = _figure(theme, 2.6)
    axes.bar(range(24), states.aircraft_by_hour, 0.8, color=theme["first"])
    _hour_axis(axes)
    unit = "aircraft in polls" if states.polls else "aircraft"
    axes.set_ylabel(unit if len(states.days) == 1 else f"{unit}, mean of the days")
    _whole_numbers(axes, "y")
    grid(axes, theme, "y")
    return figure


# --- the matrix --------------------------------------------------------------------------------------------------


def heatmap(matrix: Matrix, theme: Theme) -> Figure:
    """Flights from each row's airport to each column's; the number stands in the cell."""
    from matplotlib.patches import Rectangle

    size = len(matrix.airports)
    figure, axes = _figure(theme, WIDTH * 1.0)
    most = max((flights for row in matrix.flights for flights in row), default=1) or 1
    for y, row in enumerate(matrix.flights):
        for x, flights in enumerate(row):
            level = _level(flights, 1, most) if flights else 0
            axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=theme[SEQUENCE[level]], linewidth=0))
            if flights:
                axes.text(
                    x,
                    y,
                    f"{flights:,}" if flights < 1000 else f"{flights / 1000:.0f}k",
                    ha="center",
                    va="center",
                    fontsize=6.3,
                    color=theme["on_dark" if level >= 4 else "on_light"],
                )
            elif x == y:
                axes.plot([x - 0.2, x + 0.2], [y + 0.2, y - 0.2], color=theme["grid"], linewidth=0.8)
    names = [short(code) for code in matrix.airports]
    axes.set_xticks(range(size), names, rotation=90, color=theme["ink"], fontsize=7.6)
    axes.set_yticks(range(size), names, color=theme["ink"], fontsize=7.6)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal", xlabel="to", ylabel="from")
    return figure


# --- out of matplotlib -------------------------------------------------------------------------------------------


def as_svg(figure: Figure, name: str, label: str) -> Markup:
    """The drawing for the page: text as text, CSS variables for colours, one decimal, `label` for those who listen.

    matplotlib escapes all text. What is changed afterwards is inside of tags, where none of that text is.
    """
    import matplotlib as mpl
    from markupsafe import Markup

    out = io.StringIO()
    _as_it_is(figure)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    for unused in ("<metadata>.*?</metadata>", r"<defs>\s*<style.*?</style>\s*</defs>", "<!--.*?-->"):
        svg = re.sub(unused, "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda tag: _tidy(tag.group(), name), svg)
    head = re.match(r"<svg[^>]*>", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert head and box
    body = re.sub(r"\n\s*", "\n", svg[head.end() :]).strip()
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    opened = Markup(f'<svg {names} {box.group()} role="img"') + Markup(' aria-label="{}">').format(label)
    return opened + Markup(body)


def _as_it_is(figure: Figure) -> None:
    """No text of the data is a formula, whatever dollar signs it has."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)


def _tidy(tag: str, name: str) -> str:
    tag = re.sub(r' d="([^"]*)"', lambda found: f' d="{_shorter(found.group(1))}"', tag)
    # Ids are made from what is drawn, so two figures may share one: the name keeps them apart.
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font(?:-family)?: [^;\"]*'[^;\"]*", _font, tag)
    return with_variables(tag)


def _shorter(path: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found.group(0)):.1f}", path).replace("\n", "")


def _font(found: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", found.group(0))
    return f"font-size: {size.group(0)}" if size else "font-family: inherit"


def as_png(figure: Figure, dpi: int = 200) -> bytes:
    out = io.BytesIO()
    _as_it_is(figure)
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()
