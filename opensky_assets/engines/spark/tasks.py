"""Calls of Python on the executors of a session, and what the driver hears of them. Executors need no Java for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from opensky_assets.engines.spark.errors import gave_up
from opensky_assets.lake import LakeError

if TYPE_CHECKING:
    from pyspark import SparkContext

LOOK_SECONDS = 0.5
"""How often the driver looks for news."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_tasks(
    context: SparkContext,
    title: str,
    call: Callable[[Item], Result],
    items: Sequence[Item],
    measure: Callable[[Result], Any] | None = None,
    hear: Callable[[Any], None] = lambda measured: None,
) -> list[Result]:
    """`call` for each of the items, a task each, whichever executor takes it. `hear` gets what `measure` says of each
    result soon after it is there.

    A task whose executor is lost runs again on another one. Whoever interrupts the driver ends the tasks. Raises
    `SparkGaveUp`, and a task's `LakeError` in its own words.
    """
    if not items:
        return []
    heard = context.accumulator([], _Appending())  # type: ignore[arg-type, var-annotated]

    def task(item: Item) -> Result | _LakeTrouble:
        try:
            result = call(item)
        except LakeError as error:  # as a value: Spark would try it four times and hide what it says
            return _LakeTrouble(error)
        if measure:
            heard.add([measure(result)])
        return result

    group = f"opensky-{uuid.uuid4().hex}"
    calls = context.parallelize(items, len(items)).map(task)

    def collect() -> list[Result | _LakeTrouble]:
        context.setJobGroup(group, title, interruptOnCancel=True)
        return calls.collect()

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(collect)
        passed_on = 0
        try:
            while True:
                over = wait([job], LOOK_SECONDS).done
                for measured in heard.value[passed_on:]:
                    hear(measured)
                    passed_on += 1
                if over:
                    break
        except BaseException:
            context.cancelJobGroup(group)
            raise
    with gave_up():
        return [_result(found) for found in job.result()]


class _Appending:
    """A Spark accumulator that is a list. (No subclass of Spark's own: its import would start with this module.)"""

    def zero(self, value: list[object]) -> list[object]:
        return []

    def addInPlace(self, value: list[object], more: list[object]) -> list[object]:
        return value + more


@dataclass(frozen=True)
class _LakeTrouble:
    error: LakeError


def _result(found: Result | _LakeTrouble) -> Result:
    if isinstance(found, _LakeTrouble):
        raise found.error
    return found
