"""The objects of a bucket: listed, read on from where a connection broke, checked for their version."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from opensky_assets.storage.errors import (
    CHANGED,
    NOT_THERE,
    SOURCE,
    ObjectGone,
    Side,
    SourceError,
    advice,
    broken_reads,
    code_of,
    is_permanent,
    retry_after_s,
    s3_errors,
    status_of,
)
from opensky_assets.storage.objects import SourceObject
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.telemetry import Attempt

RESUMES = 5
"""How often a read without a byte of progress is taken up again, with growing pauses."""

TOTAL_S = 3600
"""A read may take so long in all: an object has some hundred megabytes."""

LONGEST_PAUSE_S = 120
"""Where the server asks for a longer one (Retry-After), the read is given up."""


@dataclass(frozen=True)
class S3Store:
    """The objects of a place."""

    place: S3Place
    only: str | None = None
    """One key, where no other object is wanted."""
    side: Side = SOURCE

    @property
    def uri(self) -> str:
        return self.place.uri

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        base = len(self.place.key(""))
        with self.side.explain(f"cannot list {self.place.named}"):
            for page in self.place.list(self.only or prefix):
                for entry in page.get("Contents", ()):
                    item = SourceObject(entry["Key"][base:], entry["Size"], entry["ETag"].strip('"'))
                    if self.only in (None, item.key):
                        yield item

    def left_out(self) -> dict[str, str]:
        return {}

    def open(self, item: SourceObject) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(_Body(self.place, item), 1 << 20))

    def verify(self, item: SourceObject) -> None:
        if self._head(item)["ETag"].strip('"') != item.etag:
            raise ObjectGone(f"{item.key}: changed while it was read; run again")

    @property
    def is_writable(self) -> bool:
        return not self.place.anonymous

    def put(self, key: str, data: bytes, replaces: SourceObject | None = None) -> bool:
        with self.side.explain(f"{key} cannot be written to {self.place.named}"):
            if replaces is None:
                return self.place.put_new(key, data) is not None
            return self.place.put_over(key, data, f'"{replaces.etag}"') is not None

    def _head(self, item: SourceObject) -> dict[str, Any]:
        client, pause = self.place.client_that_asks_once(), 0.0
        for again in range(RESUMES + 1):
            time.sleep(pause)
            attempt = Attempt(item.key, again, pause)
            try:
                answer = client.head_object(Bucket=self.place.bucket, Key=self.place.key(item.key))
                attempt.answered(answer["ResponseMetadata"]["HTTPStatusCode"])
                return cast(dict[str, Any], answer)
            except s3_errors() as error:
                attempt.failed(status_of(error))
                pause = _pause_s(again, error)
                if is_permanent(error) or again == RESUMES or pause > LONGEST_PAUSE_S:
                    raise _unreadable(self.place, item, error) from None
            finally:
                attempt.end()
        raise AssertionError("the last attempt returns or raises")


def _pause_s(again: int, broken: Exception | str) -> float:
    """How long to wait before asking again: ever longer, and as long as the server says."""
    return max(random.uniform(0.5, 1) * min(0.2 * 2**again, 5), retry_after_s(broken))


def _unreadable(place: S3Place, item: SourceObject, error: Exception) -> SourceError:
    code = code_of(error)
    if code in CHANGED or code in NOT_THERE:
        return ObjectGone(f"{item.key}: changed or gone since {place.named} was listed; run again")
    told = f"{item.key} of {place.named} cannot be read: {advice(error, 'OPENSKY_SOURCE')}"
    return SourceError(told) if is_permanent(error) else ObjectGone(told)


class _Body(io.RawIOBase):
    """An object's bytes, of the listed version only. Where the connection breaks, reading goes on from where it was.
    Each GET is made known as a `Request`."""

    def __init__(self, place: S3Place, item: SourceObject) -> None:
        self._place, self._item, self._at = place, item, 0
        self._until = time.monotonic() + TOTAL_S
        self._client = place.client_that_asks_once()
        self._answer: Any = None
        self._attempt: Attempt | None = None
        self._attempts = 0
        self._next(0)  # an object that cannot be had says so when it is opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises `SourceError`."""
        broken: Exception | str = "the connection ended early"
        pause = 0.0
        for again in range(RESUMES + 1):
            time.sleep(pause)
            if time.monotonic() > self._until:
                broken = f"not complete after {TOTAL_S} s"
                break
            try:
                if self._attempt is None:
                    self._ask(pause)
                if not size or self._at == self._item.size:
                    return b""
                if data := self._read(size):
                    self._at += len(data)
                    return data
            except broken_reads() as error:
                if is_permanent(error):
                    raise _unreadable(self._place, self._item, error) from None
                broken = error
            self._drop()
            pause = _pause_s(again, broken)
            if pause > LONGEST_PAUSE_S:
                break
        raise ObjectGone(
            f"{self._item.key} of {self._place.named}: broke off after {self._at} of {self._item.size} bytes "
            f"({broken}); run again"
        )

    def _ask(self, pause: float) -> None:
        ranged = {"Range": f"bytes={self._at}-"} if self._at else {}
        self._attempt = Attempt(self._item.key, self._attempts, pause)
        self._attempts += 1
        try:
            answer = self._client.get_object(
                Bucket=self._place.bucket, Key=self._place.key(self._item.key), IfMatch=f'"{self._item.etag}"', **ranged
            )
        except s3_errors() as error:
            self._attempt.failed(status_of(error))
            raise
        self._attempt.answered(answer["ResponseMetadata"]["HTTPStatusCode"])
        self._answer = answer["Body"]

    def _read(self, size: int) -> bytes:
        assert self._attempt is not None
        since, data = time.perf_counter(), b""
        try:
            data = cast(bytes, self._answer.read(size))
        finally:
            self._attempt.waited(since, len(data))
        return data

    def _drop(self) -> None:
        """Be done with the request that is on its way, if one is."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        if self._attempt is not None:
            self._attempt.end()
            self._attempt = None

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()
