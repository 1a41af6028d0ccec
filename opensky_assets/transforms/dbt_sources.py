"""The tables of the lake as sources of dbt: what each is made of, its views, and the YAML that describes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import duckdb
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.warehouse import quoted
from opensky_assets.schemas.contract import Contract
from opensky_assets.schemas.dbt_files import LAKE
from opensky_assets.schemas.dbt_project import COUNTS
from opensky_assets.schemas.tables import COUNTED, Table, lake_table, lake_tables
from opensky_assets.schemas.types import type_of
from opensky_assets.transforms.counts import COUNTS_TABLE, daily_counts, tables_counted

SOURCES_FILE = "lake.yml"
"""The file of the sources in a project's folder of models."""


def tables_behind(source: str) -> list[Table]:
    """The tables of the lake that a source reads: itself, or those whose records are counted."""
    return tables_counted() if source == COUNTS else [lake_table(source)]


# --- Views --------------------------------------------------------------------------------------------------------


def make_view(connection: duckdb.DuckDBPyConnection, schema: str, table: Table, files: Iterable[str]) -> None:
    """The view of a source over these files, or globs of files. It has the columns of the contract where there are no
    files, or only files of an older version that lack some."""
    listed = ", ".join(quoted(file) for file in files)
    columns = [f'NULL::{type_of(field.type).duckdb} AS "{field.name}"' for field in table.contract.schema]
    if table.partition_column:
        columns.append(f"NULL::{table.partition_type} AS {table.partition_column}")
    query = f"SELECT {', '.join(columns)} WHERE false"
    if listed:
        rows = f"SELECT * FROM read_parquet([{listed}]{table.hive_options}, union_by_name = true)"
        query = f"{query} UNION ALL BY NAME {rows}"
    connection.execute(f'CREATE OR REPLACE VIEW "{schema}"."{table.name}" AS {query}')


def make_counts(
    connection: duckdb.DuckDBPyConnection, schema: str, counts: Mapping[str, Mapping[tuple[str, str], int]]
) -> None:
    """The source `counts` of these days, as a table."""
    rows = [
        {"table_name": table, "measure": measure, "records": records, "day": day}
        for day, by_measure in sorted(counts.items())
        for (table, measure), records in sorted(by_measure.items())
    ]
    connection.register(
        "counted", pa.Table.from_pylist(rows, schema=pa.schema([*COUNTS_TABLE.schema, pa.field("day", pa.string())]))
    )
    connection.execute(
        f'CREATE OR REPLACE TABLE "{schema}".{COUNTS} AS SELECT * REPLACE (day::DATE AS day) FROM counted'
    )
    connection.unregister("counted")


def make_whole_lake(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """The views of all sources over the whole lake, for dbt by hand. Nothing is written into the lake."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {LAKE}")
    for table in lake_tables():
        if table.is_file:
            files = [lake.location(table.path)] if lake.exists(table.path) else []
        else:
            files = [lake.pattern(table.pattern)] if lake.days(table.path) else []
        make_view(connection, LAKE, table, files)
    days = {day for table in tables_counted() for day in lake.days(table.path)}
    days |= {day for table in tables_counted() for day in lake.days(f"quarantine/{table.contract.name}")}
    make_counts(connection, LAKE, dict(daily_counts(lake, days)))


# --- YAML ---------------------------------------------------------------------------------------------------------


def sources_yaml(only: Collection[str] | None = None) -> str:
    """All sources as the YAML file that dbt reads, with their columns; or the names alone of those in `only`, which is
    what a run needs: dbt looks at each source and column."""
    import yaml

    tables = [*(_described(table) for table in lake_tables()), _counts()]
    if only is not None:
        tables = [{"name": table["name"]} for table in tables if table["name"] in only]
    about = "The tables of the lake. A run of Dagster reads exactly the files that it may; dbt by hand all."
    document = {"version": 2, "sources": [{"name": LAKE, "schema": LAKE, "description": about, "tables": tables}]}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"# Made by `opensky-assets tables --dbt > dbt_project/models/{SOURCES_FILE}` from the contracts.\n{text}"


def _described(table: Table) -> dict[str, object]:
    columns = list(_columns(table.contract))
    if table.partition_column:
        told = f"UTC {table.partition_column} of {table.day}" if table.day else f"UTC {table.partition_column}"
        columns.append({"name": table.partition_column, "data_type": table.partition_type.lower(), "description": told})
    return {"name": table.name, "description": table.contract.description, "columns": columns}


def _counts() -> dict[str, object]:
    day = {"name": "day", "data_type": "date", "description": "UTC day of the records"}
    told = f"{COUNTS_TABLE.description} From {COUNTED}."
    return {"name": COUNTS, "description": told, "columns": [*_columns(COUNTS_TABLE), day]}


def _columns(contract: Contract) -> Iterator[dict[str, object]]:
    for column in contract.columns:
        meta = {"config": {"meta": {"unit": column.unit}}} if column.unit else {}
        kind = type_of(column.type).duckdb.lower()
        yield {"name": column.name, "data_type": kind, **meta, "description": column.description}
