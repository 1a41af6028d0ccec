"""DuckDB and Spark reconcile the same records to the same flights, superseded flights and counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.transforms.reconcile import EPOCH_US_FUNCTION, reconcile
from opensky_assets.transforms.rows import conform
from opensky_assets_tests.flight_records import DAY, RECORDS, Record, on_duckdb, ordered, records, slowly

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def duck() -> Iterator[ibis.backends.duckdb.Backend]:
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()


def on_spark(session: SparkSession, found: list[Record]) -> tuple[list[Record], list[Record], list[Record]]:
    connection = ibis.pyspark.connect(session)
    session.sql(EPOCH_US_FUNCTION)
    session.createDataFrame(pa.Table.from_pylist(found, schema=RECORDS)).createOrReplaceTempView("flight_records")

    def keep(name: str, table: ibis.Table) -> ibis.Table:
        session.sql(connection.compile(table)).cache().createOrReplaceTempView(f"reconcile_{name}")
        return connection.table(f"reconcile_{name}")

    result = reconcile(connection.table("flight_records"), {DAY}, keep)
    rows = []
    for table, contract in ((result.flights, CORE_FLIGHTS), (result.superseded, SUPERSEDED_FLIGHTS)):
        schema = pa.schema([pa.field("day", pa.date32(), nullable=False), *contract.schema])
        batches = session.sql(connection.compile(table)).toArrow().to_batches()
        rows.append(ordered(row for batch in batches for row in conform(batch, schema).to_pylist()))
    counts = session.sql(connection.compile(result.counts.order_by("day", "origin_kind"))).toArrow().to_pylist()
    session.catalog.clearCache()
    return rows[0], rows[1], counts


def test_random_records(session: SparkSession, duck: ibis.backends.duckdb.Backend) -> None:
    # An example takes Spark some seconds: a failing one is shown as it is, not made smaller.
    seen = {"flights": 0, "superseded": 0}

    @settings(max_examples=6, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(records(least=150, most=200))
    def holds(found: list[Record]) -> None:
        flights, superseded, counts = on_duckdb(duck, found, {DAY})
        assert on_spark(session, found) == (flights, superseded, counts) == slowly(found, {DAY})
        seen["flights"] += len(flights)
        seen["superseded"] += len(superseded)

    holds()
    assert seen["flights"] and seen["superseded"]
