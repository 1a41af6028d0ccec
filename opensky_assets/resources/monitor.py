"""The monitor as a Dagster resource: what a step used, as metadata that the UI plots."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from opensky_assets.benchmark.monitor import Monitor
from opensky_assets.storage.telemetry import Recording, recording


class Measured:
    """What was used in a block of `MonitorResource.measure`, once it is over."""

    def __init__(self, monitor: Monitor, requests: Recording) -> None:
        self._monitor, self._requests = monitor, requests

    def figures(self, rows: int = 0) -> dict[str, Any]:
        """Seconds, core-seconds and megabytes of this process and its children, Dagster included; what could not be
        counted is left out. `rows` is what the work was done on: of none there is no speed."""
        usage = self._monitor.usage
        totals = self._requests.totals
        found: dict[str, float | None] = {
            "duration_s": usage.duration_s,
            "cpu_s": usage.cpu_s,
            "peak_memory_mb": usage.peak_rss_bytes / 1e6,
            "read_mb": None if usage.read_bytes is None else usage.read_bytes / 1e6,
            "written_mb": None if usage.written_bytes is None else usage.written_bytes / 1e6,
            "received_mb": totals.received_bytes / 1e6 if totals.requests else None,
            "rows_per_s": rows / usage.duration_s if rows else None,
        }
        return {name: round(value, 3) for name, value in found.items() if value is not None}

    def on_last_day(
        self, facts: Mapping[str, Mapping[str, Any]], rows: int = 0, what: str = "run"
    ) -> dict[str, dict[str, Any]]:
        """The facts of a run's days, with the figures on the last of them. They are of the run as a whole: repeated on
        each day they would add up to many times what was used, and nobody knows a day's share."""
        found = {day: dict(given) for day, given in facts.items()}
        if found:
            first, last = min(found), max(found)
            over = f"{what} over {len(found)} days, {first} to {last}" if first != last else f"{what} over this day"
            found[last] |= {**self.figures(rows), "figures_of": over}
        return found


class MonitorResource(dg.ConfigurableResource):
    """Measures what a block of code uses, in this process and its children."""

    interval_s: float = 1.0

    @contextmanager
    def measure(self) -> Iterator[Measured]:
        with Monitor(self.interval_s) as monitor, recording(limit=0) as requests:
            yield Measured(monitor, requests)
