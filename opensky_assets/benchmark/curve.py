"""Run time over the number of files: what starting costs, what a file costs, and what comes on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """`start_s + per_file_s * files`, and by how much the largest run differs from what the smaller ones foretell
    (`None`: fewer than two smaller sizes)."""

    start_s: float
    per_file_s: float
    excess_s: float | None

    def at(self, files: int) -> float:
        """The seconds that so many files should take, by the line."""
        return self.start_s + self.per_file_s * files

    def __str__(self) -> str:
        text = f"runs of several sizes: {self.start_s:.1f} s to start and {self.per_file_s:.3g} s a file"
        if self.excess_s is None:
            return text
        more = "more" if self.excess_s >= 0 else "less"
        return f"{text}; the largest took {abs(self.excess_s):.1f} s {more} than the smaller ones foretell"


def fit_curve(points: Sequence[tuple[int, float]]) -> Curve:
    """The line through `(files, seconds)` of runs, by Theil and Sen: the median slope of all pairs, so that a run that
    was disturbed does not bend it. With three sizes or more, the largest is not fitted but compared.

    Raises `ValueError` for fewer than two sizes.
    """
    files = np.array([count for count, _ in points], dtype=float)
    seconds = np.array([took for _, took in points], dtype=float)
    sizes = np.unique(files)
    if len(sizes) < 2:
        raise ValueError("a curve needs runs of at least two sizes")
    smaller = files < sizes[-1] if len(sizes) > 2 else np.ones(len(files), dtype=bool)
    start_s, per_file_s = _line(files[smaller], seconds[smaller])
    if len(sizes) == 2:
        return Curve(start_s, per_file_s, None)
    excess_s = float(np.median(seconds[~smaller])) - (start_s + per_file_s * float(sizes[-1]))
    return Curve(start_s, per_file_s, excess_s)


def _line(files: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    one, other = np.triu_indices(len(files), 1)
    apart = files[one] != files[other]
    slopes = (seconds[other] - seconds[one])[apart] / (files[other] - files[one])[apart]
    per_file_s = max(float(np.median(slopes)), 0.0)
    return max(float(np.median(seconds - per_file_s * files)), 0.0), per_file_s
