"""Enrichments on Spark: executors read, join and write; the driver publishes what they staged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from opensky_assets.lake import Lake, LakeError, Staging
from opensky_assets.lake.files import LocalFiles
from opensky_assets.lake.parquet import DayFiles, split_days
from opensky_assets.transforms.enrich import Enrichment

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TIMEZONE_FUNCTION = """
    CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, instant TIMESTAMP) RETURNS TIMESTAMP_NTZ
    RETURN convert_timezone('UTC', zone, CAST(instant AS TIMESTAMP_NTZ))
"""
"""DuckDB's function of this name. In a session whose time zone is UTC the cast gives the instant's clock in UTC."""

STAGED = "path string, staged string, rows bigint"


def enriched_frame(
    session: SparkSession, what: Enrichment, raw: DataFrame, references: Sequence[DataFrame], snapshot: str
) -> DataFrame:
    """Run `what` over `raw`, which has a `day`, and its reference tables."""
    import ibis  # with pyspark, and so never on the local engine

    connection = ibis.pyspark.connect(session)
    session.sql(TIMEZONE_FUNCTION)
    raw.createOrReplaceTempView("raw")
    tables = [connection.table("raw")]
    for number, reference in enumerate(references):
        # Sent to every executor: Spark would rather sort fifty million states to join them with a few aircraft.
        reference.hint("broadcast").createOrReplaceTempView(f"reference_{number}")
        tables.append(connection.table(f"reference_{number}"))
    return session.sql(connection.compile(what.expression(*tables, snapshot)))


def enrich_on_spark(
    session: SparkSession,
    what: Enrichment,
    lake: Lake,
    files: Mapping[str, Sequence[tuple[str, int]]],
    snapshot: str,
    asked: Iterable[str],
) -> dict[str, int]:
    """Publish `what` for the days `asked`, from the raw `files` (path in the lake, rows) of each day that has any; rows
    by day. Raises `LakeError` for a lake in a bucket.

    A day's files are replaced whole: what an earlier run wrote of it, on whichever engine, goes.
    """
    from pyspark.sql import functions as F

    if not isinstance(lake.files, LocalFiles):
        raise LakeError(
            f"the lake {lake}: Spark enriches a lake in a folder that all its machines see; for this one set "
            "OPENSKY_ENGINE=local"
        )
    rows: Counter[str] = Counter()
    with lake.run() as run:
        staged: dict[str, Path] = {}
        paths = [_uri(lake, path) for day in files for path, _ in files[day]]
        if paths:
            read = session.read.option("basePath", _uri(lake, what.raw.path))
            raw = read.parquet(*paths).withColumn("day", F.col("day").cast("date"))
            others = [session.read.parquet(_uri(lake, reference.path)) for reference in what.references]
            frame = enriched_frame(session, what, raw, others, snapshot)
            if what.order:
                order = [F.col(name).asc_nulls_last() for name in ("day", *what.order)]
                frame = frame.repartition("day").sortWithinPartitions(*order)
            for path, file, count in frame.mapInArrow(_Stager(what, run), STAGED).collect():
                staged[path] = Path(file)
                rows[path.split("day=")[1][:10]] += count
        lake.publish(
            staged, drop=[path for found in lake.day_files(what.result.path, asked).values() for path in found]
        )
    return dict(rows)


def _uri(lake: Lake, path: str) -> str:
    """A path of the lake for Hadoop, which takes a URI as it stands and decodes nothing."""
    return unquote(lake.uri(path))


class _Stager:
    """Writes a task's rows to staged files, one a day, and tells where they are. Works on an executor."""

    def __init__(self, what: Enrichment, run: Staging) -> None:
        self.what, self.run = what, run

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        result = self.what.result
        files = DayFiles(
            self.run.folder(result.name),
            f"{result.path}/day={{day}}/{result.name}-{context.partitionId():05d}.parquet",
            result.schema,
            metadata={"opensky.contract_version": result.version},
        )
        for day, part in split_days(self.what.conform(batch) for batch in batches):
            files.write(day, part)
        staged, outputs = files.close()
        told = [{"path": o.path, "staged": str(staged[o.path]), "rows": o.rows} for o in outputs]
        if told:
            yield pa.RecordBatch.from_pylist(told)
