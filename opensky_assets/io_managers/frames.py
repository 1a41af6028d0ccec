"""Frames of every library: rows of the lake as what an annotation asks for, and what an asset returns as Arrow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.transforms.rows import BATCH_ROWS

if TYPE_CHECKING:
    import pyarrow.dataset as ds

KINDS = (
    "pa.Table, pa.RecordBatchReader, pl.LazyFrame, pl.DataFrame, pandas.DataFrame, duckdb.DuckDBPyRelation or "
    "pyspark.sql.DataFrame"
)


def is_of(package: str, wanted: Any) -> bool:
    """Whether a type is one of `package`, which is not imported for those who do not use it."""
    return getattr(wanted, "__module__", "").split(".")[0] == package


def convert(dataset: "ds.Dataset", wanted: Any, lake: Lake) -> Any:
    """A dataset as the type asked for. Raises `TypeError` for one that is not known."""
    if wanted is pl.LazyFrame:
        return pl.scan_pyarrow_dataset(dataset)
    if wanted is pl.DataFrame:
        return pl.DataFrame(dataset.to_table())
    if is_of("pandas", wanted):
        return dataset.to_table().to_pandas()
    if wanted is pa.RecordBatchReader:
        return dataset.scanner().to_reader()
    if wanted is duckdb.DuckDBPyRelation:
        return lake.attach(duckdb.connect()).from_arrow(dataset)
    if wanted in (pa.Table, Any):
        return dataset.to_table()
    raise TypeError(f"cannot load a table as {wanted}: annotate the input as {KINDS}")


def reader_of(frame: Any) -> pa.RecordBatchReader:
    """The rows of a frame. Raises `TypeError` for what is none."""
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if isinstance(frame, pa.Table):
        return frame.to_reader()
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_reader()
    if isinstance(frame, duckdb.DuckDBPyRelation):
        return frame.to_arrow_reader(BATCH_ROWS)
    if is_of("pandas", type(frame)):
        return pa.Table.from_pandas(frame, preserve_index=False).to_reader()
    if is_of("pyspark", type(frame)):
        table: pa.Table = frame.toArrow()
        return table.to_reader()
    raise TypeError(f"cannot store {type(frame).__name__} as a table: return {KINDS}")


def with_day(rows: pa.RecordBatchReader, days: Sequence[str]) -> pa.RecordBatchReader:
    """The rows with a column `day`: their own one or, where the run is over one day, that day. Raises `ValueError`."""
    if "day" in rows.schema.names:
        return rows
    if len(days) != 1:
        raise ValueError(
            f"rows of {len(days)} days without a column `day`: add one, a date or text, with the day of each row"
        )
    schema = rows.schema.append(pa.field("day", pa.string()))
    batches = (batch.append_column("day", pa.repeat(days[0], batch.num_rows)) for batch in rows)
    return pa.RecordBatchReader.from_batches(schema, batches)
