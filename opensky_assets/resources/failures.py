"""Which errors are transient. A step retries those and fails at once on all others."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb

from opensky_assets.engines.spark.errors import SparkGaveUp, SparkUnavailable
from opensky_assets.ingest.runner import WorkerDied
from opensky_assets.lake import LakeError
from opensky_assets.settings import SettingsError
from opensky_assets.sources.api import ApiError, ApiUnavailable
from opensky_assets.storage.errors import (
    TRANSIENT_ARROW_TEXT,
    LakeUnavailable,
    ObjectGone,
    SourceError,
    SourceUnavailable,
)

PERMANENT = (ApiError, LakeError, SettingsError, SourceError, SparkUnavailable)
"""A retry would end the same: somebody has to change something first, and the text says what."""
TRANSIENT = (
    ApiUnavailable,
    LakeUnavailable,
    ObjectGone,
    SourceUnavailable,
    SparkGaveUp,
    WorkerDied,
    ConnectionError,
    TimeoutError,
)
"""A retry can help. Some are subclasses of `PERMANENT`, and transient all the same."""

MORE_ATTEMPTS = 2
WAIT_SECONDS = 20
"""Before the second attempt; before the third it is twice as long. What talks to a server has tried for minutes itself
before it raises."""


def is_transient(error: Exception) -> bool:
    """Whether a retry can help."""
    import httpx

    if isinstance(error, (*TRANSIENT, httpx.TransportError)):
        return True
    return isinstance(error, OSError | duckdb.Error) and TRANSIENT_ARROW_TEXT.search(str(error)) is not None


@contextmanager
def tried_again(retry_number: int) -> Iterator[None]:
    """For the whole of a step: retry a transient error, fail at once on any other, on a permanent one in the words of
    the domain. `retry_number` is the attempt, from 0.

    Not by a `RetryPolicy`: where a step has one, Dagster also tries again what was interrupted, so that neither Ctrl-C
    nor the UI could end a run.
    """
    try:
        yield
    except (dg.Failure, dg.DagsterError):
        raise
    except Exception as error:
        if is_transient(error):
            wait = WAIT_SECONDS * 2**retry_number * random.uniform(0.8, 1.2)
            raise dg.RetryRequested(MORE_ATTEMPTS, wait) from error
        if isinstance(error, PERMANENT):
            raise dg.Failure(str(error), allow_retries=False) from error
        raise
