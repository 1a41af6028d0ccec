"""What is true about a simulated bucket, written beside it while the bucket is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opensky_assets.sources.simulation.defects import Spot

if TYPE_CHECKING:
    import polars as pl

    from opensky_assets.sources.simulation.aircraft_tables import Winner

ROWS = 50_000  # defects and counts kept before they are written


class Truth:
    """Writes `flights.parquet`, `aircraft.parquet`, `defects.parquet` and `counts.parquet` into a folder.

    `counts` has the lines that are records and those expected in quarantine, by object; of a rejected object nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, int] = {}
        self.defects = 0
        self.quarantined = 0
        self.writers: dict[str, Any] = {}
        self.held: dict[str, list[dict[str, object]]] = {"defects": [], "counts": []}

    def __enter__(self) -> Truth:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for name in self.held:
                self.flush(name)
        for writer in self.writers.values():
            writer.close()

    def flights(self, flights: pl.DataFrame) -> None:
        self.write("flights", flights)

    def aircraft(self, winners: list[Winner]) -> None:
        import polars as pl

        columns = ("icao24", "newest_record", "newest_table", "records")
        self.write("aircraft", pl.DataFrame({name: [getattr(w, name) for w in winners] for name in columns}))

    def add_all(self, spots: Iterable[Spot]) -> None:
        for spot in spots:
            self.add(spot)

    def add(self, spot: Spot) -> None:
        """Take over what was noted about an object."""
        self.records[spot.table] = self.records.get(spot.table, 0) + spot.records
        self.defects += len(spot.defects)
        self.quarantined += spot.quarantined
        self.held["counts"].append(
            {
                "object": spot.object,
                "table": spot.table,
                "records": spot.records,
                "quarantined": spot.quarantined,
            }
        )
        self.held["defects"] += [
            {
                "object": d.object,
                "line_number": d.line_number,
                "kind": d.kind,
                "outcome": d.outcome.value,
                "reason": d.reason.value if d.reason else None,
                "column": d.column,
            }
            for d in sorted(spot.defects, key=lambda d: d.line_number)
        ]
        for name, rows in self.held.items():
            if len(rows) >= ROWS:
                self.flush(name)

    def flush(self, name: str) -> None:
        import polars as pl

        texts = dict.fromkeys(("kind", "outcome", "reason", "column"), pl.String)
        schemas = {
            "defects": {"object": pl.String, "line_number": pl.Int64, **texts},
            "counts": {"object": pl.String, "table": pl.String, "records": pl.Int64, "quarantined": pl.Int64},
        }
        self.write(name, pl.DataFrame(self.held[name], schema=schemas[name]))
        self.held[name] = []

    def write(self, name: str, frame: pl.DataFrame) -> None:
        import pyarrow.parquet as pq

        table = frame.to_arrow()
        if name not in self.writers:
            self.writers[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", table.schema, compression="zstd")
        self.writers[name].write_table(table)
