"""Who calls the kernel for many objects: this process for a little, a pool of processes for more."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from polars.exceptions import PanicException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from opensky_assets.ingest.kernel import Task, ingest_object
from opensky_assets.ingest.refused import failed, held_back
from opensky_assets.lake import Held, Lake, LakeError, Manifest, Staging
from opensky_assets.lake.lake import FORGOTTEN
from opensky_assets.progress import advance
from opensky_assets.schemas import Reason
from opensky_assets.storage.errors import ObjectGone, Overtaken, SourceError
from opensky_assets.storage.objects import ObjectStore, SourceObject
from opensky_assets.storage.telemetry import Recording, record, recording

SMALL_BYTES = 48 << 20
"""Below this much to read, starting processes costs more than it saves."""

ATTEMPTS = 3

WORKER_ENVIRONMENT = {
    # One thread a worker of Polars, and of NumPy's BLAS, or the cores are fought over.
    "POLARS_MAX_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc keeps the memory of a block for the next one. It would map fresh pages for each, a fifth of a core-second
    # a million rows. Other systems take no notice.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    # The same for Polars' own allocator: half of the time in the kernel was spent on pages given back too early.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:-1",
}


class WorkerDied(Exception):
    """A process that ingested objects was killed from outside."""


Outcome = Manifest | Held
Report = Callable[[str], None]
Runner = Callable[[Sequence[Task], ObjectStore, Lake, Staging, int | None, Report], list[Outcome]]
"""Ingests all the tasks, wherever, as `ingest_objects` does; the requests made there are on record here."""


@dataclass(frozen=True)
class Attempted:
    """What became of an object in another process, and the requests made for it."""

    outcome: Outcome
    requests: Recording


T = TypeVar("T")


def ingest_objects(
    tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, workers: int | None, report: Report
) -> list[Outcome]:
    """Ingest all `tasks`, in no particular order, with progress to `report`. One object's trouble stops no other.
    Raises `WorkerDied`, and what is no object's trouble."""
    sizes = [task.source.size for task in tasks]
    processes = processes_for(sizes, workers)
    outcomes: list[Outcome] = []
    progress = Progress(len(tasks), sum(sizes), report)
    for outcome in _pool(tasks, store, lake, run, processes) if processes > 1 else _here(tasks, store, lake, run):
        outcomes.append(outcome)
        progress.add(*Progress.measure(outcome))
    return outcomes


def processes_for(sizes: Sequence[int], workers: int | None) -> int:
    """How many processes ingest objects of these sizes; 1 is this one."""
    processes = min(workers or cores(), len(sizes))
    return 1 if sum(sizes) < SMALL_BYTES else max(processes, 1)


def cores() -> int:
    """The processors this process may use, which in a container are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def persistently(call: Callable[[], T]) -> T:
    """What `call` returns, tried again where it raises `ObjectGone` or `Overtaken`. Raises the last of these, or any
    other `SourceError` or `LakeError` at once."""
    for attempt in Retrying(
        retry=retry_if_exception_type((ObjectGone, Overtaken)),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("a retry loop ends in a result or an exception")


NOT_AN_OBJECTS_TROUBLE = (LakeError, MemoryError, OSError)
"""What ends a run though one object met it. A source's errors of the operating system are `SourceError`: what is left
of these is the lake's disk."""


def attempt(task: Task, store: ObjectStore, lake: Lake, run: Staging) -> Outcome:
    """Ingest one object. What it cannot be read for holds it back, and so does what the ingest itself fails of."""
    try:
        return persistently(lambda: ingest_object(task, store, lake, run))
    except SourceError as error:
        held = Held(task.contract.name, task.source, Reason.UNREADABLE, str(error), task.days or (), None)
        path = None
    except NOT_AN_OBJECTS_TROUBLE:
        raise
    except (Exception, PanicException) as error:
        name = lake.files.fresh(task.source.stem)
        contract = task.contract
        refused = failed(error)
        held, path = held_back(contract.name, task.source, refused, task.days or (), run, name, contract.partitions)
    with lake.committing(task.contract.name, task.source) as seen:
        if (newer := seen.manifest) and _is_newer(newer, task.source, store):
            return newer
        lake.hold(held, path, run, seen)
    return held


def _is_newer(manifest: Manifest, item: SourceObject, store: ObjectStore) -> bool:
    """Whether another run has published an object as it is now, which is no longer as `item` was listed."""
    if manifest.source == item or FORGOTTEN in manifest.notes:
        return False
    try:
        store.verify(manifest.source)
    except SourceError:
        return False
    return True


def attempt_recorded(task: Task, store: ObjectStore, lake: Lake, run: Staging) -> Attempted:
    """`attempt`, for a process whose records nobody sees."""
    with recording() as requests:
        return Attempted(attempt(task, store, lake, run), requests)


def _here(tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging) -> Iterator[Outcome]:
    for task in tasks:
        yield attempt(task, store, lake, run)


def _pool(tasks: Sequence[Task], store: ObjectStore, lake: Lake, run: Staging, processes: int) -> Iterator[Outcome]:
    # Spawned, not forked: Dagster's process has threads.
    with ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    ) as pool:
        try:
            with _spawning():
                futures = [pool.submit(attempt_recorded, task, store, lake, run) for task in tasks]
            for future in as_completed(futures):
                attempted = future.result()
                record(attempted.requests)
                yield attempted.outcome
        except BrokenProcessPool:
            raise WorkerDied(
                "a worker process was killed, most often since memory ran out; published data stays. Run again, "
                f"with fewer workers than {processes} (OPENSKY_WORKERS) if memory is short"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def _spawning() -> Iterator[None]:
    """Processes that start meanwhile have `WORKER_ENVIRONMENT`, and do not load the program of this one: as `dagster`
    it would take each of them two seconds, and what they need is in this package."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    program = sys.modules["__main__"]
    os.environ.update(WORKER_ENVIRONMENT)
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """A worker whose parent was killed must not go on publishing beside the run that follows. Ctrl-C goes to all
    processes of a terminal: what becomes of it is for the parent to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Progress:
    """Says, at most every five seconds and at the end, how far the work is."""

    def __init__(self, objects: int, size: int, report: Report) -> None:
        self.objects, self.size, self.report = objects, size, report
        self.done = self.bytes = self.rows = 0
        self.started = self.told = time.monotonic()

    @staticmethod
    def measure(outcome: Outcome) -> tuple[int, int]:
        """The bytes and the records of an object."""
        return outcome.source.size, outcome.read if isinstance(outcome, Manifest) else 0

    def add(self, size: int, records: int) -> None:
        """Count one object."""
        self.done += 1
        self.bytes += size
        self.rows += records
        now = time.monotonic()
        spent = max(now - self.started, 1e-3)
        rates = f"{self.rows / spent:,.0f} records/s, {self.bytes / spent / 1e6:.1f} MB/s"
        advance("objects", self.done, self.objects, rates)
        if now - self.told < 5 and self.done < self.objects:
            return
        self.told = now
        left = spent * (self.size - self.bytes) / max(self.bytes, 1)
        self.report(f"{self.done} of {self.objects} objects, {self.rows:,} records, {rates}, about {left:.0f} s left")
