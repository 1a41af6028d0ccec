"""What the monitor sees at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """The machine and the process tree at `at`, in seconds since 1970. Counters grow from the start of the monitor;
    `None` is a counter that this system does not have, and never 0 in its place.

    `tree_…` is the monitored process with all its descendants, those that have ended included; `machine_…` everything.
    """

    at: float
    tree_cpu_s: float
    tree_rss_bytes: int
    tree_read_bytes: int | None
    tree_written_bytes: int | None
    machine_cpu_s: float
    """All cores' busy time, added up."""
    machine_cpus: int
    machine_disk_busy_s: float | None
    """How long the busiest disk was at work."""
    machine_received_bytes: int | None
    machine_sent_bytes: int | None
