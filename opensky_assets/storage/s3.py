"""S3 as a place: the connection, what its errors mean to a user, and a bucket of objects to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

STALL_S = 60
"""A connection may stand still for so long."""

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
