"""What a process and all its descendants use, those included that came and went between two looks."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil

if sys.platform != "win32":
    import resource

UNSURE_S = 0.02
"""The system counts a process's time in hundredths of a second, for itself and for its children apart."""


@dataclass(frozen=True, slots=True)
class Look:
    """The tree at one moment. Times and bytes add up since the processes began, so only differences mean something.

    `highest_rss_bytes` is at least `rss_bytes`: what a process is known to have held since the last look counts.
    `read_bytes` and `written_bytes` are what was asked of disks, page cache not included; `None` where the system
    does not tell, or not of every process.
    """

    cpu_s: float
    rss_bytes: int
    highest_rss_bytes: int
    read_bytes: int | None
    written_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Facts:
    parent: int
    cpu_s: float
    waited_cpu_s: float
    """Of its children that ended and that it has waited for, and of theirs."""
    rss: int
    disk: tuple[int, int] | None
    """Read and written bytes. Linux adds those of a child when it is waited for."""

    @property
    def all_cpu_s(self) -> float:
        return self.cpu_s + self.waited_cpu_s


class ProcessTree:
    """The process that makes it, with its descendants; `look` again and again.

    A child that ended is in its parent's account once the parent has waited for it, as nearly everybody does. Where
    nobody waits (the parent ended first, or ignores the signal), what was seen at the last look is kept instead. A
    process that has lost its parent stays in the tree, if it was seen before.
    """

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._known: dict[psutil.Process, _Facts] = {}
        self._lost_cpu_s = 0.0
        self._lost_disk = [0, 0]
        self._peaks = _own_peaks()

    @property
    def pids(self) -> set[int]:
        """Of the processes seen at the last look."""
        return {process.pid for process in self._known}

    def look(self) -> Look:
        now: dict[psutil.Process, _Facts] = {}
        # Parents after their children, or one that ends in between would be in neither account.
        for process in reversed(self._members()):
            try:
                now[process] = _facts(process, own=process == self._root)
            except psutil.NoSuchProcess:
                continue
        self._settle(now)
        resident = sum(facts.rss for facts in now.values())
        highest = max(resident, self._highest(now, resident))
        self._known = now
        disks = [facts.disk for facts in now.values()]
        read, written = None, None
        if all(disk is not None for disk in disks):
            read, written = (self._lost_disk[at] + sum(disk[at] for disk in disks if disk) for at in (0, 1))
        cpu_s = self._lost_cpu_s + sum(facts.all_cpu_s for facts in now.values())
        return Look(cpu_s, resident, highest, read, written)

    def _members(self) -> list[psutil.Process]:
        """Every process of the tree once, parents before their children."""
        found = dict.fromkeys([self._root, *self._root.children(recursive=True)])
        for process in self._known.keys() - found.keys():
            if process.is_running():  # the parent is gone, it is not
                try:
                    found |= dict.fromkeys([process, *process.children(recursive=True)])
                except psutil.NoSuchProcess:
                    continue
        return list(found)

    def _settle(self, now: dict[psutil.Process, _Facts]) -> None:
        """Keep what processes that are gone had used and no living ancestor has in its account."""
        by_pid = {process.pid: process for process in now}
        gone = {process.pid: facts for process, facts in self._known.items() if process not in now}
        left: dict[psutil.Process, list[_Facts]] = defaultdict(list)
        for facts in gone.values():
            parent = facts.parent
            while parent in gone and parent not in by_pid:
                parent = gone[parent].parent
            left[by_pid.get(parent, self._root)].append(facts)
        for ancestor, children in left.items():
            after, before = now[ancestor], self._known.get(ancestor)
            if before is None:  # the number of a process that is gone went to another
                after, before = now[self._root], self._known[self._root]
            missing = sum(child.all_cpu_s for child in children) - (after.waited_cpu_s - before.waited_cpu_s)
            if missing > UNSURE_S * len(children):
                self._lost_cpu_s += missing
            for at in (0, 1):
                grown = after.disk[at] - before.disk[at] if after.disk and before.disk else 0
                self._lost_disk[at] += max(0, sum(child.disk[at] for child in children if child.disk) - grown)

    def _highest(self, now: dict[psutil.Process, _Facts], resident: int) -> int:
        """What the high-water marks tell that no look has seen."""
        own_before, children_before = self._peaks
        self._peaks = own, children = _own_peaks()
        root = now[self._root].rss
        highest = 0
        if own > own_before:
            highest = resident - root + own
        # A child begins with its parent's mark: one that is not higher tells nothing.
        if children > max(children_before, own):
            before = self._known.get(self._root)
            highest = max(highest, children + min(root, before.rss if before else root))
        return highest


def _facts(process: psutil.Process, own: bool) -> _Facts:
    with process.oneshot():
        times = process.cpu_times()
        cpu, waited = times.user + times.system, times.children_user + times.children_system
        if own and sys.platform != "win32":  # by the microsecond
            one, other = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu, waited = one.ru_utime + one.ru_stime, other.ru_utime + other.ru_stime
        disk = None
        if hasattr(process, "io_counters"):  # not on macOS
            try:
                counted = process.io_counters()
                disk = (counted.read_bytes, counted.write_bytes)
            except (psutil.AccessDenied, NotImplementedError):
                disk = None
        return _Facts(process.ppid(), cpu, waited, process.memory_info().rss, disk)


def _own_peaks() -> tuple[int, int]:
    """The high-water marks of resident memory: of this process, and of the largest of its children that ended."""
    if sys.platform == "win32":
        return 0, 0
    unit = 1 if sys.platform == "darwin" else 1024
    own, children = (
        resource.getrusage(who).ru_maxrss * unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    if sys.platform == "linux":  # `ru_maxrss` begins with the mark of who started this program
        status = Path("/proc/self/status").read_text()
        own = int(status.split("VmHWM:", 1)[1].split(None, 1)[0]) * 1024
    return own, children
