"""Core tables on DuckDB, in this process: chunk by chunk, so that memory does not grow with the days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake
from opensky_assets.lake.warehouse import quoted
from opensky_assets.schemas import CORE_FLIGHTS, FLIGHTS, SUPERSEDED_FLIGHTS, Contract
from opensky_assets.schemas.types import Kind, type_of
from opensky_assets.storage.files import Overtaken
from opensky_assets.transforms.enrich import UTC, Enrichment
from opensky_assets.transforms.flights import Made, counts_of, objects_of
from opensky_assets.transforms.inputs import Files, Work, files_of, is_raw
from opensky_assets.transforms.reconcile import REACH_DAYS, daily_batches, daily_schema, epoch_us, reconcile_on_duckdb
from opensky_assets.transforms.repeats import first_of_each, overlapping

CHUNK_ROWS = 1_000_000
"""Rows sorted at a time where rows are sorted: flights of about a busy fortnight."""

BATCH_ROWS = 100_000


def enriched_batches(
    what: Enrichment, lake: Lake, files: Files, snapshot: str, threads: int | None
) -> pa.RecordBatchReader:
    """Run `what` over the `files` and the lake's reference tables; a reader of its schema, ordered by day."""
    chunks = _whole_days(files) if what.order else _by_time(what.raw, lake, files)
    return pa.RecordBatchReader.from_batches(what.schema, _batches(what, lake, files, chunks, snapshot, threads))


@dataclass(frozen=True)
class _Chunk:
    """Files to read at a time; with `between`, only their rows of `day_column` in that half-open span (microseconds),
    and of rows with equal keys only the first."""

    paths: list[str]
    between: tuple[int, int] | None = None


def _whole_days(files: Files) -> Iterator[_Chunk]:
    for days in _chunks_of_days(sorted(files), files):
        yield _Chunk([path for day in days for path, _ in files[day]])


def _by_time(contract: Contract, lake: Lake, files: Files) -> Iterator[_Chunk]:
    """File by file; files whose times overlap together, since the same state may stand in each: in slices of time of
    at most about `CHUNK_ROWS` rows."""
    for day in sorted(files):
        for group in overlapping(contract, lake, files[day]):
            paths = [path for path, _ in group.files]
            if len(paths) == 1:
                yield _Chunk(paths)
                continue
            slices = -(-sum(rows for _, rows in group.files) // CHUNK_ROWS)
            width = -(-(group.last - group.first + 1) // slices)
            for start in range(group.first, group.last + 1, width):
                yield _Chunk(paths, (start, start + width))


def _batches(
    what: Enrichment, lake: Lake, files: Files, chunks: Iterator[_Chunk], snapshot: str, threads: int | None
) -> Iterator[pa.RecordBatch]:
    with _connection(lake, threads) as connection, steady(lake, what.raw, files):
        tables = [_table(connection, reference.name, [lake.location(reference.path)]) for reference in what.references]
        for chunk in chunks:
            rows = _table(connection, what.raw.name, [lake.location(path) for path in chunk.paths], chunk.between)
            if chunk.between:
                time = what.raw.day_column or ""
                start, end = (ibis.literal(at) for at in chunk.between)
                rows = rows.filter((epoch_us(rows[time]) >= start) & (epoch_us(rows[time]) < end))
                rows = first_of_each(rows, what.raw, "filename")
            times = {f.name: rows[f.name].cast(UTC) for f in what.raw.schema if type_of(f.type).kind is Kind.TIME}
            query = what.expression(rows.mutate(day=rows.day.cast("date"), **times), *tables, snapshot)
            if what.order:
                query = query.order_by(["day", *what.order])
            elif chunk.between:
                query = query.order_by(["day", *what.raw.key])
            sql = connection.compile(query)
            for batch in connection.con.sql(sql).to_arrow_reader(BATCH_ROWS):  # ibis 12 calls what duckdb 2 dropped
                yield what.conform(batch)


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
    with _connection(lake, threads) as connection, steady(lake, FLIGHTS, work.files):
        connection.con.register("objects", objects_of(lake, work.files))
        for chunk in _chunks_of_days(days, work.files):
            paths = [path for day in days_around(chunk, REACH_DAYS, REACH_DAYS) for path, _ in work.files.get(day, ())]
            _table(connection, FLIGHTS.name, [lake.location(path) for path in paths], with_names=True)
            connection.raw_sql(
                f"CREATE OR REPLACE TEMP VIEW records AS SELECT {FLIGHTS.name}.* REPLACE (day::DATE AS day), "
                f"source_object, origin_kind FROM {FLIGHTS.name} JOIN objects "
                "ON objects.file_name = parse_filename(filename)"
            )
            wanted = [date.fromisoformat(day) for day in chunk]
            found = reconcile_on_duckdb(connection, connection.table("records"), wanted)
            counts |= counts_of(connection.con.sql(connection.compile(found.counts)).fetchall())
            superseded += daily_batches(connection, found.superseded, SUPERSEDED_FLIGHTS)
            yield from daily_batches(connection, found.flights, CORE_FLIGHTS)


def _chunks_of_days(days: Sequence[str], files: Files) -> Iterator[list[str]]:
    """Whole days with at most about `CHUNK_ROWS` rows."""
    chunk: list[str] = []
    rows = 0
    for day in days:
        of_day = sum(count for _, count in files[day])
        if chunk and rows + of_day > CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
        chunk.append(day)
        rows += of_day
    if chunk:
        yield chunk


@contextmanager
def steady(lake: Lake, contract: Contract, files: Files) -> Iterator[None]:
    """Where reading `files` fails since another run has replaced one of them meanwhile, that is `Overtaken`."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        now = files_of(lake, contract, files)
        broken = is_raw(contract) and lake.broken_keys(contract.name)
        if broken or now != files:
            told = f"{contract.name}: files were replaced while they were read"
            raise Overtaken(f"the lake {lake}: {told}; run again") from error
        raise


@contextmanager
def _connection(lake: Lake, threads: int | None) -> Iterator[ibis.backends.duckdb.Backend]:
    connection = ibis.duckdb.connect()
    try:
        lake.attach(connection.con)
        if threads:
            connection.raw_sql(f"SET threads = {threads}")
        yield connection
    finally:
        connection.disconnect()


def _table(
    connection: ibis.backends.duckdb.Backend, name: str, locations: Sequence[str], with_names: object = None
) -> ir.Table:
    """Parquet files as a table, on request with the name of each row's file. Not by ibis' `read_parquet`, which wants
    DuckDB's own extension for `s3://`."""
    listed = ", ".join(quoted(location) for location in locations)
    options = "hive_partitioning = true, hive_types_autocast = false" + (", filename = true" if with_names else "")
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{listed}], {options})")
    return connection.table(name)
