"""S3 as a place: the connection, and the requests that sources and lakes have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensky_assets.storage.errors import ALREADY_THERE, NOT_THERE, broken_reads, code_of, is_permanent, s3_errors

STALL_S = 60
"""A connection may stand still for so long."""

ATTEMPTS = 6
"""How often a small object is asked for whose answer breaks off."""


@dataclass(frozen=True)
class S3Place:
    """A bucket, or a prefix of one, and how it is reached. Holds no secret, so that it can go to other processes: the
    credentials are found where it is used, by the usual chain of AWS. Path-style addressing, as OpenSky wants it.

    Paths are relative to the place. Requests raise what boto3 raises: `errors.LAKE` and `errors.SOURCE` explain that.
    """

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

    def at(self, path: str) -> dict[str, str]:
        """The object of a path, as requests name it."""
        return {"Bucket": self.bucket, "Key": self.key(path)}

    def head(self, path: str) -> dict[str, Any] | None:
        """What the store says of an object, if it is there."""
        try:
            answer: dict[str, Any] = self.client().head_object(**self.at(path))
        except s3_errors() as error:
            if code_of(error) in NOT_THERE:
                return None
            raise
        return answer

    def get(self, path: str) -> tuple[bytes, str] | None:
        """The bytes of a small object and its ETag, if it is there."""
        try:
            for attempt in Retrying(  # boto3 tries again to get an answer, not to read one that breaks off
                retry=retry_if_exception(_breaks_off),
                wait=wait_random_exponential(multiplier=0.1, max=5),
                stop=stop_after_attempt(ATTEMPTS),
                reraise=True,
            ):
                with attempt:
                    answer = self.client().get_object(**self.at(path))
                    body: bytes = answer["Body"].read()
        except s3_errors() as error:
            if code_of(error) in NOT_THERE - {"NoSuchBucket"}:
                return None
            raise
        return body, answer["ETag"]

    def put_new(self, path: str, body: bytes) -> str | None:
        """Put an object where there is none; its ETag, `None` where there is one."""
        try:
            answer = self.client().put_object(**self.at(path), Body=body, IfNoneMatch="*")
        except s3_errors() as error:
            if code_of(error) not in ALREADY_THERE:
                raise
            # boto3 asks again where an answer was lost, and then finds its own.
            there = self.get(path)
            return there[1] if there and there[0] == body else None
        return str(answer["ETag"])

    def put_over(self, path: str, body: bytes, seen: str) -> str | None:
        """Put an object in the place of the state whose ETag is `seen`; the new ETag, `None` where the state is
        another."""
        for etag in (seen, seen.strip('"')):  # Ceph 16 compares a put's condition without the quotes
            try:
                answer = self.client().put_object(**self.at(path), Body=body, IfMatch=etag)
            except s3_errors() as error:
                if code_of(error) not in {*ALREADY_THERE, *NOT_THERE}:
                    raise
                # boto3 asks again where an answer was lost: then the state is another because it is this one.
                there = self.get(path)
                if there is None or there[1] != seen:
                    return there[1] if there and there[0] == body else None
            else:
                return str(answer["ETag"])
        return None


def _breaks_off(error: BaseException) -> bool:
    """Whether an answer broke off, so that a retry can help."""
    return isinstance(error, broken_reads()) and not code_of(error) and not is_permanent(error)


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
