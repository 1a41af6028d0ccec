"""Where a series of measurements changes its level: by ranks, so that neither the unit nor a wild value matters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERMUTATIONS = 999
AT_ONCE = 1 << 21
"""So many numbers are permuted at a time: what bounds the memory."""


@dataclass(frozen=True)
class Change:
    """From the value `index` on the level is another. `p`: how often chance alone would show as much."""

    index: int
    statistic: float
    p: float


def change_points(values: Floats, least: int = 5, level: float = 0.01) -> list[Change]:
    """The changes of level of `values`, the clearest first, with at least `least` values between any two.

    Binary segmentation. A cut's statistic is the difference between the mean ranks on either side, in standard
    deviations under no change; the best cut of a stretch stands where at most `level` of the stretch's random orders
    have one as good. The random orders are the same on each call.
    """
    found: list[Change] = []
    rng = np.random.default_rng(0)
    stretches = [(0, len(values))]
    while stretches:
        first, end = stretches.pop()
        if end - first < 2 * least:
            continue
        scores = ranks(values[first:end])
        curve = _cuts(scores, least)
        at = int(curve.argmax())
        p = _chance(scores, least, float(curve[at]), rng)
        if curve[at] > 0 and p <= level:
            cut = first + least + at
            found.append(Change(cut, float(curve[at]), p))
            stretches += [(first, cut), (cut, end)]
    return sorted(found, key=lambda change: -change.statistic)


def ranks(values: Floats) -> Floats:
    """From 1 on; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def separation(higher: Floats, lower: Floats, alike: NDArray[np.bool_] | None = None) -> float:
    """The share of pairs, of all or of those `alike` (`higher` by `lower`), in which the first is greater; a draw is
    half. NaN where there is no pair."""
    over = (higher[:, None] > lower[None, :]) + 0.5 * (higher[:, None] == lower[None, :])
    pairs = over if alike is None else over[alike]
    return float(pairs.mean()) if pairs.size else float("nan")


def _cuts(scores: Floats, least: int) -> Floats:
    """|z| of each cut that leaves `least` on both sides; of one series or of each row."""
    n = scores.shape[-1]
    before = np.arange(1, n + 1)
    spread = scores[..., :].var(axis=-1, keepdims=True)
    sums = np.cumsum(scores - scores.mean(axis=-1, keepdims=True), axis=-1)
    scale = np.sqrt(spread * before * (n - before) / max(n - 1, 1))
    z = np.divide(np.abs(sums), scale, out=np.zeros_like(sums), where=scale > 0)
    return z[..., least - 1 : n - least]


def _chance(scores: Floats, least: int, statistic: float, rng: np.random.Generator) -> float:
    """How often a random order of the scores has a cut as good, this one counted in."""
    rows = max(AT_ONCE // len(scores), 1)
    as_good = 1
    for first, end in pairwise([*range(0, PERMUTATIONS, rows), PERMUTATIONS]):
        orders = rng.permuted(np.tile(scores, (end - first, 1)), axis=1)
        as_good += int((_cuts(orders, least).max(axis=1) >= statistic * (1 - 1e-9)).sum())
    return as_good / (PERMUTATIONS + 1)
