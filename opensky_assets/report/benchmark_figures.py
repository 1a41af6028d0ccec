"""The figures of the benchmark's page: medians of repeats with their spread, over files and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensky_assets.report.figures import canvas, dots, grid, legend, style
from opensky_assets.report.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROLES = {"local": "first", "spark": "second"}


@dataclass(frozen=True)
class Point:
    """The median of repeats over so many files, and their least and most."""

    files: int
    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Points from few files to many, of one engine."""

    name: str
    points: list[Point]
    engine: str


def over_files(
    series: Sequence[Series],
    theme: Theme,
    unit: str,
    lines: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """A line a series, a row a point. `lines`: by engine, start and slope of a dashed line."""
    figure = canvas(theme, 2.6)
    axes = style(figure.add_subplot(), theme)
    _draw(axes, series, theme, unit)
    most = max(point.files for one in series for point in one.points)
    for engine, (start, slope) in (lines or {}).items():
        axes.plot([0, most], [start, start + slope * most], "--", color=theme[ROLES[engine]], linewidth=1)
    axes.set_xlabel("files")
    return figure


def stacked(upper: tuple[Sequence[Series], str], lower: tuple[Sequence[Series], str], theme: Theme) -> Figure:
    """Two drawings over the same files, one above the other, each with its unit and its table."""
    figure = canvas(theme, 3.8)
    both = figure.subplots(2, 1, sharex=True)
    for table, (series, unit) in enumerate((upper, lower)):
        _draw(style(both[table], theme), series, theme, unit, table)
    figure.axes[1].set_xlabel("files")
    if [one.name for one in upper[0]] == [one.name for one in lower[0]] and (doubled := figure.axes[1].get_legend()):
        doubled.remove()
    return figure


def over_time(points: Sequence[Point], names: Sequence[str], theme: Theme, unit: str) -> Figure:
    """One point a benchmark, in order; of their names as many as there is room for."""
    figure = canvas(theme, 2.6)
    axes = style(figure.add_subplot(), theme)
    _spread(axes, points, list(range(len(points))), theme["first"], "-", "o")
    _points(axes, points, range(len(points)), theme["first"], 0, 0)
    shown = range(0, len(points), -(-len(points) // 6))
    axes.set_xticks(list(shown), [names[at] for at in shown])
    axes.set(ylabel=unit, ylim=(0, None), xlim=(-0.5, len(points) - 0.5))
    grid(axes, theme, "y")
    return figure


def _draw(axes: Axes, series: Sequence[Series], theme: Theme, unit: str, table: int = 0) -> None:
    styles = {name: _STYLES[at % len(_STYLES)] for at, name in enumerate(dict.fromkeys(_kind(one) for one in series))}
    row = 0
    for one in series:
        line, mark = styles[_kind(one)]
        files = [float(point.files) for point in one.points]
        _spread(axes, one.points, files, theme[ROLES[one.engine]], line, mark, one.name)
        _points(axes, one.points, files, theme[ROLES[one.engine]], table, row)
        row += len(one.points)
    counts = sorted({point.files for one in series for point in one.points})
    most = counts[-1]
    apart = [count for at, count in enumerate(counts) if all(other - count > most / 12 for other in counts[at + 1 :])]
    axes.set_xticks(apart, [f"{count:,}" for count in apart])
    axes.set(ylabel=unit, ylim=(0, None), xlim=(0, most * 1.04))
    grid(axes, theme, "y")
    if len(series) > 1:
        legend(axes, theme, min(len(series), 2))


_STYLES = (("-", "o"), (":", "s"), ("--", "^"))


def _kind(series: Series) -> str:
    """What a series is of, without its engine."""
    return series.name.removeprefix(series.engine).strip()


def _points(axes: Axes, points: Sequence[Point], at: Sequence[float], colour: str, table: int, first_row: int) -> None:
    """Below the symbols of the points, dots that stand for rows of the table."""
    rows = range(first_row, first_row + len(points))
    dots(axes, [(x, point.middle) for x, point in zip(at, points, strict=True)], rows, table, edgecolor=colour, lw=4.5)


def _spread(
    axes: Axes, points: Sequence[Point], at: Sequence[float], colour: str, line: str, mark: str, name: str = ""
) -> None:
    middles = [point.middle for point in points]
    axes.vlines(at, [p.low for p in points], [p.high for p in points], color=colour, linewidth=2.5, alpha=0.45)
    axes.plot(at, middles, line, marker=mark, color=colour, markersize=4.5, linewidth=1.6, label=name)
