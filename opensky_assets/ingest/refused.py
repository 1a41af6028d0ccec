"""An object that as a whole is not let in, and the one record that says so in quarantine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow as pa

from opensky_assets.calendar import NO_DAY, Partitions
from opensky_assets.ingest.rejects import rejects_frame
from opensky_assets.lake import Held, Staging
from opensky_assets.lake.lake import HELD
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.schemas import QUARANTINE, Reason
from opensky_assets.storage.objects import SourceObject

logger = logging.getLogger(__name__)

MAX_TEXT = 500


class Refused(Exception):
    """The object as a whole cannot be let in. `rejects` are the records for which it is not, where some are known, with
    the columns of `QUARANTINE`."""

    def __init__(self, reason: Reason, message: str, rejects: pa.Table | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.rejects = rejects


def failed(error: BaseException) -> Refused:
    """What holds an object back on which the ingest raised what it does not know: a defect, with its stack trace in the
    log."""
    logger.error("the ingest failed", exc_info=error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Refused(
        Reason.FAILED, f"the ingest itself failed on it ({text[:MAX_TEXT]}); please report this with the object"
    )


def held_back(
    table: str,
    item: SourceObject,
    refused: Refused,
    days: Iterable[str],
    run: Staging,
    name: str,
    partitions: Partitions = Partitions.DAY,
) -> tuple[Held, Path]:
    """What `Lake.hold` takes: the held object, whose `days` are missing now, and its staged quarantine file, of this
    `name`. That has the record of the object, and those that it was held back for."""
    message = f"{item.key}: {refused}"
    files = DayFiles(
        run.folder("held"), f"quarantine/{table}", f"{name}{HELD}", QUARANTINE.schema, partitions=partitions
    )
    record = rejects_frame([(NO_DAY, 0, None, refused.reason, message)]).with_columns(pl.lit(item.key).alias("object"))
    for records in (record.to_arrow(compat_level=pl.CompatLevel.oldest()), refused.rejects):
        if records is not None:
            files.write(NO_DAY, records.select(QUARANTINE.schema.names).cast(QUARANTINE.schema))
    staged, (output,) = files.close()
    return Held(table, item, refused.reason, message, tuple(days), output), staged[output.path]
