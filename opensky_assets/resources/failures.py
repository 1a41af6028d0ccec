"""What of a failure may pass: it is tried again by the step; what will not pass is not."""

import random
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

MORE_ATTEMPTS = 2
WAIT_SECONDS = 20
"""Before the second attempt; before the third it is twice as long. What talks to a server has tried for minutes itself
before it raises."""


@contextmanager
def tried_again(retry_number: int) -> Iterator[None]:
    """For the whole of a step: what fails for good fails at once, in the words of the domain, and everything else is
    tried again. `retry_number` is the attempt, from 0.

    Not by a `RetryPolicy`: where a step has one, Dagster also tries again what was interrupted, so that neither Ctrl-C
    nor the UI could end a run.
    """
    try:
        yield
    except (dg.Failure, dg.DagsterError):
        raise
    except Exception as error:
        if isinstance(error, PERMANENT) and not isinstance(error, PASSING):
            raise dg.Failure(str(error), allow_retries=False) from error
        wait = WAIT_SECONDS * 2**retry_number * random.uniform(0.8, 1.2)
        raise dg.RetryRequested(MORE_ATTEMPTS, wait) from error
