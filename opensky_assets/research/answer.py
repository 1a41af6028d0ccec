"""The answer to a question: rows in memory, as pandas, Polars or Arrow, or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True, repr=False)
class Answer:
    """Rows with `day` (a date), then the columns of the table that was asked. Times are in UTC.

    `question` says what was asked, in words. `days` are the days that were read, `missing_days` those of the question
    that the lake does not have.
    """

    table: pa.Table
    question: str
    days: tuple[str, ...]
    missing_days: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.table.num_rows

    def __repr__(self) -> str:
        rows = f"{len(self):,} row{'' if len(self) == 1 else 's'}"
        missing = f"; not in the lake: {', '.join(self.missing_days)}" if self.missing_days else ""
        return f"<{self.question}: {rows} of {self.table.num_columns} columns{missing}; .pandas(), .polars(), .arrow()>"

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.column_names)

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame. `day` holds `datetime.date`; times are `datetime64[us, UTC]`."""
        return self.table.to_pandas()

    def polars(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        import polars as pl

        return pl.DataFrame(self.table)

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Write the rows to a file, in the `format`, by default the one that its name ends in: parquet, geojson,
        geoparquet, kml or xlsx. A file that is there is replaced once the new one is complete. Raises `QuestionError`
        where the format is unknown or cannot hold the rows."""
        from opensky_assets.research.export import save

        return save(self.table, Path(path), format)
