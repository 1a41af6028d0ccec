"""Whether a run was throttled: refused, or given bytes at a lower rate from some request on.

A reader is at work or waits. `Request.reading_s` has the waits, apart from the reader's own work, and what follows the
answer's first byte in them is the wait for the body. So neither a busy CPU nor a slow disk nor latency looks like a
narrow line: where bodies are there before the reader wants them, the wait for them is next to nothing. A server that
holds back whole answers by their size is therefore taken for one that is far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from opensky_assets.benchmark.changes import Floats, change_points, separation
from opensky_assets.benchmark.run import Run
from opensky_assets.storage.telemetry import REFUSALS

LEAST_REFUSED_OBJECTS, LEAST_REFUSED = 2, 0.01
"""Refusals of fewer objects, or of a smaller share of the requests, are trouble of one object or a server's hiccup."""

LEAST_REQUESTS = 5
"""Between two changes of throughput."""

LEAST_DROP = 2.0
LEAST_SEPARATION = 0.85
"""A cap is told from noise where throughput falls to less than half, and so many of the pairs of an earlier and a later
request have the earlier as the faster one."""

ALIKE = 2.0
"""Requests are compared whose sizes differ by no more than this factor."""

LEAST_WAIT = 0.2
"""A cap that takes a smaller share of the workers' time is not what holds them up."""

STEADY = 0.25
"""A cap gives bytes evenly: no more than this share of them comes before or after its time."""

CLEAR = 8.0
"""A cap is steady: so many times as far as its rates vary (logarithms, by the median absolute deviation) they fell. A
line whose throughput wanders falls too."""

PAIRS = 1_000
"""So many requests on either side are compared at most, taken evenly."""

BUSY, ROSE = 0.8, 0.2
"""Where the machine's CPU rises by so much, to so much, with the fall in throughput, that may be why."""


@dataclass(frozen=True)
class Throttle:
    """`from_request`: where it sets in, as an index of the requests in order of their start. `confidence`, from 0 to 1:
    how unlikely chance is."""

    from_request: int
    confidence: float
    evidence: tuple[str, ...]


def find_throttle(run: Run) -> Throttle | None:
    return _refused(run) or _capped(run)


def _refused(run: Run) -> Throttle | None:
    refused = [index for index, request in enumerate(run.requests) if request.status in REFUSALS]
    objects = len({run.requests[index].key for index in refused})
    if objects < LEAST_REFUSED_OBJECTS or len(refused) < LEAST_REFUSED * len(run.requests):
        return None
    first = run.requests[refused[0]]
    paused = float(run.pauses.sum())
    return Throttle(
        refused[0],
        (len(refused) + 1) / (len(refused) + 2),
        (
            f"{len(refused)} of {len(run.requests)} requests, of {objects} objects, were refused with "
            f"{' or '.join(sorted({str(run.requests[index].status) for index in refused}))}",
            f"the first of them is request {refused[0] + 1} ({first.key}), {run.starts[refused[0]]:.1f} s into the run",
            f"the pauses before asking again add up to {paused:.1f} s",
        ),
    )


def _capped(run: Run) -> Throttle | None:
    """A change to a lower rate of the bodies, the clearest one for which all holds that makes it a throttle."""
    rates = run.rates()
    (of,) = (~np.isnan(rates)).nonzero()
    changes = change_points(np.log(rates[of]), LEAST_REQUESTS)
    cuts = sorted(change.index for change in changes)
    for change in changes:
        end = _recovery(rates[of], change.index, cuts)
        if (found := _cap(run, rates, of, change.index, end, change.p)) is not None:
            return found
    return None


def _recovery(rates: Floats, cut: int, cuts: list[int]) -> int:
    """Where the rates that set in at `cut` are at least doubled again, be it for a while; else the end."""
    later = [*[other for other in cuts if other > cut], len(rates)]
    low = float(np.median(rates[cut : later[0]]))
    for first, end in pairwise(later):
        if float(np.median(rates[first:end])) >= LEAST_DROP * low:
            return first
    return len(rates)


def _cap(run: Run, rates: Floats, of: NDArray[np.intp], cut: int, end: int, p: float) -> Throttle | None:
    before, after = of[:cut], of[cut:end]
    began, over = float(run.starts[after[0]]), float(run.ends[after].max())
    one, other = _evenly(before), _evenly(after)
    alike = np.abs(np.log(run.bytes[one][:, None] / run.bytes[other][None, :])) <= np.log(ALIKE)
    like_after, like_before = alike.any(axis=0), alike.any(axis=1)
    if like_after.sum() < max(LEAST_REQUESTS, len(other) / 2) or like_before.sum() < LEAST_REQUESTS:
        return None  # other sizes than before: they may be why
    faster = separation(rates[one], rates[other], alike)
    was = float(np.median(rates[one[like_before]]))
    now = float(np.median(rates[other[like_after]]))
    waited = float(run.bodies[after].sum()) / (run.workers * (over - began))
    uneven, varying = _unevenness(run, other, began, over), _spread(np.log(rates[other]))
    cpu, cpu_before = run.cpu(began, over), run.cpu(float(run.starts[before[0]]), began)
    cpu_rose = cpu is not None and cpu_before is not None and cpu >= BUSY and cpu - cpu_before >= ROSE
    fell = np.log(was / now)
    if fell < np.log(LEAST_DROP) or faster < LEAST_SEPARATION or waited < LEAST_WAIT:
        return None
    if uneven > STEADY or fell < CLEAR * varying or cpu_rose:
        return None
    total = float(run.bytes[after].sum()) / (over - began)
    index = int(after[0])
    evidence = [
        f"from request {index + 1} of {len(run.requests)} on ({run.requests[index].key}, "
        f"{began:.1f} s into the run), the line gives {now / 1e6:.3g} MB/s, before {was / 1e6:.3g} MB/s (medians of "
        "what a request had, times how many shared the line)",
        f"of pairs of like size, the earlier had more in {faster:.0%}; by chance alone such a change has p ≤ {p:.3f}",
        f"together these {len(after)} requests came at {total / 1e6:.3g} MB/s, steadily: the line's rate varies by "
        f"{np.expm1(varying):.0%}, and at most {uneven:.0%} of the bytes came before or after their time",
        f"{waited:.0%} of the workers' time since then is waiting for bodies",
    ]
    if cpu is not None:
        known = "" if cpu_before is None else f", before to {cpu_before:.0%}"
        evidence.append(f"the machine's CPU was busy to {cpu:.0%} since then{known}")
    return Throttle(index, (1 - p) * faster, tuple(evidence))


def _spread(values: Floats) -> float:
    """A standard deviation, from the median absolute one."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _evenly(indices: NDArray[np.intp]) -> NDArray[np.intp]:
    return indices[np.linspace(0, len(indices) - 1, min(len(indices), PAIRS)).astype(int)]


def _unevenness(run: Run, of: NDArray[np.intp], began: float, over: float) -> float:
    """The greatest share of the bytes that came before or after the time at which a constant rate would have them.
    Each request's bytes are taken to come at one rate while it is under way."""
    starts, lasted, sizes = run.starts[of], np.maximum(run.ends[of] - run.starts[of], 1e-12), run.bytes[of]
    times = np.unique(np.concatenate([starts, starts + lasted, [began, over]]))
    come = np.clip((times[:, None] - starts) / lasted, 0, 1) @ sizes / sizes.sum()
    return float(np.abs(come - (times - began) / (over - began)).max())
