"""Whether a benchmark has become slower than its history, beyond noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

LEAST_GROWTH = 0.10
SPREADS = 3.0
CHANCE = 0.05


@dataclass(frozen=True)
class Regression:
    """By medians, in the unit of what was compared. `p`: how often chance alone would rank the new ones so high."""

    now: float
    before: float
    p: float

    @property
    def growth(self) -> float:
        return self.now / self.before - 1

    def __str__(self) -> str:
        return f"{self.now:.3g} where it was {self.before:.3g}, {self.growth:+.0%} (chance alone: p = {self.p:.3f})"


def compare(now: Sequence[float], before: Sequence[float]) -> Regression | None:
    """Whether the repeats `now` are higher than those of comparable earlier runs, `before`; both positive, more is
    worse. All three must hold:

    - the median grew by more than `LEAST_GROWTH`;
    - it grew by more than `SPREADS` standard deviations of one run, taken from the median absolute deviation of the
      earlier ones or of the new ones, whichever is greater;
    - a rank-sum test gives the new ones' places at most the chance `CHANCE`: exact, without assumptions of how run
      times are distributed. It cannot for too few: three and three, or two and five, are the least.
    """
    if not now or not before:
        return None
    found = Regression(median(now), median(before), rank_sum_p(now, before))
    spread = 1.4826 * max(_deviation(now), _deviation(before))
    if found.growth > LEAST_GROWTH and found.now - found.before > SPREADS * spread and found.p <= CHANCE:
        return found
    return None


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return median(abs(value - middle) for value in values)


def rank_sum_p(higher: Sequence[float], lower: Sequence[float]) -> float:
    """One-sided exact p of the Wilcoxon–Mann–Whitney test, ties counted against `higher`. For more than some hundred
    values take fewer: the count of orders is quadratic in each."""
    wins = sum(one > other for one in higher for other in lower)
    most = len(higher) * len(lower)
    # counts[n][u]: in how many orders n of the higher among the lower ones so far win u pairs
    counts = [[1] + [0] * most] + [[0] * (most + 1) for _ in higher]
    for lower_so_far in range(len(lower) + 1):
        for few, many in pairwise(range(len(higher) + 1)):
            for won in range(lower_so_far, most + 1):
                counts[many][won] += counts[few][won - lower_so_far]
    return sum(counts[len(higher)][wins:]) / math.comb(len(higher) + len(lower), len(higher))
