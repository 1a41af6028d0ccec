"""The monitor: what a piece of work uses, sampled while it runs. The process tree and the machine are kept apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType

import psutil

from opensky_assets.benchmark.cgroup import own_group, read_account
from opensky_assets.benchmark.process_tree import Look, ProcessTree
from opensky_assets.benchmark.sample import Sample

INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the work used from `started_at` (seconds since 1970) on. `None`: not counted here; `missing` says why.

    Of the process tree: `cpu_s`, cores used on average and in the busiest second, resident memory (that of all
    processes added up, so pages that they share count more than once), bytes of disks. `disk_by` says by whom those
    were counted: `processes` as they asked for them, `cgroup` as they reached the disk. `cgroup_peak_bytes` is with
    page cache. Of the machine, whoever used it: the rest.
    """

    started_at: float
    duration_s: float
    cpu_s: float
    mean_cores: float
    peak_cores: float
    mean_rss_bytes: int
    peak_rss_bytes: int
    read_bytes: int | None
    written_bytes: int | None
    disk_by: str | None
    cgroup_peak_bytes: int | None
    machine_cpus: int
    machine_memory_bytes: int
    machine_cpu_s: float
    machine_disk_busy_s: float | None
    machine_received_bytes: int | None
    machine_sent_bytes: int | None
    missing: tuple[str, ...]


class Monitor:
    """`with Monitor() as monitor: …`; then `monitor.usage` and `monitor.samples`.

    Looks every `interval_s` seconds, and at the start and the end: counters are right however short the work is. A
    thread does it; an error in it ends the block with that error.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self.samples: list[Sample] = []
        self._usage: Usage | None = None
        self._stop = threading.Event()
        self._error: BaseException | None = None

    @property
    def usage(self) -> Usage:
        """What was used, once the block is over."""
        if self._usage is None:
            raise RuntimeError("the work is not over yet")
        return self._usage

    def __enter__(self) -> Monitor:
        self._tree, self._machine = ProcessTree(), _Machine()
        self._first = self._tree.look()
        self._highest = self._first.rss_bytes
        self._group = own_group(self._tree.pids)
        self._account = read_account(self._group) if self._group else None
        self._sample(self._first)
        self._clock = time.perf_counter()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        duration_s = time.perf_counter() - self._clock
        self._stop.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error
        self._sample(self._tree.look())
        self._usage = self._summary(duration_s)

    def _watch(self) -> None:
        try:
            while not self._stop.wait(self.interval_s):
                self._sample(self._tree.look())
        except BaseException as error:
            self._error = error

    def _sample(self, look: Look) -> None:
        if self.samples:  # the first look's marks are from before
            self._highest = max(self._highest, look.highest_rss_bytes)
        self.samples.append(
            Sample(
                time.time(),
                # A child that ends while it is looked at can be in two accounts, until the next look.
                max(look.cpu_s - self._first.cpu_s, self.samples[-1].tree_cpu_s if self.samples else 0),
                look.rss_bytes,
                _since(look.read_bytes, self._first.read_bytes),
                _since(look.written_bytes, self._first.written_bytes),
                *self._machine.now(),
            )
        )

    def _summary(self, duration_s: float) -> Usage:
        first, last = self.samples[0], self.samples[-1]
        cpu_s, read, written = last.tree_cpu_s, last.tree_read_bytes, last.tree_written_bytes
        disk_by, peak = "processes", None
        if self._group and self._account and own_group(self._tree.pids) == self._group:
            now = read_account(self._group)
            cpu_s = _gained(now.cpu_s, self._account.cpu_s, cpu_s)
            if now.read_bytes is not None and self._account.read_bytes is not None:
                disk_by = "cgroup"
                read = now.read_bytes - self._account.read_bytes
                written = _since(now.written_bytes, self._account.written_bytes)
            if now.peak_bytes and now.peak_bytes > (self._account.peak_bytes or 0):
                peak = now.peak_bytes
        missing = {
            "read_bytes, written_bytes": "the system does not tell them of every process" if read is None else "",
            "cgroup_peak_bytes": "" if peak else "no control group (version 2) of its own, or it held more before",
            "machine_disk_busy_s": "no disk tells it" if last.machine_disk_busy_s is None else "",
            "machine_received_bytes, machine_sent_bytes": "no network interface"
            if last.machine_sent_bytes is None
            else "",
        }
        return Usage(
            started_at=first.at,
            duration_s=duration_s,
            cpu_s=cpu_s,
            mean_cores=cpu_s / max(duration_s, 1e-9),
            peak_cores=_busiest(self.samples, self.interval_s),
            mean_rss_bytes=round(_mean_rss(self.samples)),
            peak_rss_bytes=self._highest,
            read_bytes=read,
            written_bytes=written,
            disk_by=disk_by if read is not None else None,
            cgroup_peak_bytes=peak,
            machine_cpus=last.machine_cpus,
            machine_memory_bytes=psutil.virtual_memory().total,
            machine_cpu_s=last.machine_cpu_s,
            machine_disk_busy_s=last.machine_disk_busy_s,
            machine_received_bytes=last.machine_received_bytes,
            machine_sent_bytes=last.machine_sent_bytes,
            missing=tuple(f"{name}: {why}" for name, why in missing.items() if why),
        )


def _since(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before


def _gained(now: float | None, before: float | None, otherwise: float) -> float:
    return otherwise if now is None or before is None else now - before


def _busiest(samples: Sequence[Sample], interval_s: float) -> float:
    """The most cores used between two looks that are about an interval apart; of shorter work, on average."""
    steps = [(b.at - a.at, b.tree_cpu_s - a.tree_cpu_s) for a, b in pairwise(samples)]
    whole = [cpu_s / seconds for seconds, cpu_s in steps if seconds >= interval_s / 2]
    return max(whole, default=sum(cpu_s for _, cpu_s in steps) / max(sum(seconds for seconds, _ in steps), 1e-9))


def _mean_rss(samples: Sequence[Sample]) -> float:
    seconds = samples[-1].at - samples[0].at
    if seconds <= 0:
        return samples[-1].tree_rss_bytes
    return sum((b.at - a.at) * (a.tree_rss_bytes + b.tree_rss_bytes) / 2 for a, b in pairwise(samples)) / seconds


class _Machine:
    """The machine's counters, from when it is made on."""

    def __init__(self) -> None:
        self._cpu_s, self._disks, self._network = _busy_cpu_s(), _disks_busy_s(), _network()

    def now(self) -> tuple[float, int, float | None, int | None, int | None]:
        """The last fields of a `Sample`."""
        disks = _disks_busy_s()
        busy = [disks[name] - self._disks.get(name, 0) for name in disks]
        received = sent = None
        if (network := _network()) and self._network:
            received, sent = (network[at] - self._network[at] for at in (0, 1))
        cpu_s = _busy_cpu_s() - self._cpu_s
        return cpu_s, psutil.cpu_count() or 1, max(busy, default=None), received, sent


def _busy_cpu_s() -> float:
    times = psutil.cpu_times()
    # Of virtual machines' guests, both are in user and nice already.
    idle = ("idle", "iowait", "guest", "guest_nice", "steal")
    return sum(value for name, value in times._asdict().items() if name not in idle)


def _disks_busy_s() -> dict[str, float]:
    """By disk; empty where the system does not tell (only Linux and FreeBSD do)."""
    found = psutil.disk_io_counters(perdisk=True) or {}
    return {
        name: counters.busy_time / 1000
        for name, counters in found.items()
        if hasattr(counters, "busy_time") and not name.startswith(("loop", "ram", "zram"))
    }


def _network() -> tuple[int, int] | None:
    """Received and sent bytes of all interfaces but loopback, which is no network."""
    stats = psutil.net_if_stats()
    found = [
        counters
        for name, counters in (psutil.net_io_counters(pernic=True) or {}).items()
        if not (name in stats and "loopback" in stats[name].flags) and not name.startswith("Loopback")
    ]
    return (sum(one.bytes_recv for one in found), sum(one.bytes_sent for one in found)) if found else None
