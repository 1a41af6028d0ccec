"""What held a run up, by the telemetry of its requests and the samples of the machine.

A reader is at work or waits. `Request.reading_s` has the waits, apart from the reader's own work, and what follows the
answer's first byte in them is the wait for the body. So neither a busy CPU nor a slow disk nor latency looks like a
narrow line: where bodies are there before the reader wants them, the wait for them is next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opensky_assets.benchmark.changes import Floats, change_points, separation
from opensky_assets.benchmark.curve import Curve
from opensky_assets.benchmark.sample import Sample
from opensky_assets.sources.telemetry import Request

REFUSALS = (429, 503)
LEAST_REFUSED_OBJECTS, LEAST_REFUSED = 2, 0.01
"""Refusals of fewer objects, or of a smaller share of the requests, are trouble of one object or a server's hiccup."""

LEAST_REQUESTS = 5
"""Between two changes of throughput."""

LEAST_DROP = 2.0
LEAST_SEPARATION = 0.9
"""A cap is told from noise where throughput falls to less than half, and so many of the pairs of an earlier and a later
request have the earlier as the faster one."""

ALIKE = 2.0
"""Requests are compared whose sizes differ by no more than this factor."""

LEAST_WAIT = 1 / 3
"""A cap that takes a smaller share of the workers' time is not what holds them up."""

STEADY = 0.25
"""A cap gives bytes evenly: no more than this share of them comes before or after its time."""

MOST = 0.5
BUSY = 0.8
"""What takes at least `MOST` of the workers' time, or keeps CPU or disk `BUSY`, is what bounds the run."""

PAIRS = 1_000
"""So many requests on either side are compared at most, taken evenly."""


class Kind(StrEnum):
    LINEAR = "linear"
    START_UP = "start-up bound"
    CPU = "CPU bound"
    DISK = "disk bound"
    NETWORK = "network bound"
    THROTTLED = "throttled"


@dataclass(frozen=True)
class Verdict:
    """`confidence` from 0 to 1: for a throttle how unlikely chance is, else the share of time that the bound takes.
    `from_request`: where the throttle sets in, as an index of the requests in order of their start."""

    kind: Kind
    confidence: float
    evidence: tuple[str, ...]
    from_request: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    requests: Sequence[Request],
    samples: Sequence[Sample],
    workers: int,
    started_at: float,
    ended_at: float,
    curve: Curve | None = None,
) -> Verdict:
    """What held up a run of so many workers, from `started_at` to `ended_at` in seconds since 1970.

    Throttled is a run whose requests were refused (429, 503), or whose bodies come, from some request on, at a lower
    and steady rate that sizes, latency, CPU and disk do not explain, and which the workers wait for. A line that is
    as narrow from the first request on is a network bound. A `curve` over runs of several sizes adds what the start
    costs and whether the largest took longer than the smaller ones foretell.
    """
    if workers < 1 or ended_at <= started_at:
        raise ValueError("a run has a worker and takes time")
    run = _Run(sorted(requests, key=lambda request: request.started_at), samples, workers, started_at, ended_at)
    verdict = _refused(run) or _capped(run) or _bound(run, curve)
    return verdict if curve is None else replace(verdict, evidence=(*verdict.evidence, str(curve)))


class _Run:
    """The requests in order of their start, column by column. All times are in seconds since the run began."""

    def __init__(
        self, requests: list[Request], samples: Sequence[Sample], workers: int, started_at: float, ended_at: float
    ) -> None:
        self.requests, self.workers, self.wall = requests, workers, ended_at - started_at
        self.samples = sorted(samples, key=lambda sample: sample.at)
        self.sampled = np.array([sample.at for sample in self.samples]) - started_at
        self.remote = np.array([request.status is not None for request in requests], dtype=bool)
        self.starts = self._column(lambda r: r.started_at - started_at)
        self.ends = self.starts + self._column(lambda r: r.duration_s)
        self.bytes = self._column(lambda r: r.received_bytes)
        self.waits = self._column(lambda r: r.reading_s)
        self.pauses = self._column(lambda r: r.wait_s)
        self.heads = self._column(lambda r: r.first_byte_s or 0.0) * self.remote
        self.bodies = np.maximum(self.waits - self.heads, 0) * self.remote

    def _column(self, of: Callable[[Request], float]) -> Floats:
        return np.array([of(request) for request in self.requests], dtype=float)

    def rates(self) -> Floats:
        """Bytes a second of the line while a request's body came: what the request had, times how many on average
        waited for their bodies then, since they share the line. NaN where no body was waited for."""
        rates = np.full(len(self.requests), np.nan)
        (came,) = ((self.bytes > 0) & (self.bodies > 0)).nonzero()
        if not len(came):
            return rates
        starts, ends = (self.starts + self.heads)[came], self.ends[came]
        lasted = np.maximum(ends - starts, self.bodies[came])
        waiting = self.bodies[came] / lasted
        times = np.concatenate([starts, ends])
        order = times.argsort()
        at = times[order]
        now = np.cumsum(np.concatenate([waiting, -waiting])[order])
        waited = np.concatenate([[0.0], np.cumsum(now[:-1] * np.diff(at))])
        others = (np.interp(ends, at, waited) - np.interp(starts, at, waited)) / lasted - waiting
        rates[came] = self.bytes[came] / self.bodies[came] * (1 + np.maximum(others, 0))
        return rates

    def use(self, counter: str, first: float, end: float) -> float | None:
        """How much a second of a sample's counter between two times; `None` where it was not counted."""
        values = [getattr(sample, counter) for sample in self.samples]
        if not values or None in values:
            return None
        first, end = np.clip([first, end], self.sampled[0], self.sampled[-1])
        if end <= first:
            return None
        before, after = np.interp([first, end], self.sampled, values)
        return float((after - before) / (end - first))

    def cpu(self, first: float, end: float) -> float | None:
        """The share of all cores that was busy."""
        busy = self.use("machine_cpu_s", first, end)
        return None if busy is None else busy / self.samples[0].machine_cpus


def _refused(run: _Run) -> Verdict | None:
    refused = [index for index, request in enumerate(run.requests) if request.status in REFUSALS]
    objects = len({run.requests[index].key for index in refused})
    if objects < LEAST_REFUSED_OBJECTS or len(refused) < LEAST_REFUSED * len(run.requests):
        return None
    first = run.requests[refused[0]]
    paused = float(run.pauses.sum())
    return Verdict(
        Kind.THROTTLED,
        (len(refused) + 1) / (len(refused) + 2),
        (
            f"{len(refused)} of {len(run.requests)} requests, of {objects} objects, were refused with "
            f"{' or '.join(sorted({str(run.requests[index].status) for index in refused}))}",
            f"the first of them is request {refused[0] + 1} ({first.key}), {run.starts[refused[0]]:.1f} s into the run",
            f"the pauses before asking again add up to {paused:.1f} s",
        ),
        refused[0],
    )


def _capped(run: _Run) -> Verdict | None:
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


def _cap(run: _Run, rates: Floats, of: NDArray[np.intp], cut: int, end: int, p: float) -> Verdict | None:
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
    uneven = _unevenness(run, other, began, over)
    cpu, cpu_before = run.cpu(began, over), run.cpu(float(run.starts[before[0]]), began)
    cpu_rose = cpu is not None and cpu_before is not None and cpu >= BUSY and cpu - cpu_before >= 1 - BUSY
    if was < LEAST_DROP * now or faster < LEAST_SEPARATION or waited < LEAST_WAIT or uneven > STEADY or cpu_rose:
        return None
    total = float(run.bytes[after].sum()) / (over - began)
    index = int(after[0])
    evidence = [
        f"from request {index + 1} of {len(run.requests)} on ({run.requests[index].key}, "
        f"{began:.1f} s into the run), the line gives {now / 1e6:.3g} MB/s, before {was / 1e6:.3g} MB/s (medians of "
        "what a request had, times how many shared the line)",
        f"of pairs of like size, the earlier had more in {faster:.0%}; by chance alone such a change has p ≤ {p:.3f}",
        f"together these {len(after)} requests came at {total / 1e6:.3g} MB/s, evenly: at most {uneven:.0%} of the "
        "bytes before or after their time",
        f"{waited:.0%} of the workers' time since then is waiting for bodies",
    ]
    if cpu is not None:
        known = "" if cpu_before is None else f", before to {cpu_before:.0%}"
        evidence.append(f"the machine's CPU was busy to {cpu:.0%} since then{known}")
    return Verdict(Kind.THROTTLED, (1 - p) * faster, tuple(evidence), index)


def _evenly(indices: NDArray[np.intp]) -> NDArray[np.intp]:
    return indices[np.linspace(0, len(indices) - 1, min(len(indices), PAIRS)).astype(int)]


def _unevenness(run: _Run, of: NDArray[np.intp], began: float, over: float) -> float:
    """The greatest share of the bytes that came before or after the time at which a constant rate would have them.
    Each request's bytes are taken to come at one rate while it is under way."""
    starts, lasted, sizes = run.starts[of], np.maximum(run.ends[of] - run.starts[of], 1e-12), run.bytes[of]
    times = np.unique(np.concatenate([starts, starts + lasted, [began, over]]))
    come = np.clip((times[:, None] - starts) / lasted, 0, 1) @ sizes / sizes.sum()
    return float(np.abs(come - (times - began) / (over - began)).max())


def _bound(run: _Run, curve: Curve | None) -> Verdict:
    if not run.requests:
        return Verdict(Kind.START_UP, 1.0, ("no request was made",))
    begun = _begun(run)
    in_it, time = run.starts >= begun, run.workers * (run.wall - begun)
    waits = run.waits + run.pauses
    network, files = (float(waits[in_it & which].sum()) / time for which in (run.remote, ~run.remote))
    bodies = float(run.bodies[in_it & run.remote].sum()) / time
    cpu, disk = run.cpu(begun, run.wall), run.use("machine_disk_busy_s", begun, run.wall)
    tree = run.use("tree_cpu_s", begun, run.wall)
    evidence = (
        f"{begun:.1f} of {run.wall:.1f} s passed before the objects were asked for",
        f"after that, {network:.0%} of the workers' time is waiting for the network ({bodies:.0%} for bodies), "
        f"{files:.0%} for files",
        f"the machine's CPU was busy to {cpu:.0%}" if cpu is not None else "the use of CPU is not known",
        f"this run used {tree:.2f} cores" if tree is not None else "this run's use of CPU is not known",
        f"the busiest disk was at work for {disk:.0%} of the time"
        if disk is not None
        else "the use of disks is not known",
    )
    start = curve.start_s / curve.at(len({request.key for request in run.requests})) if curve else begun / run.wall
    own = None if tree is None else tree / min(run.workers, run.samples[0].machine_cpus)
    rest = 1 - network - files - (tree or 0) / run.workers
    for kind, share, least in (
        (Kind.START_UP, start, MOST),
        (Kind.NETWORK, network, MOST),
        (Kind.DISK, files, MOST),
        (Kind.CPU, own, BUSY),
        (Kind.CPU, cpu, BUSY),
        (Kind.DISK, disk, BUSY),
        (Kind.DISK, None if tree is None else rest, MOST),  # neither asked for bytes nor had work: it writes
    ):
        if share is not None and share >= least:
            return Verdict(kind, min(share, 1.0), evidence)
    return Verdict(Kind.LINEAR, 0.5 if cpu is None else 1 - max(network, files, 0.0), evidence)


def _begun(run: _Run) -> float:
    """When the workers were there: the end of the longest time without a new request among the first ones. (The plan
    may have looked at some objects before.)"""
    first = run.starts[: max(len(run.starts) // 10, 3) + 1]
    return float(first[np.diff(first, prepend=0.0).argmax()])
