"""What of a failure may pass: transient ones are tried again, permanent ones are not."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from opensky_assets.lake import LakeError
from opensky_assets.lake.files import LakeUnavailable
from opensky_assets.settings import SettingsError
from opensky_assets.sources.api import ApiError, ApiUnavailable
from opensky_assets.sources.store import ObjectGone, SourceError, SourceUnavailable
from opensky_assets.spark import SparkUnavailable

PERMANENT = (ApiError, LakeError, SettingsError, SourceError, SparkUnavailable)
"""Another try would end the same: somebody has to change something first, and the text says what."""
PASSING = (ApiUnavailable, LakeUnavailable, ObjectGone, SourceUnavailable)
"""But for these."""

TRY_AGAIN = dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For every step that reads the source or has to do with the lake. What talks to a server has tried for minutes itself
before it raises."""


@contextmanager
def permanent_failures() -> Iterator[None]:
    """Let a step that fails for good fail at once, in the words of the domain."""
    try:
        yield
    except PERMANENT as error:
        if isinstance(error, PASSING):
            raise
        raise dg.Failure(str(error), allow_retries=False) from error
