"""Run the dbt models over exact files of exact days, and publish their rows by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.manifest import NO_DAY
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.schemas import DATA_QUALITY_DAILY, ENRICHED_FLIGHTS, FLIGHTS, STATE_VECTORS, Contract

COUNTED = (FLIGHTS, STATE_VECTORS)
"""Raw tables whose manifests feed `data_quality_daily`."""

COUNTS = pa.schema(
    [
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class DbtTest:
    """The outcome of one dbt test: its name, its model, how many rows it found wrong, and dbt's words."""

    name: str
    models: tuple[str, ...]
    passed: bool
    failures: int
    message: str


RunDbt = Callable[[Path, Path, Sequence[str]], list[DbtTest]]
"""Runs `dbt build` over (database, folder for dbt's files, models); raises where a model does not build."""


class MartsFailed(Exception):
    """A data test failed, so nothing was published; `tests` has all outcomes."""

    def __init__(self, tests: list[DbtTest]) -> None:
        failed = [test for test in tests if not test.passed]
        told = "; ".join(f"{test.name}: {test.failures} rows ({test.message})" for test in failed)
        super().__init__(f"{len(failed)} of {len(tests)} dbt tests failed, nothing was published: {told}")
        self.tests = tests


@dataclass(frozen=True)
class MartsReport:
    """`rows`: of each mart, rows by day, of every day that it could be computed for (0 where it has none)."""

    rows: dict[str, dict[str, int]]
    tests: list[DbtTest]


def build_marts(lake: Lake, days: Sequence[str], marts: Sequence[Contract], run_dbt: RunDbt) -> MartsReport:
    """Compute `marts` for `days` and publish them as `marts/<model>/day=…`. Raises `MartsFailed`."""
    counts = dict(daily_counts(lake, days))
    flights = lake.day_paths(ENRICHED_FLIGHTS.path, days)
    with lake.run() as run:
        folder = run.folder("dbt")
        database = folder / "run.duckdb"
        _prepare(database, folder, counts, flights)
        tests = run_dbt(database, folder / "target", [mart.name for mart in marts])
        if not all(test.passed for test in tests):
            raise MartsFailed(tests)
        rows = {}
        for mart in marts:
            computed = sorted(counts.keys() | flights.keys() if mart is DATA_QUALITY_DAILY else flights)
            found = _publish(lake, run, database, mart, days)
            rows[mart.name] = {day: found.get(day, 0) for day in computed}
    return MartsReport(rows, tests)


def daily_counts(lake: Lake, days: Iterable[str]) -> Iterator[tuple[str, dict[tuple[str, str], int]]]:
    """What the manifests count, by day and then by (table, measure).

    Records whose day cannot be told stand as `undated:<reason>` on the first day of their object, so that none is
    left out.
    """
    wanted = set(days)
    found: dict[str, dict[tuple[str, str], int]] = {}

    def add(day: str, table: str, measure: str, records: int) -> None:
        if day in wanted:
            counts = found.setdefault(day, {})
            counts[table, measure] = counts.get((table, measure), 0) + records

    for contract in COUNTED:
        for manifest in lake.manifests(contract.name).values():
            dated = [day for day in manifest.days if day != NO_DAY]
            for day in dated:
                counts = manifest.days[day]
                add(day, contract.name, "read", counts.read)
                add(day, contract.name, "written", counts.written)
                add(day, contract.name, "quarantined", counts.quarantined)
                for reason, records in manifest.reasons.get(day, {}).items():
                    add(day, contract.name, f"quarantined:{reason}", records)
            for reason, records in manifest.reasons.get(NO_DAY, {}).items():
                if dated:
                    add(min(dated), contract.name, f"undated:{reason}", records)
    yield from sorted(found.items())


def _prepare(
    database: Path, folder: Path, counts: dict[str, dict[tuple[str, str], int]], flights: dict[str, list[Path]]
) -> None:
    """Make the scratch database, whose one table lists the files that the models may read. An empty file of each
    table is among them, so that a model has its columns where the days have no rows."""
    files: list[tuple[str, Path]] = [("enriched_flights", path) for paths in flights.values() for path in paths]
    for day, by_measure in counts.items():
        files.append(("counts", _stage_counts(folder, day, by_measure)))
    for name, schema in (("enriched_flights", ENRICHED_FLIGHTS.schema), ("counts", COUNTS)):
        empty = folder / "empty" / name / f"day={date.min.isoformat()}" / "empty.parquet"
        empty.parent.mkdir(parents=True)
        pq.write_table(schema.empty_table(), empty)
        files.append((name, empty))
    listing = pa.table({"table_name": [name for name, _ in files], "path": [path.as_posix() for _, path in files]})
    with duckdb.connect(str(database)) as connection:
        connection.register("listing", listing)
        connection.execute("CREATE TABLE lake_files AS SELECT * FROM listing")


def _stage_counts(folder: Path, day: str, by_measure: dict[tuple[str, str], int]) -> Path:
    path = folder / "counts" / f"day={day}" / "counts.parquet"
    path.parent.mkdir(parents=True)
    rows = [{"table_name": t, "measure": m, "records": n} for (t, m), n in sorted(by_measure.items())]
    pq.write_table(pa.Table.from_pylist(rows, schema=COUNTS), path)
    return path


def _publish(lake: Lake, run: Staging, database: Path, mart: Contract, days: Sequence[str]) -> dict[str, int]:
    """Publish one mart's rows by day; days asked for that have none lose their file."""
    relative = f"{mart.path}/day={{day}}/{mart.name}.parquet"
    files = DayFiles(run.folder(mart.name), relative, mart.schema, metadata={"opensky.contract_version": mart.version})
    order = ", ".join(["day", *mart.key])
    columns = ", ".join(f'"{name}"' for name in mart.schema.names)
    with duckdb.connect(str(database), read_only=True) as connection:
        query = f'SELECT day::VARCHAR AS day, {columns} FROM "{mart.name}" ORDER BY {order}'
        for batch in connection.sql(query).to_arrow_reader(100_000):
            table = pa.Table.from_batches([batch])
            for day in table["day"].unique().to_pylist():
                part = table.filter(pa.compute.equal(table["day"], day))
                files.write(day, part.drop_columns(["day"]))
    staged, outputs = files.close()
    gone = {relative.format(day=day) for day in days} - staged.keys()
    lake.publish(staged, drop=sorted(gone))
    return {output.path.rsplit("/", 2)[1].removeprefix("day="): output.rows for output in outputs}
