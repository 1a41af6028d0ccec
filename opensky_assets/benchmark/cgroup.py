"""Control groups of Linux, version 2: exact accounts of a group of processes, where the monitored ones have one of
their own, as a container or a unit of systemd has."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """What a group has used since it was made; `None`: its kernel, or its parent, does not count that."""

    cpu_s: float | None
    read_bytes: int | None
    written_bytes: int | None
    """What has reached the disks by now."""
    peak_bytes: int | None
    """The most memory so far, with the page cache that the group has filled."""


def own_group(processes: Set[int], proc: Path = Path("/proc")) -> Path | None:
    """The folder of this process's group, if there is nobody in it (and below it) but `processes`."""
    try:
        group = next(line[3:] for line in (proc / "self/cgroup").read_text().splitlines() if line.startswith("0::"))
        mounts = (line.split() for line in (proc / "self/mounts").read_text().splitlines())
        folder = Path(next(mount[1] for mount in mounts if mount[2] == "cgroup2"), group.lstrip("/"))
        # The group itself first: in the root of a machine are others, and thousands of groups.
        for file in chain([folder / "cgroup.procs"], folder.rglob("cgroup.procs")):
            if not {int(pid) for pid in file.read_text().split()} <= processes:
                return None
    except (OSError, StopIteration):  # no such groups here, or none that may be seen
        return None
    return folder


def read_account(folder: Path) -> Account:
    cpu = _pairs(_text(folder / "cpu.stat")).get("usage_usec")
    disk = _text(folder / "io.stat")
    read, written = (_device_sum(disk, name) if disk is not None else None for name in ("rbytes", "wbytes"))
    peak = _text(folder / "memory.peak")
    return Account(cpu / 1e6 if cpu is not None else None, read, written, int(peak) if peak else None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _pairs(text: str | None) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in (text or "").splitlines())}


def _device_sum(text: str, name: str) -> int:
    """The sum over devices, but for those made of other ones (RAID, LVM), whose bytes are told there."""
    total = 0
    for line in text.splitlines():
        device, *counters = line.split()
        made_of = Path("/sys/dev/block", device, "slaves")
        if made_of.is_dir() and any(made_of.iterdir()):
            continue
        total += sum(int(value) for key, _, value in (pair.partition("=") for pair in counters) if key == name)
    return total
