"""Enrichments on Spark: executors read, join and write; the driver publishes what they sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from opensky_assets.engines.spark.session import S3A_PACKAGES, SparkUnavailable, gave_up, reason_of
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import InputsNow, NewDay, Replaced, digest_of, replace_days
from opensky_assets.lake.manifest import OutputFile
from opensky_assets.lake.parquet import DayFiles, split_days
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS, Contract
from opensky_assets.storage.files import Sent
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.flights import Made, counts_of, objects_of
from opensky_assets.transforms.inputs import Work
from opensky_assets.transforms.reconcile import EPOCH_US_FUNCTION, conform, daily_schema, reconcile
from opensky_assets.transforms.repeats import overlapping

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import DataFrame, SparkSession

TIMEZONE_FUNCTION = """
    CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, instant TIMESTAMP) RETURNS TIMESTAMP_NTZ
    RETURN convert_timezone('UTC', zone, CAST(instant AS TIMESTAMP_NTZ))
"""
"""DuckDB's function of this name. In a session whose time zone is UTC the cast gives the instant's clock in UTC."""

SENT = "path string, sent string, rows bigint, bytes bigint, digest string"


def enriched_frame(
    session: SparkSession, what: Enrichment, raw: DataFrame, references: Sequence[DataFrame], snapshot: str
) -> DataFrame:
    """Run `what` over `raw`, which has a `day`, and its reference tables."""
    connection = ibis_on(session)
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
    work: Work,
    snapshot: str,
    inputs_now: InputsNow,
    counts: Mapping[str, Mapping[str, int]],
) -> Replaced:
    """Publish `what` for the days of `work`. Raises `SparkUnavailable` where the lake is in a bucket and Spark has not
    what it takes to read one.

    A day's files are replaced whole: what an earlier run wrote of it, on whichever engine, goes.
    """
    from pyspark.sql import functions as F

    with lake.run() as run:
        sent: dict[str, Sent] = {}
        digests: dict[str, str] = {}
        outputs: dict[str, list[OutputFile]] = {}
        if work.files:
            raw = _distinct_frame(session, what, lake, work)
            others = [table_frame(session, lake, reference) for reference in what.references]
            frame = enriched_frame(session, what, raw, others, snapshot)
            if what.order:
                order = [F.col(name).asc_nulls_last() for name in ("day", *what.order)]
                frame = frame.repartition("day").sortWithinPartitions(*order)
            with gave_up():
                told = frame.mapInArrow(_Stager(what, lake, run), SENT).collect()
            for path, handle, rows, size, digest in told:
                output = OutputFile(path, rows, size)
                sent[path], digests[path] = Sent(handle), digest
                outputs.setdefault(output.day, []).append(output)
        new = {}
        for day, inputs in work.inputs.items():
            of_day = tuple(sorted(outputs.get(day, ()), key=lambda output: output.path))
            files = {output.path: sent[output.path] for output in of_day}
            new[day] = NewDay(inputs, of_day, files, counts.get(day, {}), {path: digests[path] for path in files})
        return replace_days(lake, run, what.result.path, new, inputs_now)


def _distinct_frame(session: SparkSession, what: Enrichment, lake: Lake, work: Work) -> DataFrame:
    """The raw rows of the work; of rows of a raw table with an equal key, which two files may have, the first."""
    paths = [path for files in work.files.values() for path, _ in files]
    if what.order:  # a table of which each row is one
        return table_frame(session, lake, what.raw, paths)
    groups = [group for files in work.files.values() for group in overlapping(what.raw, lake, files)]
    alone = [path for group in groups if len(group.files) == 1 for path, _ in group.files]
    frames = [table_frame(session, lake, what.raw, alone)] if alone else []
    if together := [path for group in groups if len(group.files) > 1 for path, _ in group.files]:
        frames.append(_first_of_each(table_frame(session, lake, what.raw, together), what.raw))
    return reduce(lambda one, other: one.unionByName(other), frames)


def _first_of_each(rows: DataFrame, contract: Contract) -> DataFrame:
    """As `repeats.first_of_each`."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    others = [F.col(name).asc_nulls_last() for name in contract.schema.names if name not in contract.key]
    window = Window.partitionBy(*contract.key).orderBy(F.col("_metadata.file_name"), *others)
    return rows.withColumn("rank_of_key", F.row_number().over(window)).filter("rank_of_key = 1").drop("rank_of_key")


def flights_on_spark(session: SparkSession, lake: Lake, work: Work) -> Made:
    """The flights of the days of `work`; the driver gets their rows, day by day, since a day has some 100,000."""
    from pyspark.sql import functions as F

    connection = ibis_on(session)
    session.sql(EPOCH_US_FUNCTION)
    paths = [path for files in work.files.values() for path, _ in files]
    schema = daily_schema(CORE_FLIGHTS)
    days = [date.fromisoformat(day) for day in sorted(work.inputs) if day in work.files]
    if not days:
        empty = daily_schema(SUPERSEDED_FLIGHTS).empty_table()
        return Made(schema.empty_table().to_reader(), lambda: empty, {})
    objects = session.createDataFrame(objects_of(lake, work.files))
    raw = table_frame(session, lake, FLIGHTS, paths).withColumn("file_name", F.col("_metadata.file_name"))
    raw.join(F.broadcast(objects), "file_name").drop("file_name").createOrReplaceTempView("records")

    def keep(name: str, table: ir.Table) -> ir.Table:
        session.sql(connection.compile(table)).cache().createOrReplaceTempView(f"reconcile_{name}")
        return connection.table(f"reconcile_{name}")

    found = reconcile(connection.table("records"), days, keep)

    def rows(table: ir.Table, contract: Contract) -> pa.Table:
        ordered = session.sql(connection.compile(table.order_by("day", "lastseen", "icao24", "firstseen")))
        parts = [conform(batch, daily_schema(contract)) for batch in ordered.toArrow().to_batches()]
        return pa.Table.from_batches(parts, daily_schema(contract))

    with gave_up():
        counts = counts_of(tuple(row) for row in session.sql(connection.compile(found.counts)).collect())
        flights, superseded = rows(found.flights, CORE_FLIGHTS), rows(found.superseded, SUPERSEDED_FLIGHTS)
    return Made(flights.to_reader(), lambda: superseded, counts)


def ibis_on(session: SparkSession) -> Any:
    """ibis on a session that knows DuckDB's functions."""
    import ibis  # with pyspark, and so never on the local engine

    connection = ibis.pyspark.connect(session)
    session.sql(TIMEZONE_FUNCTION)
    return connection


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
                result.path,
                self.lake.files.fresh(f"{result.name}-{context.partitionId():05d}"),
                result.schema,
                metadata={"opensky.contract_version": result.version},
            )
            for day, part in split_days(self.what.conform(batch) for batch in batches):
                files.write(day, part)
            staged, outputs = files.close()
            digests = {path: digest_of(file) for path, file in staged.items()}
            sent = {path: self.lake.files.send(file, path).handle for path, file in staged.items()}
        if outputs:
            told = [
                {"path": o.path, "sent": sent[o.path], "rows": o.rows, "bytes": o.bytes, "digest": digests[o.path]}
                for o in outputs
            ]
            yield pa.RecordBatch.from_pylist(told)
