"""What goes wrong with a store, in a folder or on S3: which errors are transient, and what a user can do about each.

Another S3 error that is not worth a retry goes into `PERMANENT_S3_CODES`: every other one is transient. What PyArrow
and DuckDB say instead of a code goes into `TRANSIENT_ARROW_TEXT`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


class LakeError(Exception):
    """The lake cannot be written or read; the text says what to do."""


class LakeUnavailable(LakeError):
    """The store of the lake has trouble of its own, or cannot be reached: transient."""


class Overtaken(LakeUnavailable):
    """Another run has replaced a file since this one read it. Nothing of this run's version is published."""


class SourceError(Exception):
    """The source, or one object of it, cannot be read or written; the text says which and what to do."""


class SourceUnavailable(SourceError):
    """The source has trouble of its own, or cannot be reached: transient."""


class ObjectGone(SourceError):
    """The object was listed and is not there any more, or changed while it was read: transient."""


NO_RIGHT = {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"}
NOT_THERE = {"NoSuchKey", "NoSuchBucket", "404"}
CHANGED = {"PreconditionFailed", "412"}
ALREADY_THERE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
"""What a put on a condition is refused with."""

PERMANENT_S3_CODES = NO_RIGHT | NOT_THERE | CHANGED
"""A retry gives the same. Errors with another code, and those without an answer, are transient."""

TRANSIENT_ARROW_TEXT = re.compile(
    r"AWS Error (NETWORK_CONNECTION|REQUEST_TIMEOUT|SLOW_DOWN|INTERNAL_FAILURE|SERVICE_UNAVAILABLE)|curlCode: "
)
"""How PyArrow says that a bucket had trouble of its own: it has no class of errors for it. DuckDB passes it on."""


@dataclass(frozen=True)
class Side:
    """The source or the lake: the settings that name it, and its own classes of errors."""

    settings: str
    permanent: type[Exception]
    transient: type[Exception]

    def error(self, what: str, error: Exception) -> Exception:
        """The error for a user, `what` saying which work failed."""
        kind = self.permanent if is_permanent(error) else self.transient
        return kind(f"{what}: {advice(error, self.settings)}")

    @contextmanager
    def explain(self, what: str) -> Iterator[None]:
        """Turn what S3 answers, or boto3 raises, into the error for a user."""
        try:
            yield
        except s3_errors() as error:
            raise self.error(what, error) from None


LAKE = Side("OPENSKY_LAKE", LakeError, LakeUnavailable)
SOURCE = Side("OPENSKY_SOURCE", SourceError, SourceUnavailable)


def is_permanent(error: Exception) -> bool:
    """Whether a retry of a request to S3 gives the same."""
    return code_of(error) in PERMANENT_S3_CODES or isinstance(error, no_credentials())


def s3_errors() -> tuple[type[Exception], ...]:
    """What is raised where S3 cannot be reached, says no, or breaks off its answer."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    return (BotoCoreError, ClientError, Boto3Error, HTTPError)


def broken_reads() -> tuple[type[Exception], ...]:
    """What is raised where the connection breaks while an answer is read."""
    return (*s3_errors(), OSError)


def no_credentials() -> tuple[type[Exception], ...]:
    """What boto3 raises where it finds none."""
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError, ProfileNotFound

    return (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


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
