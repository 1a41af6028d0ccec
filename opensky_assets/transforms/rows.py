"""Rows of daily tables as engines hand them over: `day`, then exactly the columns and types of the contract.

Without ibis, whose import takes longer than a small day's work: Spark's workers import this."""

from __future__ import annotations

import pyarrow as pa

from opensky_assets.schemas import Contract

BATCH_ROWS = 100_000
"""Rows that DuckDB hands over at a time."""


def daily_schema(contract: Contract) -> pa.Schema:
    """`day`, then the columns of the contract."""
    return pa.schema([pa.field("day", pa.date32(), nullable=False), *contract.schema])


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of an engine in exactly the types of `schema`."""
    return pa.RecordBatch.from_arrays([batch.column(field.name).cast(field.type) for field in schema], schema=schema)
