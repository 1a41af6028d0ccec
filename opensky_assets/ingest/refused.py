"""An object that as a whole is not let in, and the one record that says so in quarantine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from opensky_assets.ingest.parse import rejects_frame
from opensky_assets.lake import Held, Staging
from opensky_assets.lake.manifest import NO_DAY
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.schemas import QUARANTINE, Reason
from opensky_assets.sources.store import SourceObject

MAX_TEXT = 500


class Refused(Exception):
    """The object as a whole cannot be let in."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def failed(error: BaseException) -> Refused:
    """What holds an object back on which the ingest raised what it does not know: a defect, with its stack trace in the
    log."""
    logging.getLogger(__name__).error("the ingest failed", exc_info=error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Refused(
        Reason.FAILED, f"the ingest itself failed on it ({text[:MAX_TEXT]}); please report this with the object"
    )


def held_back(table: str, item: SourceObject, refused: Refused, days: Iterable[str], run: Staging) -> tuple[Held, Path]:
    """What `Lake.hold` takes: the held object, whose `days` are missing now, and its staged quarantine record."""
    message = f"{item.key}: {refused}"
    files = DayFiles(run.folder("held"), f"quarantine/{table}/day={{day}}/{item.stem}-held.parquet", QUARANTINE.schema)
    record = rejects_frame([(NO_DAY, 0, None, refused.reason, message)])
    files.write(NO_DAY, record.with_columns(pl.lit(item.key).alias("object")).to_arrow())
    staged, (output,) = files.close()
    return Held(table, item, refused.reason, message, tuple(days), output), staged[output.path]
