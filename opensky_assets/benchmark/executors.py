"""What the executors of a Spark cluster used, as Spark's pages tell it: they are not in the driver's process tree."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

HEARTBEATS_S = 25
"""Executors report their memory every ten seconds: a short run is over before they have."""

ANSWER_S = 60
"""Spark's pages may take so long to answer: the first request starts them, on a machine that the run keeps busy."""

RESIDENT = ("ProcessTreeJVMRSSMemory", "ProcessTreePythonRSSMemory", "ProcessTreeOtherRSSMemory")


@dataclass(frozen=True, slots=True)
class Executors:
    """`task_s` is how long their tasks ran, all added up; Spark does not count the processor time of Python in them.
    `peak_bytes` is the most resident memory of each, with its Python workers, added up. `None`: `missing` says why."""

    count: int
    task_s: float | None
    peak_bytes: int | None
    missing: tuple[str, ...] = ()


NO_EXECUTORS = Executors(0, None, None)
"""Of a run without Spark, or on `local[…]`, whose Java and Python are in the process tree."""


def executors_used(pages: str | None, application: str) -> Executors:
    """Of the application whose pages are at that address."""
    if pages is None:
        return Executors(0, None, None, ("executor_task_s, executor_peak_bytes: Spark's pages are switched off",))
    import httpx

    address = f"{pages}/api/v1/applications/{application}/allexecutors"
    until = time.monotonic() + HEARTBEATS_S
    while True:
        try:
            answer = httpx.get(address, timeout=ANSWER_S, trust_env=False)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            return Executors(0, None, None, (f"executor_task_s, executor_peak_bytes: {address}: {error}",))
        found = [one for one in answer.json() if one["id"] != "driver"]
        peak = sum(_resident(one) for one in found)
        worked = [one for one in found if one["totalTasks"]]
        if all(_resident(one) for one in worked) or time.monotonic() > until:
            break
        time.sleep(0.5)
    task_s = sum(one["totalDuration"] for one in found) / 1000
    why = () if peak else ("executor_peak_bytes: the executors have not told it",)
    return Executors(len(found), task_s, peak or None, why)


def _resident(executor: dict[str, Any]) -> int:
    peaks = executor.get("peakMemoryMetrics") or {}
    return sum(peaks.get(name, 0) for name in RESIDENT)
