"""What a source's store tells of each request that it makes, to whoever listens with `recording()`."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


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


_listening: ContextVar[list[Request] | None] = ContextVar("requests", default=None)


@contextmanager
def recording() -> Iterator[list[Request]]:
    """A list that all requests of this thread end up in, as they end. Recordings may be within one another; each has
    the requests of those within it."""
    outer = _listening.get()
    requests: list[Request] = []
    token = _listening.set(requests)
    try:
        yield requests
    finally:
        _listening.reset(token)
        if outer is not None:
            outer.extend(requests)


def record(requests: Iterable[Request]) -> None:
    """Add requests that were made elsewhere, in a process that this one set to work."""
    if (listening := _listening.get()) is not None:
        listening.extend(requests)


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
        record(
            [
                Request(
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
            ]
        )


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
