"""Rows to staged Parquet files, one a day: row groups sorted and of a useful size, memory bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.lake.manifest import OutputFile

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

    `relative` is the path in the lake with `{day}` in it. Rows are sorted by `sort_by` within a row group only: a
    whole day is never held. `metadata` goes into each footer. The same rows in the same order give the same bytes.
    """

    folder: Path
    relative: str
    schema: pa.Schema
    sort_by: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    compression_level: int = 1
    _days: dict[str, _Day] = field(default_factory=dict)
    _buffered: int = 0

    def write(self, day: str, table: pa.Table) -> None:
        """Add rows of a day; their columns are cast to the schema."""
        if not table.num_rows:
            return
        state = self._days.setdefault(day, _Day(self.folder / f"{day}.parquet"))
        state.buffered.append(table.select(self.schema.names).cast(self.schema))
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
            part = part.sort_by([(name, "ascending") for name in self.sort_by])
        if state.writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            state.writer = pq.ParquetWriter(
                state.staged,
                self.schema.with_metadata(dict(self.metadata)) if self.metadata else self.schema,
                compression="zstd",
                compression_level=self.compression_level,
                use_dictionary=[f.name for f in self.schema if pa.types.is_string(f.type)],
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
            path = self.relative.format(day=day)
            staged[path] = state.staged
            outputs.append(OutputFile(path, state.rows, state.staged.stat().st_size))
        return staged, outputs
