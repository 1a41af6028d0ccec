"""Enrichments on DuckDB, in this process: chunk by chunk, so that memory does not grow with the days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.warehouse import quoted
from opensky_assets.transforms.enrich import UTC, Enrichment

CHUNK_ROWS = 1_000_000
"""Rows sorted at a time where rows are sorted: flights of about a busy fortnight."""

BATCH_ROWS = 100_000

Files = Mapping[str, Sequence[tuple[str, int]]]
"""Day → its raw files by their paths in the lake, each with its rows."""


def enriched_batches(
    what: Enrichment, lake: Lake, files: Files, snapshot: str, threads: int | None
) -> pa.RecordBatchReader:
    """Run `what` over the `files` and the lake's reference tables; a reader of its schema, ordered by day."""
    chunks = _whole_days(files) if what.order else ([path] for day in sorted(files) for path, _ in files[day])
    return pa.RecordBatchReader.from_batches(what.schema, _batches(what, lake, chunks, snapshot, threads))


def _whole_days(files: Files) -> Iterator[list[str]]:
    chunk: list[str] = []
    rows = 0
    for day in sorted(files):
        day_rows = sum(count for _, count in files[day])
        if chunk and rows + day_rows > CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
        chunk += [path for path, _ in files[day]]
        rows += day_rows
    if chunk:
        yield chunk


def _batches(
    what: Enrichment, lake: Lake, chunks: Iterator[list[str]], snapshot: str, threads: int | None
) -> Iterator[pa.RecordBatch]:
    connection = ibis.duckdb.connect()
    try:
        lake.attach(connection.con)
        if threads:
            connection.raw_sql(f"SET threads = {threads}")
        tables = [_table(connection, reference.name, [lake.location(reference.path)]) for reference in what.references]
        for chunk in chunks:
            rows = _table(connection, what.raw.name, [lake.location(path) for path in chunk])
            times = {f.name: rows[f.name].cast(UTC) for f in what.raw.schema if pa.types.is_timestamp(f.type)}
            query = what.expression(rows.mutate(day=rows.day.cast("date"), **times), *tables, snapshot)
            if what.order:
                query = query.order_by(["day", *what.order])
            sql = connection.compile(query)
            for batch in connection.con.sql(sql).to_arrow_reader(BATCH_ROWS):  # ibis 12 calls what duckdb 2 dropped
                yield what.conform(batch)
    finally:
        connection.disconnect()


def _table(connection: ibis.backends.duckdb.Backend, name: str, locations: Sequence[str]) -> ir.Table:
    """Parquet files as a table. Not by ibis' `read_parquet`, which wants DuckDB's own extension for `s3://`."""
    listed = ", ".join(quoted(location) for location in locations)
    hive = "hive_partitioning = true, hive_types_autocast = false"
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{listed}], {hive})")
    return connection.table(name)
