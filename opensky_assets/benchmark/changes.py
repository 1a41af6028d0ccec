"""Where a series of measurements changes its level: by ranks and medians, so that no wild value matters."""

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
    """From the value `index` on the level is another. `statistic` says how clearly, `p` how often chance alone would
    show as much."""

    index: int
    statistic: float
    p: float


def change_points(values: Floats, least: int = 5, level: float = 0.01) -> list[Change]:
    """The changes of level of `values`, the clearest first, with at least `least` values between any two.

    Binary segmentation. A cut's statistic is the difference between the mean ranks on either side, in standard
    deviations under no change; a stretch has a change where at most `level` of its random orders have a cut as good as
    its best. (They are the same on each call.) The change is where fewest values are on the wrong side of the middle
    between the medians of both sides: the best cut by ranks can be a few values off. At last each change is looked at
    again between its neighbours, twice: the first were found in stretches that had others in them.
    """
    rng = np.random.default_rng(0)
    found: list[Change] = []
    stretches = [(0, len(values))]
    while stretches:
        first, end = stretches.pop()
        if (change := _change(values, first, end, least, level, rng)) is not None:
            found.append(change)
            stretches += [(first, change.index), (change.index, end)]
    found.sort(key=lambda change: change.index)
    for at in (at for _ in range(2) for at in reversed(range(len(found)))):
        edges = [0, *(change.index for change in found), len(values)]
        again = _change(values, edges[at], edges[at + 2], least, level, rng)
        found[at : at + 1] = [] if again is None else [again]
    return sorted(found, key=lambda change: -change.statistic)


def _change(values: Floats, first: int, end: int, least: int, level: float, rng: np.random.Generator) -> Change | None:
    """The clearest change between two places, if one is clear enough."""
    if end - first < 2 * least:
        return None
    scores = ranks(values[first:end])
    curve = _cuts(scores, least)
    at = int(curve.argmax())
    if curve[at] <= 0 or (p := _chance(scores, least, float(curve[at]), rng)) > level:
        return None
    return Change(_place(values, first, end, first + least + at, least), float(curve[at]), p)


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


def _place(values: Floats, first: int, end: int, about: int, least: int) -> int:
    """The one change between `first` and `end`, known to be at `about` or near."""
    before, after = np.median(values[first:about]), np.median(values[about:end])
    if before == after:
        return about
    high = np.sign(values[first:end] - (before + after) / 2) * np.sign(before - after)
    return first + least + int(np.cumsum(high)[least - 1 : end - first - least].argmax())


def _chance(scores: Floats, least: int, statistic: float, rng: np.random.Generator) -> float:
    """How often a random order of the scores has a cut as good, this one counted in."""
    rows = max(AT_ONCE // len(scores), 1)
    as_good = 1
    for first, end in pairwise([*range(0, PERMUTATIONS, rows), PERMUTATIONS]):
        orders = rng.permuted(np.tile(scores, (end - first, 1)), axis=1)
        as_good += int((_cuts(orders, least).max(axis=1) >= statistic * (1 - 1e-9)).sum())
    return as_good / (PERMUTATIONS + 1)
