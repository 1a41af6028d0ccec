"""DuckDB over files of the lake, in this process or in a worker of Spark.

Without ibis, whose import takes longer than a small day's work: Spark's workers import this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.warehouse import quoted
from opensky_assets.transforms.rows import BATCH_ROWS, conform

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Chunk:
    """Files to read at a time, with about so many rows; with `between`, only their rows in that half-open span of time
    (microseconds), and of rows with equal keys only the first."""

    paths: Sequence[str]
    rows: int
    between: tuple[int, int] | None = None


@dataclass(frozen=True)
class Query:
    """An enrichment as SQL over views: `raw` and the `references`, name → path of its file; and over `lookups`, small
    tables made of the references, once for all chunks: name → SQL. `sql_of_repeated` is for chunks of files in which
    the same row may stand twice; it needs the name of each row's file. `time` is the column that such chunks are cut
    by. The rows are those of `schema`. Where the SQL does not sort (`is_sorted`), they stay as the files have them."""

    raw: str
    time: str
    references: Mapping[str, str]
    lookups: Mapping[str, str]
    schema: pa.Schema
    sql: str
    sql_of_repeated: str
    is_sorted: bool


def read_enriched(query: Query, lake: Lake, chunks: Iterable[Chunk], threads: int | None) -> Iterator[pa.RecordBatch]:
    """The rows of the query over the chunks, one after the other, and the lake's reference tables."""
    with open_duckdb(lake, threads if query.is_sorted else 1) as connection:
        if not query.is_sorted:
            _keep_order(connection)
        for name, path in query.references.items():
            create_view(connection, lake, name, [path])
        for name, sql in query.lookups.items():
            connection.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        for chunk in chunks:
            where = _between(query.time, *chunk.between) if chunk.between else ""
            create_view(connection, lake, query.raw, chunk.paths, with_names=bool(where), where=where)
            sql = query.sql_of_repeated if where else query.sql
            for batch in connection.sql(sql).to_arrow_reader(BATCH_ROWS):
                yield conform(batch, query.schema)


def _keep_order(connection: duckdb.DuckDBPyConnection) -> None:
    """Left joins give their rows in the order of the left table. It takes one thread as well: DuckDB collects what
    several give to a join as it comes."""
    # Else the smaller table is hashed, and rows come in the order of the larger one: of the aircraft, in a small chunk.
    connection.execute("SET disabled_optimizers = 'build_side_probe_side'")


@contextmanager
def open_duckdb(lake: Lake, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory that reads the lake."""
    with duckdb.connect() as connection:
        lake.attach(connection)
        if threads:
            connection.execute(f"SET threads = {threads}")
        yield connection


def create_view(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    name: str,
    paths: Sequence[str],
    with_names: bool = False,
    where: str = "",
) -> None:
    """Parquet files as a view, with `day` as text, and on request with the name of each row's file."""
    listed = ", ".join(quoted(lake.location(path)) for path in paths)
    options = "hive_partitioning = true, hive_types_autocast = false" + (", filename = true" if with_names else "")
    rows = f"SELECT * FROM read_parquet([{listed}], {options}){where}"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {rows}")


def _between(column: str, start: int, end: int) -> str:
    """Rows of a half-open span of time, with literals: DuckDB then skips the row groups of other times."""
    first, last = (f"TIMESTAMPTZ '{EPOCH + timedelta(microseconds=at)}'" for at in (start, end))
    return f' WHERE "{column}" >= {first} AND "{column}" < {last}'
