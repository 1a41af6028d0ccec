"""`flights` on this machine: chunk by chunk, so that memory does not grow with the days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import ibis
import pyarrow as pa

from opensky_assets.calendar import days_around
from opensky_assets.engines.chunks import chunks_of_days
from opensky_assets.engines.on_duckdb import create_view, open_duckdb
from opensky_assets.lake import Lake
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.transforms.flights import REACH_DAYS, Made, counts_of, objects_of
from opensky_assets.transforms.inputs import Work, steady
from opensky_assets.transforms.reconcile import daily_batches, reconcile_on_duckdb
from opensky_assets.transforms.rows import daily_schema


def flights_on_duckdb(lake: Lake, work: Work, threads: int | None) -> Made:
    """The flights of the days of `work`, made while they are read."""
    counts: dict[str, dict[str, int]] = {}
    superseded: list[pa.RecordBatch] = []
    schema = daily_schema(SUPERSEDED_FLIGHTS)
    batches = _flight_batches(lake, work, threads, counts, superseded)
    reader = pa.RecordBatchReader.from_batches(daily_schema(CORE_FLIGHTS), batches)
    return Made(reader, lambda: pa.Table.from_batches(superseded, schema), counts)


def _flight_batches(
    lake: Lake,
    work: Work,
    threads: int | None,
    counts: dict[str, dict[str, int]],
    superseded: list[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    days = sorted(day for day in work.inputs if day in work.files)
    with steady(lake, FLIGHTS, work.files), open_duckdb(lake, threads) as duck:
        connection = ibis.duckdb.from_connection(duck)
        duck.register("objects", objects_of(lake, work.files))
        for chunk in chunks_of_days(days, work.files):
            paths = [path for day in days_around(chunk, REACH_DAYS, REACH_DAYS) for path, _ in work.files.get(day, ())]
            create_view(duck, lake, FLIGHTS.name, paths, with_names=True)
            duck.execute(
                f"CREATE OR REPLACE TEMP VIEW records AS SELECT {FLIGHTS.name}.* REPLACE (day::DATE AS day), "
                f"source_object, origin_kind FROM {FLIGHTS.name} JOIN objects "
                "ON objects.file_name = parse_filename(filename)"
            )
            wanted = [date.fromisoformat(day) for day in chunk]
            found = reconcile_on_duckdb(connection, connection.table("records"), wanted)
            counts |= counts_of(duck.sql(connection.compile(found.counts)).fetchall())
            superseded += daily_batches(connection, found.superseded, SUPERSEDED_FLIGHTS)
            yield from daily_batches(connection, found.flights, CORE_FLIGHTS)
