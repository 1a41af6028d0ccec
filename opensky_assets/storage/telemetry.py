"""What a source's store tells of each request that it makes, to whoever is `observing`."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

REFUSALS = (429, 503)
"""Answers of a server that wants to be asked less often."""

MOST_KEPT = 10_000
"""So many requests a recording keeps, some megabytes; of more it knows the totals."""


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to have bytes of one object: a GET of a bucket, or the opening of a file. Also the HEAD by which a
    bucket is asked whether the object is still the same, which has no body.

    `started_at` is in seconds since 1970 by the clock of the process that asked; `first_byte_s` (of the answer, its
    head included; `None`: no byte came) and `duration_s` count from there, up to the last byte read. `received_bytes`
    is what came of the body. `status` is HTTP's, or `None` for a file and where no answer came; `retry` counts the
    attempts before this one since the object was opened (or asked after), and `wait_s` is the pause before it.

    `reading_s` is how much of `duration_s` went into waiting for bytes, the wait for the answer included; in the rest
    the reader was at work on what it had.
    """

    key: str
    started_at: float
    first_byte_s: float | None
    duration_s: float
    received_bytes: int
    status: int | None
    retry: int = 0
    wait_s: float = 0.0
    reading_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over requests."""

    requests: int = 0
    received_bytes: int = 0
    retries: int = 0
    refusals: int = 0

    @classmethod
    def of(cls, request: Request) -> Totals:
        return cls(1, request.received_bytes, int(request.retry > 0), int(request.status in REFUSALS))

    def __add__(self, more: Totals) -> Totals:
        return Totals(
            self.requests + more.requests,
            self.received_bytes + more.received_bytes,
            self.retries + more.retries,
            self.refusals + more.refusals,
        )


class Observer(Protocol):
    """Whoever wants to know of requests. It must be quick, since reads wait for it, and must not grow with them."""

    def observe(self, request: Request) -> None:
        """A request has ended."""

    def add(self, totals: Totals) -> None:
        """Requests have ended of which only the sums are known, since another process made too many to keep."""


class Recording:
    """An observer that keeps the latest requests, at most `limit` of them, and the totals of all."""

    def __init__(self, limit: int = MOST_KEPT) -> None:
        self.latest: deque[Request] = deque(maxlen=limit)
        self.older = Totals()
        """Of the requests that are not among the latest."""

    @property
    def totals(self) -> Totals:
        return sum(map(Totals.of, self.latest), self.older)

    def observe(self, request: Request) -> None:
        if len(self.latest) == self.latest.maxlen:
            self.older += Totals.of(self.latest[0] if self.latest else request)
        self.latest.append(request)

    def add(self, totals: Totals) -> None:
        self.older += totals


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("observers", default=())


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Tell `observer` of each request of this thread, as it ends, beside those who observe already."""
    token = _observers.set((*_observers.get(), observer))
    try:
        yield
    finally:
        _observers.reset(token)


@contextmanager
def recording(limit: int = MOST_KEPT) -> Iterator[Recording]:
    """A new recording of the requests of this thread."""
    requests = Recording(limit)
    with observing(requests):
        yield requests


def record(requests: Recording) -> None:
    """Tell the observers of requests that were made elsewhere, in a process that this one set to work."""
    for observer in _observers.get():
        for request in requests.latest:
            observer.observe(request)
        observer.add(requests.older)


class Attempt:
    """A request on its way, which begins now. It counts and times; `end` makes it known, once."""

    def __init__(self, key: str, retry: int = 0, wait_s: float = 0.0) -> None:
        self._key, self._retry, self._wait_s = key, retry, wait_s
        self._started_at, self._began = time.time(), time.perf_counter()
        self._last = self._began
        self._first_byte_s: float | None = None
        self._received, self._reading_s = 0, 0.0
        self._status: int | None = None
        self._over = False

    def answered(self, status: int) -> None:
        """The head of an answer came."""
        self._status = status
        self.waited(self._began)
        self._first_byte_s = self._reading_s

    def failed(self, status: int | None) -> None:
        """No body comes: the answer said no, or there was none."""
        if status is None:
            self.waited(self._began)
        else:
            self.answered(status)

    def waited(self, since: float, received: int = 0) -> None:
        """A read that began at `since`, by `time.perf_counter`, ended now with so many bytes."""
        self._last = time.perf_counter()
        self._reading_s += self._last - since
        self._received += received
        if received and self._first_byte_s is None:
            self._first_byte_s = self._last - self._began

    def end(self) -> None:
        if self._over:
            return
        self._over = True
        request = Request(
            self._key,
            self._started_at,
            self._first_byte_s,
            self._last - self._began,
            self._received,
            self._status,
            self._retry,
            self._wait_s,
            self._reading_s,
        )
        for observer in _observers.get():
            observer.observe(request)


class TimedFile(io.RawIOBase):
    """A file whose reads are timed, one by one: for a `BufferedReader`, which makes them few."""

    def __init__(self, key: str, file: io.RawIOBase) -> None:
        self._file, self._attempt = file, Attempt(key)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        since = time.perf_counter()
        count = self._file.readinto(buffer)
        self._attempt.waited(since, count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._attempt.end()
        super().close()
