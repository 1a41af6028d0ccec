"""The figures, drawn by matplotlib in the colours of a theme. Each takes data and a theme, and gives a `Figure`.

They are drawn small, with type of 8 to 9 points, so that they can be read on a phone at the width that it has.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from opensky_assets.report.data import AGE_STEPS_S, Airport, Matrix, Route, States
from opensky_assets.report.geo import View, clip, cut, great_circle, make_view, shifted, thinned
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


# --- marks -------------------------------------------------------------------------------------------------------

Box = tuple[float, float, float, float]
"""Left, right, bottom, top."""


def marks(
    axes: Axes, shapes: Sequence[np.ndarray], rows: Sequence[int] | None, table: int = 0, closed: bool = False,
    **look: Any,
) -> None:  # fmt: skip
    """Many lines or areas as one path, which takes a tenth of the text of as many paths. `rows` are the rows of the
    card's table that they stand for, one a shape: the page's script looks a mark's values up there."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(shapes):
        return
    ends = [Path.CLOSEPOLY] if closed else []
    codes = [[Path.MOVETO, *[Path.LINETO] * (len(shape) - 1 - len(ends)), *ends] for shape in shapes]
    path = Path(np.concatenate(shapes), np.concatenate(codes))
    path.should_simplify = False  # else shapes are left out, and the next ones stand for other rows
    gid = None if rows is None else f"rows:{table}:{_ranges(rows)}"
    axes.add_artist(PathPatch(path, gid=gid, **{"fill": closed, **look}))  # `add_patch` looks for limits in each shape


def boxes(axes: Axes, found: Sequence[Box], rows: Sequence[int] | None, table: int = 0, **look: Any) -> None:
    """Rectangles as one path."""
    corners = [np.array([(a, low), (a, up), (b, up), (b, low), (a, low)]) for a, b, low, up in found]
    marks(axes, corners, rows, table, closed=True, **{"linewidth": 0, **look})


def dots(
    axes: Axes, places: Sequence[tuple[float, float]], rows: Sequence[int] | None, table: int, **look: Any
) -> None:
    """Round dots as one path: lines of no length with round ends; `linewidth` is how large they are."""
    marks(axes, [np.array([[x, y], [x, y]]) for x, y in places], rows, table, capstyle="round", **look)


def _ranges(rows: Sequence[int]) -> str:
    """0, 1, 2, 7 as 0-2,7."""
    found: list[list[int]] = []
    for row in rows:
        if found and row == found[-1][1] + 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)


# --- the map -----------------------------------------------------------------------------------------------------


def route_map(
    routes: Sequence[Route],
    airports: Sequence[Airport],
    theme: Theme,
    wide: bool,
    width: float | None = None,
    view: View | None = None,
) -> Figure:
    """Routes as great circles: the more flights, the stronger and darker the line; airports by their movements. All of
    them, or what `view` shows. Their rows are those of the routes in the first table, of the airports in the second."""
    ways = {at: great_circle(*route.ends) for at, route in enumerate(routes) if route.ends}
    if view is None:
        view = make_view(list(ways.values()), 1.7, 2.3) if wide else make_view(list(ways.values()), 0.9, 1.3)
    width = width or (9.0 if wide else WIDTH)
    figure, axes = _figure(theme, width / view.aspect, width, padding=0)
    left, right, bottom, top = view.bounds
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axes.set_facecolor(theme["surface"])
    _outlines(axes, view, theme)

    point = (right - left) / (width * 72)
    least, most = (choose((route.flights for route in routes), default=1) for choose in (min, max))
    for level in range(1, len(SEQUENCE)):
        # One path a class, the strongest last, on top of the others.
        chosen = [
            (at, thinned(part, 0.06 * point))
            for at, way in ways.items()
            if _level(routes[at].flights, least, most) == level
            for piece in cut(way, view)
            for part in clip(view.project(piece), view.bounds)
        ]
        strength = (0.35 + 0.4 * level) * (1.0 if wide else 0.75)
        marks(
            axes, [line for _, line in chosen], [at for at, _ in chosen], edgecolor=theme[SEQUENCE[max(2, level)]],
            linewidth=strength, capstyle="round", joinstyle="round", zorder=2 + level * 0.1,
        )  # fmt: skip
    _airports(axes, airports, view, theme, wide, point)
    return figure


def _outlines(axes: Axes, view: View, theme: Theme) -> None:
    lines = outlines()
    land = [view.project(ring) for whole in lines.land for ring in shifted(whole, view)]
    closed = [np.vstack([ring, ring[:1]]) for ring in land if _touches(ring, view)]
    marks(axes, closed, None, closed=True, facecolor=theme["land"], linewidth=0, zorder=1)
    borders = [view.project(line) for whole in lines.borders for line in shifted(whole, view)]
    shown = [line for line in borders if _touches(line, view)]
    marks(axes, shown, None, edgecolor=theme["border"], linewidth=0.6, zorder=1.5)


def _touches(line: np.ndarray, view: View) -> bool:
    left, right, bottom, top = view.bounds
    x, y = line[:, 0], line[:, 1]
    return bool(x.max() >= left and x.min() <= right and y.max() >= bottom and y.min() <= top)


def _level(flights: int, least: int, most: int) -> int:
    """1 to 5, even steps of the logarithm between the least and the most."""
    if most <= least:
        return 3
    return 1 + min(4, int(5 * math.log(flights / least) / math.log((most + 1) / least)))


def _airports(axes: Axes, airports: Sequence[Airport], view: View, theme: Theme, wide: bool, point: float) -> None:
    left, right, bottom, top = view.bounds
    located = [(at, airport) for at, airport in enumerate(airports) if airport.position]
    positions = np.array([airport.position for _, airport in located], float).reshape(-1, 2)
    places = zip(located * 3, np.concatenate([view.project(copy) for copy in shifted(positions, view)]), strict=False)
    found = [
        (float(x), float(y), at, airport)
        for (at, airport), (x, y) in places
        if left <= x <= right and bottom <= y <= top
    ]
    if not found:
        return
    found.sort(key=lambda place: place[2])
    most = max(a.outbound + a.inbound for *_, a in found)
    for size in range(1, DOTS + 1):
        sized = [p for p in found if math.ceil(DOTS * math.sqrt((p[3].outbound + p[3].inbound) / most)) == size]
        across = (0.5 + 3.0 * size / DOTS) * (1.0 if wide else 0.8)
        dots(
            axes, [(x, y) for x, y, *_ in sized], [at for _, _, at, _ in sized], 1,
            edgecolor=theme["second"], linewidth=across, zorder=4 + size * 0.01,
        )  # fmt: skip
    _codes(axes, [(x, y, airport.code) for x, y, _, airport in found], view, theme, MAP_LABELS if wide else 6, point)


def _codes(
    axes: Axes, found: Sequence[tuple[float, float, str]], view: View, theme: Theme, most: int, point: float
) -> None:
    """Codes of the first airports that have room for it."""
    import matplotlib.patheffects as effects

    _, right, bottom, top = view.bounds
    taken: list[tuple[float, float]] = []
    for x, y, code in found:
        if len(taken) >= most:
            break
        wide_label, high_label = 26 * point, 10 * point
        if x + wide_label > right or y + high_label > top or y - high_label < bottom:
            continue
        if any(abs(x - other) < wide_label * 1.15 and abs(y - beside) < high_label * 1.3 for other, beside in taken):
            continue
        taken.append((x, y))
        axes.annotate(
            short(code),
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
    """Arrivals and departures in each hour of the day; over several days the mean of a day. A row an hour."""
    figure, axes = _figure(theme, 3.1)
    scale = 1 / max(days, 1)
    for kind, (name, role, aside) in enumerate((("Arrivals", "first", -0.41), ("Departures", "second", 0.01))):
        columns = [(hour + aside, hour + aside + 0.4, 0.0, both[kind] * scale) for hour, both in enumerate(counts)]
        boxes(axes, columns, range(24), facecolor=theme[role], label=name)
    axes.set_ylim(0, 1.05 * scale * max((max(both) for both in counts), default=1) or 1)
    _hour_axis(axes)
    axes.set_ylabel("flights per hour" if days == 1 else "flights per hour, mean of a day")
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
    """Horizontal bars, each with its number and a row; those in `quiet` are pale, since they say what is not known."""
    figure, axes = _figure(theme, max(0.9, 0.26 * len(bars) + 0.55))
    values = [value for _, value in bars]
    most = max(values, default=1) or 1
    for pale in (False, True):
        chosen = [at for at, (name, _) in enumerate(bars) if (name in quiet) is pale]
        drawn = [(0.0, values[at], at + 0.35, at - 0.35) for at in chosen]
        boxes(axes, drawn, chosen, facecolor=theme["quiet" if pale else role])
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

    figure, axes = _figure(theme, 2.4)
    days = np.array([mdates.date2num(date.fromisoformat(day)) for day, _ in counts])
    axes.xaxis_date()
    most = max((n for _, n in counts), default=1)
    span = days[-1] - days[0] + 1
    least = LEAST_BAR_POINTS / 2 * span / (WIDTH * 72 * 0.8)  # the axes take about so much of the width
    before, after = np.diff(days, prepend=-np.inf) / 2, np.diff(days, append=np.inf) / 2
    left, right = (days - np.clip(before, 0.45, max(least, 0.45)), days + np.clip(after, 0.45, max(least, 0.45)))
    columns = [(float(one), float(other), 0.0, n) for one, other, (_, n) in zip(left, right, counts, strict=True)]
    boxes(axes, columns, range(len(columns)), facecolor=theme["first"])
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
    rows = range(len(parts))
    boxes(
        axes,
        [(0, k, at + 0.31, at - 0.31) for at, k in enumerate(known)],
        rows,
        facecolor=theme["first"],
        label="known",
    )
    rest = [(k, 100.0, at + 0.31, at - 0.31) for at, k in enumerate(known)]
    boxes(axes, rest, rows, facecolor=theme["quiet"], label="unknown")
    for at, value in enumerate(known):
        inside = value > 20
        axes.text(
            value - 1.5 if inside else value + 1.5,
            at,
            percent(value / 100),
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
    for role, chosen in (("first", range(stale + 1)), ("second", range(stale + 1, len(values)))):
        columns = [(at - 0.375, at + 0.375, 0.0, values[at]) for at in chosen]
        boxes(axes, columns, chosen, facecolor=theme[role])
    for at, value in enumerate(values):
        told = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        axes.text(at, value + max(values) * 0.02, told, ha="center", va="bottom", fontsize=8, color=theme["ink"])
    axes.set_xticks(range(len(values)), names, fontsize=7.6)
    axes.set(xlabel="age of the position (s)", ylabel="share of the positions (%)", ylim=(0, max(values) * 1.12))
    axes.set_xlim(-0.5, len(values) - 0.5)
    grid(axes, theme, "y")
    return figure


def aircraft_by_hour(states: States, theme: Theme) -> Figure:
    figure, axes = _figure(theme, 2.6)
    columns = [(hour - 0.4, hour + 0.4, 0.0, count) for hour, count in enumerate(states.aircraft_by_hour)]
    boxes(axes, columns, range(24), facecolor=theme["first"])
    axes.set_ylim(0, max(states.aircraft_by_hour, default=0) * 1.05 or 1)
    _hour_axis(axes)
    unit = "aircraft in polls" if states.polls else "aircraft"
    axes.set_ylabel(unit if len(states.days) == 1 else f"{unit}, mean of the days")
    _whole_numbers(axes, "y")
    grid(axes, theme, "y")
    return figure


# --- the matrix --------------------------------------------------------------------------------------------------


def heatmap(matrix: Matrix, theme: Theme) -> Figure:
    """Flights from each row's airport to each column's; the number stands in the cell. Their rows are those of the
    second table: each pair, origin by origin."""
    size = len(matrix.airports)
    figure, axes = _figure(theme, WIDTH * 1.0)
    most = max((flights for row in matrix.flights for flights in row), default=1) or 1
    levels: dict[int, list[tuple[int, int]]] = {}
    for y, row in enumerate(matrix.flights):
        for x, flights in enumerate(row):
            level = _level(flights, 1, most) if flights else 0
            levels.setdefault(level, []).append((x, y))
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
    for level, found in sorted(levels.items()):
        squares = [(x - 0.47, x + 0.47, y + 0.47, y - 0.47) for x, y in found]
        boxes(axes, squares, [y * size + x for x, y in found], 1, facecolor=theme[SEQUENCE[level]])
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
    tag = re.sub(r'\bid="rows:(\d+):([\d,-]+)"', r'data-table="\1" data-rows="\2"', tag)
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
