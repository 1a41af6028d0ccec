"""Run the dbt models over exact files of exact days, and publish their rows by day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import Replaced, new_days, replace_days
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.lake.warehouse import quoted
from opensky_assets.schemas import DATA_QUALITY_DAILY, ENRICHED_FLIGHTS, Contract
from opensky_assets.schemas.marts import BY_MOVEMENT
from opensky_assets.transforms.counts import COUNTS, daily_counts
from opensky_assets.transforms.mart_days import flight_days_of, inputs_of_mart, movement_days_of, neighbours_of


@dataclass(frozen=True)
class DbtTest:
    """The outcome of one dbt test: its name, its model, how many rows it found wrong, and dbt's words."""

    name: str
    models: tuple[str, ...]
    passed: bool
    failures: int
    message: str


RunDbt = Callable[[Lake, Path, Path, Sequence[str]], list[DbtTest]]
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
    """`rows`: of each mart, rows by day, of every day asked for that it could be computed for (0 where it has none),
    and of the days around them whose movements are not the same as before."""

    rows: dict[str, dict[str, int]]
    tests: list[DbtTest]


def build_marts(lake: Lake, days: Sequence[str], marts: Sequence[Contract], run_dbt: RunDbt) -> MartsReport:
    """Compute `marts` for `days` and publish them as `marts/<model>/day=…`. Raises `MartsFailed`, and `Overtaken` where
    the flights of a day have changed meanwhile.

    Marts by movement are computed for all days that flights of `days` have a part in, whatever made them change, and
    published where they differ from before: so any order of runs ends in what one run over everything gives.
    """
    movement_days = movement_days_of(days)
    # Not for safety, since no day goes back to older flights: a second run of adjacent days would have to run again.
    with lake.files.lock("marts.lock"), lake.run() as run:
        counts = dict(daily_counts(lake, days))
        flights = lake.day_files(ENRICHED_FLIGHTS.path, days)
        around: list[str] = []
        extra = {mart.name: neighbours_of(mart, days) for mart in marts}
        inputs = {mart.name: inputs_of_mart(lake, mart, [*days, *extra[mart.name]]) for mart in marts}
        if any(mart in BY_MOVEMENT for mart in marts):
            around = lake.locations(ENRICHED_FLIGHTS.path, flight_days_of(movement_days))
        folder = run.folder("dbt")
        database = folder / "run.duckdb"
        exact = [lake.location(path) for paths in flights.values() for path in paths]
        _prepare(lake, database, folder, counts, exact, around, movement_days)
        tests = run_dbt(lake, database, folder / "target", [mart.name for mart in marts])
        if not all(test.passed for test in tests):
            raise MartsFailed(tests)
        rows = {}
        with duckdb.connect(str(database), read_only=True) as connection:
            lake.attach(connection)
            for mart in marts:
                done = _publish(lake, run, connection, mart, days, extra[mart.name], inputs[mart.name])
                computed = counts.keys() | flights.keys() if mart is DATA_QUALITY_DAILY else flights.keys()
                shown = sorted(computed | done.changed)
                rows[mart.name] = {day: done.records[day].rows if day in done.records else 0 for day in shown}
    return MartsReport(rows, tests)


def _prepare(
    lake: Lake,
    database: Path,
    folder: Path,
    counts: dict[str, dict[tuple[str, str], int]],
    flights: Sequence[str],
    around: Sequence[str],
    movement_days: Sequence[str],
) -> None:
    """Make the scratch database: the views of dbt's source `lake`, each over exactly the files that the run may read.
    An empty file stands first in each, so that a model has its columns where the days have no rows."""
    staged = [_stage_counts(folder, day, by_measure).as_posix() for day, by_measure in counts.items()]
    views = {
        "enriched_flights": (ENRICHED_FLIGHTS.schema, flights),
        "enriched_flights_around": (ENRICHED_FLIGHTS.schema, around),
        "counts": (COUNTS, staged),
    }
    with duckdb.connect(str(database)) as connection:
        lake.attach(connection)
        connection.execute("CREATE SCHEMA lake")
        for name, (schema, paths) in views.items():
            empty = folder / "empty" / name / f"day={date.min.isoformat()}" / "empty.parquet"
            empty.parent.mkdir(parents=True)
            pq.write_table(schema.empty_table(), empty)
            listed = ", ".join(quoted(path) for path in (empty.as_posix(), *paths))
            connection.execute(
                f"CREATE VIEW lake.{name} AS SELECT * FROM read_parquet([{listed}], hive_partitioning = true, "
                "hive_types = {'day': DATE}, union_by_name = true)"
            )
        connection.register("listing", pa.table({"day": list(movement_days)}))
        connection.execute("CREATE TABLE lake.movement_days AS SELECT day::DATE AS day FROM listing")


def _stage_counts(folder: Path, day: str, by_measure: dict[tuple[str, str], int]) -> Path:
    path = folder / "counts" / f"day={day}" / "counts.parquet"
    path.parent.mkdir(parents=True)
    rows = [{"table_name": t, "measure": m, "records": n} for (t, m), n in sorted(by_measure.items())]
    pq.write_table(pa.Table.from_pylist(rows, schema=COUNTS), path)
    return path


def _publish(
    lake: Lake,
    run: Staging,
    connection: duckdb.DuckDBPyConnection,
    mart: Contract,
    days: Sequence[str],
    extra: Sequence[str],
    inputs: Mapping[str, Inputs],
) -> Replaced:
    """Publish one mart's rows by day; days that have none lose their file. Raises `Overtaken`."""
    metadata = {"opensky.contract_version": mart.version}
    files = DayFiles(run.folder(mart.name), mart.path, lake.files.fresh(mart.name), mart.schema, metadata=metadata)
    order = ", ".join(f'"{name}"' for name in ("day", *mart.key))
    columns = ", ".join(f'"{name}"' for name in mart.schema.names)
    query = f'SELECT "day"::VARCHAR AS "day", {columns} FROM "{mart.name}" ORDER BY {order}'
    for batch in connection.sql(query).to_arrow_reader(100_000):
        table = pa.Table.from_batches([batch])
        for day in table["day"].unique().to_pylist():
            part = table.filter(pc.equal(table["day"], day))
            files.write(day, part.drop_columns(["day"]))
    staged, outputs = files.close()
    chosen = {output.day for output in outputs} | lake.listed_files(mart.path, [*days, *extra]).keys()
    chosen |= {day for day in days if day in inputs}
    new = new_days(staged, outputs, {day: inputs.get(day, {}) for day in sorted(chosen)})
    done = replace_days(lake, run, mart.path, new, partial(inputs_of_mart, lake, mart))
    done.require_all(mart.name)
    return done
