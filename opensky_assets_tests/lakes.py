"""A lake in a folder whose files a test looks at, and changes, by their paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from opensky_assets.ingest.airports import airports_table
from opensky_assets.lake import Held, Lake, Manifest, Staging
from opensky_assets.lake.days import DayRows
from opensky_assets.lake.tables import ParquetTables
from opensky_assets.schemas import AIRPORTS, Contract
from opensky_assets.storage.files import LocalFiles


@dataclass(frozen=True)
class LocalLake(Lake):
    files: LocalFiles

    @staticmethod
    def at(folder: Path) -> LocalLake:
        return LocalLake(LocalFiles(folder.resolve()))

    @property
    def root(self) -> Path:
        return self.files.root

    def path(self, relative: str) -> Path:
        return self.root / relative


def commit(lake: Lake, manifest: Manifest, staged: Mapping[str, Path], run: Staging) -> Manifest:
    """Commit as an ingest does, that nobody disturbs."""
    with lake.committing(manifest.table, manifest.source) as seen:
        return lake.commit(manifest, staged, run, seen)


def hold(lake: Lake, held: Held, staged: Path | None, run: Staging) -> None:
    with lake.committing(held.table, held.source) as seen:
        lake.hold(held, staged, run, seen)


def write_days(
    lake: Lake, contract: Contract, reader: pa.RecordBatchReader, days: Sequence[str]
) -> tuple[dict[str, int], dict[str, pa.Table]]:
    """Publish days of a table that is made of nothing; the rows, and the first rows, of each that has any."""
    done, heads = ParquetTables(lake).write_days(contract, DayRows(reader, {day: {} for day in days}))
    return {day: record.rows for day, record in done.records.items() if record.rows}, heads


def publish_airports(lake: Lake) -> pa.Table:
    """Publish the airports, as their asset does."""
    table = airports_table()
    ParquetTables(lake).write_table(AIRPORTS, table)
    return table
