"""Rows to staged Parquet files, one a day: row groups sorted and of a useful size, memory bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opensky_assets.calendar import Partitions
from opensky_assets.lake.manifest import OutputFile
from opensky_assets.schemas.types import Kind, type_of

ROW_GROUP_ROWS = 250_000
BUFFERED_ROWS = 1_000_000
"""Rows held over all open days; beyond it the fullest day is written."""


@dataclass
class _Day:
    staged: Path
    buffered: list[pa.Table] = field(default_factory=list)
    rows_buffered: int = 0
    rows: int = 0
    writer: pq.ParquetWriter | None = None


@dataclass
class DayFiles:
    """Writes tables, handed over day by day in any order, to one staged file a day.

    A day's file has the path `<table>/day=<day>/<name>.parquet` in the lake, that of another partition the folder of
    `partitions`. Rows are sorted by `sort_by` within a row group only: a whole day is never held. Columns named in
    `dictionary`, and texts, are written as numbers into a list of their values, columns in `delta` as steps. `metadata`
    goes into each footer. The same rows in the same order give the same bytes.
    """

    folder: Path
    table: str
    name: str
    schema: pa.Schema
    sort_by: Sequence[str] = ()
    dictionary: Sequence[str] = ()
    delta: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    compression_level: int = 1
    partitions: Partitions = Partitions.DAY
    _days: dict[str, _Day] = field(default_factory=dict)
    _buffered: int = 0

    def write(self, day: str, table: pa.Table) -> None:
        """Add rows of a day; their columns are cast to the schema."""
        if not table.num_rows:
            return
        state = self._days.setdefault(day, _Day(self.folder / f"{day}.parquet"))
        state.buffered.append(table.select(self.schema.names))
        state.rows_buffered += table.num_rows
        self._buffered += table.num_rows
        while state.rows_buffered >= ROW_GROUP_ROWS:
            self._flush(state, ROW_GROUP_ROWS)
        if self._buffered > BUFFERED_ROWS:
            self._flush(max(self._days.values(), key=lambda other: other.rows_buffered), ROW_GROUP_ROWS)

    def _flush(self, state: _Day, limit: int) -> None:
        table = pa.concat_tables(state.buffered)
        part, rest = table.slice(0, limit), table.slice(limit)
        if self.sort_by:
            part = sort_rows(part, self.sort_by)
        part = part.cast(self.schema)
        if state.writer is None:
            self.folder.mkdir(exist_ok=True)
            state.writer = pq.ParquetWriter(
                state.staged,
                self.schema.with_metadata(dict(self.metadata)) if self.metadata else self.schema,
                compression="zstd",
                compression_level=self.compression_level,
                use_dictionary=[f.name for f in self.schema if f.name in self.dictionary or _is_text(f.type)],
                column_encoding={name: "DELTA_BINARY_PACKED" for name in self.delta} or None,
                write_page_index=True,
            )
        state.writer.write_table(part.replace_schema_metadata(self.metadata or None), row_group_size=limit)
        state.rows += part.num_rows
        state.buffered = [rest] if rest.num_rows else []
        state.rows_buffered = rest.num_rows
        self._buffered -= part.num_rows

    def close(self) -> tuple[dict[str, Path], list[OutputFile]]:
        """Write what is left. Returns the staged files by path in the lake, and what they hold, by day."""
        staged, outputs = {}, []
        for day, state in sorted(self._days.items()):
            while state.rows_buffered:
                self._flush(state, ROW_GROUP_ROWS)
            assert state.writer is not None
            state.writer.close()
            path = f"{self.table}/{self.partitions.folder_of(day)}/{self.name}.parquet"
            staged[path] = state.staged
            outputs.append(OutputFile(path, state.rows, state.staged.stat().st_size))
        return staged, outputs


def _is_text(arrow: pa.DataType) -> bool:
    return type_of(arrow).kind is Kind.TEXT


def split_days(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
    """Stretches of rows of one `day`, with that day and without its column."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        days = table["day"].to_numpy()
        start = 0
        for at in [*((days[1:] != days[:-1]).nonzero()[0] + 1).tolist(), len(days)]:
            if at > start:
                yield str(days[start])[:10], table.slice(start, at - start).drop_columns(["day"])
            start = at


def sort_rows(table: pa.Table, by: Sequence[str]) -> pa.Table:
    """The rows in ascending order, the first column leading, nulls last; rows of the same key stay in their order.

    A stable sort a column, the last one first, each of numbers: texts by the rank of their distinct values, which are
    few. That is several times as fast as comparing rows, and free where a column is in order already.
    """
    frame = pl.DataFrame(pl.from_arrow(table, rechunk=True))
    order: np.ndarray | None = None
    for name in reversed(by):
        codes = _codes(frame[name])
        if order is not None:
            codes = codes[order]
        if bool((codes[1:] >= codes[:-1]).all()):
            continue
        step = np.argsort(codes, kind="stable")
        order = step if order is None else order[step]
    if order is not None:
        frame = frame[pl.Series(order.astype(np.uint32))]
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _codes(values: pl.Series) -> np.ndarray:
    """Numbers in the order of the values."""
    if values.dtype == pl.String:
        texts = values.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        # Nulls are filled by Polars: where Arrow makes a scalar of a number it imports pandas, for a second.
        order = pl.Series(pc.sort_indices(texts.dictionary)).to_numpy()
        ranks = np.empty(len(order) + 1, dtype=np.uint16 if len(order) < 1 << 16 else np.uint32)
        ranks[order] = np.arange(len(order))
        ranks[-1] = len(order)  # of nulls
        return ranks[pl.Series(texts.indices).fill_null(len(order)).to_numpy()]
    if values.null_count() or values.dtype.is_float() or values.dtype == pl.Boolean:
        return values.rank("dense").fill_null(len(values) + 1).to_numpy()
    return values.to_physical().to_numpy()
