"""What Spark can fail of, in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py4j.protocol import Py4JJavaError


class SparkUnavailable(Exception):
    """Spark cannot run here; the text says what to do."""


class SparkGaveUp(Exception):
    """A task failed more often than Spark tries again; what is published stays."""


def reason_of(error: Py4JJavaError) -> str:
    """The first line of what Java says, or the name of its error where it says nothing."""
    message = str(error.java_exception.getMessage() or "").strip() or str(error.java_exception.getClass().getName())
    return message.splitlines()[0]


@contextmanager
def gave_up() -> Iterator[None]:
    """Let a job of Spark that fails tell its reason in one line, without Java's. Raises `SparkGaveUp`."""
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        raise SparkGaveUp(
            f"Spark gave up ({reason_of(error)}); what is published stays. Run again; where executors are killed for "
            "want of memory, give each fewer cores (spark.executor.cores in OPENSKY_SPARK_CONF)"
        ) from error
