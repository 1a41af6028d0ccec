"""Real ingests of a simulated bucket under loads of which it is known whether they are throttled; seeds vary them."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.benchmark.sample import Sample
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import Settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.files import LocalFiles
from opensky_assets.storage.objects import LocalStore, ObjectStore, SourceObject
from opensky_assets.storage.telemetry import Request, TimedFile, recording
from opensky_assets_tests.buckets import TODAY
from opensky_assets_tests.object_server import PIECE, Behaviour, ObjectServer, Served, TokenBucket, varying
from opensky_assets_tests.serving import serving

FIRST = date(2022, 6, 25)
AIRCRAFT = 15
"""So an hour of states is an object of some 70 kB."""


@dataclass(frozen=True)
class SlowDisk(LocalStore):
    """A folder that is read as from a disk that gives each reader `rate` bytes a second. (A device that is slow in
    earnest needs root.) The waits are real, and inside the reads that a store times."""

    rate: float = 1e6

    def open(self, item: SourceObject) -> BinaryIO:
        return io.BufferedReader(TimedFile(item.key, _SlowFile(self.root / item.key, self.rate)))


class _SlowFile(io.FileIO):
    def __init__(self, path: Path, rate: float) -> None:
        super().__init__(path)
        self._rate = rate

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        count = super().readinto(buffer)
        time.sleep((count or 0) / self._rate)
        return count


@dataclass(frozen=True)
class SlowFiles(LocalFiles):
    """A lake on a disk to which each writer can write `rate` bytes a second."""

    rate: float = 1e6

    def put(self, staged: Path, path: str) -> None:
        time.sleep(staged.stat().st_size / self.rate)
        super().put(staged, path)


BURN = """
import os, sys
while True:
    os.kill(int(sys.argv[1]), 0)  # ends with whom it is to disturb
    for n in range(1_000_000):
        pass
"""


@contextmanager
def burning(processes: int, after_s: float) -> Iterator[None]:
    """Processes that take all the CPU they get, from some seconds on. They belong to nobody: a monitor of this process
    counts them for the machine only."""
    pids: list[int] = []

    def start() -> None:
        command = f'for n in $(seq {processes}); do "$0" -c "$1" "$2" > /dev/null 2>&1 & echo $!; done'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, BURN, str(os.getpid())], stdout=subprocess.PIPE, check=True
        )
        pids.extend(map(int, done.stdout.split()))

    timer = threading.Timer(after_s, start)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Load:
    """What an ingest meets: a server that behaves so (`None`: the folder itself, read as a disk of `disk` bytes a
    second), a lake written with `lake` bytes a second, and processes beside it that burn CPU from some time on."""

    behaviour: Behaviour | None = field(default_factory=Behaviour)
    disk: float | None = None
    lake: float | None = None
    burners: int = 0
    burners_after_s: float = 0.0


@dataclass(frozen=True)
class Bucket:
    """`object_s`: a server that throttles takes so long an object, from and to; has to be longer than an ingest without
    a throttle takes."""

    folder: Path
    days: list[str]
    object_s: tuple[float, float]

    @staticmethod
    def simulated(folder: Path, hours: int, object_s: tuple[float, float]) -> Bucket:
        days = -(-hours // 24)
        simulate(folder, start=FIRST, days=days, aircraft=AIRCRAFT, seed=7, states_hours=hours)
        return Bucket(folder, [(FIRST + timedelta(day)).isoformat() for day in range(days)], object_s)

    @property
    def sizes(self) -> dict[str, int]:
        """Of the hours of states, which are what is ingested."""
        return {item.key: item.size for item in LocalStore(self.folder).list("states/")}


Make = Callable[[random.Random, Bucket], Load]


def refusing(rng: random.Random, bucket: Bucket, retry_after: int | None = None) -> Load:
    """Two requests an object are made; a part of them is for free. Where a refused client stays away for a second, half
    as many are let in then, or few would be refused."""
    free = rng.uniform(0.4, 0.6) * 2 * len(bucket.sizes)
    rate = (1 if retry_after else 2) / rng.uniform(*bucket.object_s)
    return Load(Behaviour(requests=TokenBucket(rate, free), retry_after=retry_after))


def capped(rng: random.Random, bucket: Bucket) -> Load:
    size = sum(bucket.sizes.values())
    rate = size / len(bucket.sizes) / rng.uniform(*bucket.object_s)
    return Load(Behaviour(bytes=TokenBucket(rate, rng.uniform(0.35, 0.6) * size)))


def one_slow_object(rng: random.Random, bucket: Bucket) -> Load:
    key = rng.choice(sorted(bucket.sizes))
    return Load(Behaviour(slow={key: rng.uniform(50e3, 100e3)}))


def latency(rng: random.Random, bucket: Bucket) -> Load:
    mean = rng.uniform(0.01, 0.05)
    low, high = rng.choice([(mean, mean), (0.0, 2 * mean)])
    return Load(Behaviour(latency_s=varying(low, high, rng.randrange(1 << 30))))


THROTTLED: dict[str, Make] = {
    "503 SlowDown": refusing,
    "bandwidth cap after a burst": capped,
}
NOT_THROTTLED: dict[str, Make] = {
    "unthrottled": lambda rng, bucket: Load(),
    "CPU-starved": lambda rng, bucket: Load(burners=rng.choice([2, 4]), burners_after_s=rng.choice([0.0, 0.5, 4.0])),
    "slow disk of the source": lambda rng, bucket: Load(None, disk=rng.uniform(0.5e6, 1e6)),
    "one slow object": one_slow_object,
    "latency": latency,
}
MORE_THROTTLED: dict[str, Make] = {
    "503 with Retry-After": lambda rng, bucket: refusing(rng, bucket, 1),
}
MORE_NOT_THROTTLED: dict[str, Make] = {
    "slow disk of the lake": lambda rng, bucket: Load(lake=rng.uniform(1e6, 2e6)),
    "a line that is narrow from the start": lambda rng, bucket: Load(
        Behaviour(bytes=TokenBucket(rng.uniform(0.7e6, 1e6), PIECE, PIECE))  # a line saves nothing up
    ),
}
"""For the long test."""


@dataclass(frozen=True)
class Run:
    """`served`: what the server logged, in order."""

    requests: Sequence[Request]
    samples: list[Sample]
    workers: int
    started_at: float
    ended_at: float
    served: list[Served]

    @property
    def first_throttled(self) -> int | None:
        """The request, in order of start, at which the server says that it began to throttle."""
        first = next((served for served in self.served if served.throttled), None)
        if first is None:
            return None
        ordered = sorted(self.requests, key=lambda request: request.started_at)
        of_it = [n for n, r in enumerate(ordered) if r.key == first.key and r.started_at <= first.at]
        return of_it[-1]


def ingest(bucket: Bucket, lake: Path, load: Load, workers: int) -> Run:
    """Bring the bucket's hours of states into the lake, all of them, whatever happens."""
    files = LocalFiles(lake) if load.lake is None else SlowFiles(lake, load.lake)
    served: list[Served] = []
    with ExitStack() as stack:
        store: ObjectStore = LocalStore(bucket.folder)
        if load.disk is not None:
            store = SlowDisk(bucket.folder, load.disk)
        if load.behaviour is not None:
            server = stack.enter_context(serving(ObjectServer(bucket.folder, load.behaviour)))
            store, served = server.store, server.served
        if load.burners:
            stack.enter_context(burning(load.burners, load.burners_after_s))
        monitor, requests = stack.enter_context(Monitor()), stack.enter_context(recording())
        started = time.time()
        settings = Settings(_env_file=None, workers=workers)
        done = sync_days(STATE_VECTORS, bucket.days, store, Lake(files), settings, TODAY, lambda text: None)
        ended = time.time()
    assert not done.failed and len(done.read) == len(bucket.sizes), done.messages
    return Run(requests.latest, monitor.samples, workers, started, ended, served)
