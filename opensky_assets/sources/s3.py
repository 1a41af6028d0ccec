"""S3 as a place: the connection, what its errors mean to a user, and a bucket of objects to read."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, BinaryIO, cast

from opensky_assets.sources.store import ObjectGone, SourceError, SourceObject, SourceUnavailable
from opensky_assets.sources.telemetry import Attempt

RESUMES = 5
"""How often a read without a byte of progress is taken up again, with growing pauses."""

STALL_S, TOTAL_S = 60, 3600
"""A read may stand still for so long, and take so long in all: an object has some hundred megabytes."""

LONGEST_PAUSE_S = 120
"""Where the server asks for a longer one (Retry-After), the read is given up."""

NO_RIGHT = {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"}
NOT_THERE = {"NoSuchKey", "NoSuchBucket", "404"}
CHANGED = {"PreconditionFailed", "412"}
FINAL = NO_RIGHT | NOT_THERE | CHANGED
"""Asking again gives the same."""
ALREADY_THERE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class S3Place:
    """A bucket, or a prefix of one, and how it is reached. Holds no secret, so that it can go to other processes: the
    credentials are found where it is used, by the usual chain of AWS. Path-style addressing, as OpenSky wants it."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    anonymous: bool = False

    @staticmethod
    def of(uri: str, endpoint: str | None, region: str | None, profile: str | None, anonymous: bool) -> S3Place:
        """The place of `s3://bucket[/prefix]`."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return S3Place(bucket, prefix.strip("/"), endpoint, region, profile, anonymous)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def named(self) -> str:
        """The place as a message names it."""
        return f"{self.uri} at {self.endpoint or 'AWS'}"

    def key(self, relative: str) -> str:
        return f"{self.prefix}/{relative}" if self.prefix else relative

    def session(self) -> Any:
        return _session(self.profile, self.region)

    def client(self) -> Any:
        """The boto3 client of this process; safe to use from several threads."""
        return _client(self, 5)

    def client_that_asks_once(self) -> Any:
        """The same without boto3's own retries, which take no notice of Retry-After."""
        return _client(self, 1)

    def list(self, prefix: str = "", **options: str) -> Iterator[dict[str, Any]]:
        """Pages of the listing below `prefix`, each with `Contents`, and `CommonPrefixes` where a Delimiter is given.
        Their keys are full ones."""
        pages = self.client().get_paginator("list_objects_v2")
        yield from pages.paginate(Bucket=self.bucket, Prefix=self.key(prefix), **options)


@cache
def _session(profile: str | None, region: str | None) -> Any:
    import boto3

    return boto3.Session(profile_name=profile, region_name=region)


@cache
def _client(place: S3Place, attempts: int) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    session = place.session()
    config = Config(
        signature_version=UNSIGNED if place.anonymous else None,
        s3={"addressing_style": "path"},
        connect_timeout=10,
        read_timeout=STALL_S,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        # Servers other than AWS need not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = place.region or session.region_name or "us-east-1"
    return session.client("s3", region_name=region, endpoint_url=place.endpoint, config=config)


def s3_errors() -> tuple[type[Exception], ...]:
    """What boto3 raises where S3 cannot be reached or says no."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError, Boto3Error)


def broken_reads() -> tuple[type[Exception], ...]:
    """What is raised where the connection breaks while an answer is read."""
    from urllib3.exceptions import HTTPError

    return (*s3_errors(), HTTPError, OSError)


def code_of(error: Exception) -> str:
    """The error code of S3's answer; empty where there was no answer."""
    # boto3's upload raises an error of its own while it handles the one that has the answer.
    errors = (error, error.__cause__, error.__context__)
    answer: dict[str, Any] = next((found for one in errors if (found := getattr(one, "response", None))), {})
    return str(answer.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int | None:
    """The HTTP status of S3's answer; `None` where there was no answer."""
    answer = getattr(error, "response", None) or {}
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def retry_after_s(error: Exception | str) -> float:
    """How long the server wants to be left alone; 0 where it says nothing."""
    answer = getattr(error, "response", None) or {}
    text = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):
        return 0


def no_credentials() -> tuple[type[Exception], ...]:
    """What boto3 raises where it finds none."""
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError, ProfileNotFound

    return (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


def is_final(error: Exception) -> bool:
    """Whether asking again gives the same."""
    return code_of(error) in FINAL or isinstance(error, no_credentials())


def advice(error: Exception, settings: str) -> str:
    """What went wrong, without anything secret, and what to do; `settings` is `OPENSKY_SOURCE` or `OPENSKY_LAKE`."""
    code = code_of(error)
    if code in NO_RIGHT:
        return (
            f"no permission ({code}): check the credentials ({settings}_PROFILE or AWS's usual ones) and their rights"
        )
    if code == "NoSuchBucket":
        return f"there is no such bucket: check {settings} and {settings}_ENDPOINT"
    if isinstance(error, no_credentials()):
        return f"no credentials ({error}): set {settings}_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return f"{error}; check {settings} and {settings}_ENDPOINT"


def source_error(what: str, error: Exception) -> SourceError:
    """The error of a source's bucket, `what` saying which work failed: for good, or worth another try."""
    kind = SourceError if is_final(error) else SourceUnavailable
    return kind(f"{what}: {advice(error, 'OPENSKY_SOURCE')}")


@dataclass(frozen=True)
class S3Store:
    """The objects of a place, read only."""

    place: S3Place
    only: str | None = None
    """One key, where no other object is wanted."""

    @property
    def uri(self) -> str:
        return self.place.uri

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        base = len(self.place.key(""))
        try:
            for page in self.place.list(self.only or prefix):
                for entry in page.get("Contents", ()):
                    item = SourceObject(entry["Key"][base:], entry["Size"], entry["ETag"].strip('"'))
                    if self.only in (None, item.key):
                        yield item
        except s3_errors() as error:
            raise source_error(f"cannot list {self.place.named}", error) from None

    def left_out(self) -> dict[str, str]:
        return {}

    def open(self, item: SourceObject) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(_Body(self.place, item), 1 << 20))

    def verify(self, item: SourceObject) -> None:
        if self._head(item)["ETag"].strip('"') != item.etag:
            raise ObjectGone(f"{item.key}: changed while it was read; run again")

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
                if code_of(error) in FINAL or again == RESUMES or pause > LONGEST_PAUSE_S:
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
    return SourceError(told) if code in NO_RIGHT else ObjectGone(told)


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
                broken = f"not through after {TOTAL_S} s"
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
                if code_of(error) in FINAL:
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
