"""What held a run up, by the telemetry of its requests and the samples of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opensky_assets.benchmark.curve import Curve
from opensky_assets.benchmark.run import Run
from opensky_assets.benchmark.sample import Sample
from opensky_assets.benchmark.throttle import find_throttle
from opensky_assets.storage.telemetry import Request

MOST = 0.5
BUSY = 0.8
"""What takes at least `MOST` of the workers' time, or keeps CPU or disk `BUSY`, is what bounds the run."""


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
    files: int | None = None,
) -> Verdict:
    """What held up a run of so many workers, from `started_at` to `ended_at` in seconds since 1970.

    Throttled is a run whose requests were refused (429, 503), or whose bodies come, from some request on, at a lower
    and steady rate that sizes, latency, CPU and disk do not explain, and which the workers wait for. A line that is
    as narrow from the first request on is a network bound. A `curve` over runs of several sizes adds what the start
    costs and whether the largest took longer than the smaller ones foretell; `files` is how many objects the run had,
    where some were read several times over. Without `samples`, as where the work was done on other machines, CPU and
    disk are not judged.
    """
    if workers < 1 or ended_at <= started_at:
        raise ValueError("a run has a worker and takes time")
    run = Run(requests, samples, workers, started_at, ended_at)
    if throttle := find_throttle(run):
        verdict = Verdict(Kind.THROTTLED, throttle.confidence, throttle.evidence, throttle.from_request)
    else:
        verdict = _bound(run, curve, files)
    return verdict if curve is None else replace(verdict, evidence=(*verdict.evidence, str(curve)))


def _bound(run: Run, curve: Curve | None, objects: int | None) -> Verdict:
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
    objects = objects or len({request.key for request in run.requests})
    start = curve.start_s / curve.at(objects) if curve else begun / run.wall
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
            told = (*evidence, _line(run, in_it)) if kind is Kind.NETWORK else evidence
            return Verdict(kind, min(share, 1.0), told)
    return Verdict(Kind.LINEAR, 0.5 if cpu is None else 1 - max(network, files, 0.0), evidence)


def _line(run: Run, which: NDArray[np.bool_]) -> str:
    seconds = float(run.ends[which].max() - run.starts[which].min())
    together, each = float(run.bytes[which].sum()) / seconds, float(np.median(run.heads[which & run.remote]))
    return (
        f"bytes come at {together / 1e6:.3g} MB/s in all, and a first byte after {each * 1e3:.3g} ms (median), with no "
        "lasting fall: a line, or a cap, that was there from the first request on"
    )


def _begun(run: Run) -> float:
    """When the workers were there: the end of the longest time without a new request among the first ones. (The plan
    may have looked at some objects before.)"""
    first = run.starts[: max(len(run.starts) // 10, 3) + 1]
    return float(first[np.diff(first, prepend=0.0).argmax()])
