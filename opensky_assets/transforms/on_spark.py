"""Enrichments on Spark: executors read, join and write; the driver publishes what they sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.files import Sent
from opensky_assets.lake.parquet import DayFiles, split_days
from opensky_assets.schemas import Contract
from opensky_assets.spark import S3A_PACKAGES, SparkUnavailable, gave_up, reason_of
from opensky_assets.transforms.enrich import Enrichment

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TIMEZONE_FUNCTION = """
    CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, instant TIMESTAMP) RETURNS TIMESTAMP_NTZ
    RETURN convert_timezone('UTC', zone, CAST(instant AS TIMESTAMP_NTZ))
"""
"""DuckDB's function of this name. In a session whose time zone is UTC the cast gives the instant's clock in UTC."""

SENT = "path string, sent string, rows bigint"


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
    by day. Raises `SparkUnavailable` where the lake is in a bucket and Spark has not what it takes to read one.

    A day's files are replaced whole: what an earlier run wrote of it, on whichever engine, goes.
    """
    from pyspark.sql import functions as F

    rows: Counter[str] = Counter()
    with lake.run() as run:
        staged: dict[str, Sent] = {}
        paths = [path for day in files for path, _ in files[day]]
        if paths:
            raw = table_frame(session, lake, what.raw, paths)
            others = [table_frame(session, lake, reference) for reference in what.references]
            frame = enriched_frame(session, what, raw, others, snapshot)
            if what.order:
                order = [F.col(name).asc_nulls_last() for name in ("day", *what.order)]
                frame = frame.repartition("day").sortWithinPartitions(*order)
            with gave_up():
                told = frame.mapInArrow(_Stager(what, lake, run), SENT).collect()
            for path, handle, count in told:
                staged[path] = Sent(handle)
                rows[path.split("day=")[1][:10]] += count
        lake.publish(
            staged, drop=[path for found in lake.day_files(what.result.path, asked).values() for path in found]
        )
    return dict(rows)


def table_frame(session: SparkSession, lake: Lake, contract: Contract, paths: Sequence[str] = ()) -> DataFrame:
    """A table of the lake as Spark reads it: its files at `paths`, with their `day`; or the one file of a reference
    table. Raises `SparkUnavailable`."""
    from pyspark.sql import functions as F

    _require_filesystem(session, lake)
    if contract.path.endswith(".parquet"):
        return session.read.parquet(_literal(_uri(lake, contract.path)))
    read = session.read.option("basePath", _uri(lake, contract.path))
    return read.parquet(*(_literal(_uri(lake, path)) for path in paths)).withColumn("day", F.col("day").cast("date"))


def _require_filesystem(session: SparkSession, lake: Lake) -> None:
    from py4j.protocol import Py4JJavaError

    java = session.sparkContext._jvm
    assert java is not None
    try:
        java.org.apache.hadoop.fs.Path(_uri(lake, "")).getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
    except Py4JJavaError as error:
        raise SparkUnavailable(
            f"Spark cannot read the lake {lake} ({reason_of(error)}): it needs {', '.join(S3A_PACKAGES)}, by "
            "spark.jars.packages or as files by spark.jars (OPENSKY_SPARK_CONF); or set OPENSKY_ENGINE=local"
        ) from error


def _uri(lake: Lake, path: str) -> str:
    """A path of the lake for Hadoop, which takes a URI as it stands and decodes nothing."""
    uri = lake.uri(path)
    return f"s3a://{uri[5:]}" if uri.startswith("s3://") else unquote(uri)


def _literal(uri: str) -> str:
    """The pattern that matches this alone, as Hadoop spells it: Spark takes what it reads for one, not `basePath`."""
    return re.sub(r"[][*?{}\\]", r"\\\g<0>", uri)


class _Stager:
    """Writes a task's rows to files, one a day, and sends them on their way into the lake. Works on an executor."""

    def __init__(self, what: Enrichment, lake: Lake, run: Staging) -> None:
        self.what, self.lake, self.run = what, lake, run

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        result = self.what.result
        with self.lake.task(self.run) as own:
            files = DayFiles(
                own.folder(result.name),
                f"{result.path}/day={{day}}/{result.name}-{context.partitionId():05d}.parquet",
                result.schema,
                metadata={"opensky.contract_version": result.version},
            )
            for day, part in split_days(self.what.conform(batch) for batch in batches):
                files.write(day, part)
            staged, outputs = files.close()
            sent = {path: self.lake.files.send(file, path).handle for path, file in staged.items()}
        if outputs:
            yield pa.RecordBatch.from_pylist([{"path": o.path, "sent": sent[o.path], "rows": o.rows} for o in outputs])
