"""Where rows are: a point by its longitude and latitude, or a line from a first position to a last one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa

POINTS = (("lon", "lat"), ("longitude", "latitude"))
LINE = ("longitude_1", "latitude_1", "longitude_2", "latitude_2")
"""First and last position of a flight."""


class NoPositions(ValueError):
    """The rows have no columns with positions."""


@dataclass(frozen=True)
class Positions:
    """The columns of a table that say where each row is: two for a point, four for a line."""

    columns: tuple[str, ...]

    @property
    def is_line(self) -> bool:
        return len(self.columns) == len(LINE)


def find_positions(columns: list[str]) -> Positions:
    """Raises `NoPositions`."""
    for wanted in (*POINTS, LINE):
        if set(wanted) <= set(columns):
            return Positions(wanted)
    names = ", ".join(f"{x} and {y}" for x, y in POINTS)
    raise NoPositions(f"the rows have no positions, which a map needs: columns {names}, or {', '.join(LINE)}")


def coordinates(batch: pa.RecordBatch | pa.Table, positions: Positions) -> list[tuple[float, ...] | None]:
    """The coordinates of each row, x before y; `None` where one is missing."""
    columns = [batch[name].cast(pa.float64()).to_pylist() for name in positions.columns]
    return [row if all(x is not None and math.isfinite(x) for x in row) else None for row in zip(*columns, strict=True)]


def cut_line(line: tuple[float, ...]) -> list[list[tuple[float, float]]]:
    """A line in one part, or in two where its shorter way crosses the antimeridian (RFC 7946, 3.1.9)."""
    x1, y1, x2, y2 = line
    if abs(x2 - x1) <= 180:
        return [[(x1, y1), (x2, y2)]]
    edge = 180.0 if x1 > 0 else -180.0
    width = 360 - abs(x2 - x1)
    y = y1 + (y2 - y1) * (abs(edge - x1) / width if width else 0.0)
    return [[(x1, y1), (edge, y)], [(-edge, y), (x2, y2)]]
