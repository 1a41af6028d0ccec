"""The requests and samples of one run, column by column, for who judges them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from opensky_assets.benchmark.changes import Floats
from opensky_assets.benchmark.sample import Sample
from opensky_assets.storage.telemetry import Request


class Run:
    """All times are in seconds since the run began; the requests are in order of their start."""

    def __init__(
        self, requests: Sequence[Request], samples: Sequence[Sample], workers: int, started_at: float, ended_at: float
    ) -> None:
        self.requests = requests = sorted(requests, key=lambda request: request.started_at)
        self.workers, self.wall = workers, ended_at - started_at
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
