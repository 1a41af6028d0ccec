"""`flights` on Spark: one query, whose rows the driver gets."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from opensky_assets.engines.spark.errors import SparkGaveUp, gave_up
from opensky_assets.engines.spark.tables import table_frame
from opensky_assets.lake import Lake
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS, Contract
from opensky_assets.transforms.flights import Made, counts_of, objects_of
from opensky_assets.transforms.inputs import Work, steady
from opensky_assets.transforms.reconcile import EPOCH_US_FUNCTION, reconcile
from opensky_assets.transforms.rows import conform, daily_schema

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import DataFrame, SparkSession


def flights_on_spark(session: SparkSession, lake: Lake, work: Work) -> Made:
    """The flights of the days of `work`; the driver gets their rows, day by day, since a day has some 100,000."""
    from pyspark.errors import AnalysisException

    with steady(lake, FLIGHTS, work.files, (AnalysisException, SparkGaveUp)):
        return _reconciled(session, lake, work)


def _reconciled(session: SparkSession, lake: Lake, work: Work) -> Made:
    import ibis  # its part for Spark imports pyspark
    from pyspark.sql import functions as F

    connection = ibis.pyspark.connect(session)
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

    kept: list[DataFrame] = []

    def keep(name: str, table: ir.Table) -> ir.Table:
        kept.append(session.sql(connection.compile(table)).cache())
        kept[-1].createOrReplaceTempView(f"reconcile_{name}")
        return connection.table(f"reconcile_{name}")

    found = reconcile(connection.table("records"), days, keep)

    def rows(table: ir.Table, contract: Contract) -> pa.Table:
        ordered = session.sql(connection.compile(table.order_by("day", "lastseen", "icao24", "firstseen")))
        parts = [conform(batch, daily_schema(contract)) for batch in ordered.toArrow().to_batches()]
        return pa.Table.from_batches(parts, daily_schema(contract))

    with gave_up():
        counts = counts_of(tuple(row) for row in session.sql(connection.compile(found.counts)).collect())
        flights, superseded = rows(found.flights, CORE_FLIGHTS), rows(found.superseded, SUPERSEDED_FLIGHTS)
    for frame in kept:
        frame.unpersist()
    return Made(flights.to_reader(), lambda: superseded, counts)
