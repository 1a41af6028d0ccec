"""Run the dbt models over exact files of exact days, and publish their rows by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import Replaced, new_days, replace_days
from opensky_assets.lake.manifest import NO_DAY, Inputs
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.lake.warehouse import quoted
from opensky_assets.schemas import (
    CORE_FLIGHTS,
    DATA_QUALITY_DAILY,
    ENRICHED_FLIGHTS,
    ENRICHED_STATES,
    FLIGHTS,
    STATE_VECTORS,
    Contract,
)
from opensky_assets.schemas.marts import BY_MOVEMENT
from opensky_assets.transforms.inputs import Versions, made_versions, manifests_of, versions_of

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


MOVEMENTS_BEFORE, MOVEMENTS_AFTER = 2, 1
"""The movements of a day are those of its flights and of the flights of the two days after it; a rolling count reaches
back into the day before. So flights of day D have a part in the movement days D-2 … D+1."""


def inputs_of_mart(lake: Lake, mart: Contract, days: Iterable[str]) -> dict[str, Inputs]:
    """What each of the days of a mart is made of; days without any input are not in it."""
    wanted = list(days)
    before, after = (MOVEMENTS_AFTER, MOVEMENTS_BEFORE) if mart in BY_MOVEMENT else (0, 0)
    flights = made_versions(lake, ENRICHED_FLIGHTS, days_around(wanted, before, after))
    counted: dict[str, Versions] = {}
    if mart is DATA_QUALITY_DAILY:
        counted = {c.path: versions_of(lake, c, wanted) for c in (*COUNTED, CORE_FLIGHTS, ENRICHED_STATES)}
    inputs: dict[str, Inputs] = {}
    for day in wanted:
        found = {f"{ENRICHED_FLIGHTS.path}/{d}": flights[d] for d in days_around([day], before, after) if d in flights}
        found |= {f"{path}/{day}": versions[day] for path, versions in counted.items() if day in versions}
        if found:
            inputs[day] = {**found, "contract": mart.version}
    return inputs


def build_marts(lake: Lake, days: Sequence[str], marts: Sequence[Contract], run_dbt: RunDbt) -> MartsReport:
    """Compute `marts` for `days` and publish them as `marts/<model>/day=…`. Raises `MartsFailed`, and `Overtaken` where
    the flights of a day have changed meanwhile.

    Marts by movement are computed for all days that flights of `days` have a part in, whatever made them change, and
    published where they differ from before: so any order of runs ends in what one run over everything gives.
    """
    movement_days = days_around(days, MOVEMENTS_BEFORE, MOVEMENTS_AFTER)
    # Not for safety, since no day goes back to older flights: a second run of adjacent days would have to run again.
    with lake.files.lock("marts.lock"), lake.run() as run:
        counts = dict(daily_counts(lake, days))
        flights = lake.day_files(ENRICHED_FLIGHTS.path, days)
        around: list[str] = []
        extra = {mart.name: sorted({*movement_days} - {*days}) if mart in BY_MOVEMENT else [] for mart in marts}
        inputs = {mart.name: inputs_of_mart(lake, mart, [*days, *extra[mart.name]]) for mart in marts}
        if any(mart in BY_MOVEMENT for mart in marts):
            # The other way round, and one day more for the rolling counts of the first hour.
            reach = days_around(movement_days, MOVEMENTS_AFTER, MOVEMENTS_BEFORE)
            around = lake.locations(ENRICHED_FLIGHTS.path, reach)
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


def daily_counts(lake: Lake, days: Iterable[str]) -> Iterator[tuple[str, dict[tuple[str, str], int]]]:
    """What the manifests and the records of core days count, by day and then by (table, measure).

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
        for manifest in manifests_of(lake, contract, wanted):
            dated = [day for day in manifest.days if day != NO_DAY]
            for day in dated:
                counts = manifest.days[day]
                add(day, contract.name, "read", counts.read)
                add(day, contract.name, "written", counts.written)
                add(day, contract.name, "quarantined", counts.quarantined)
                if counts.superseded:
                    add(day, contract.name, "superseded", counts.superseded)
                for reason, records in manifest.reasons.get(day, {}).items():
                    add(day, contract.name, f"quarantined:{reason}", records)
            for reason, records in manifest.reasons.get(NO_DAY, {}).items():
                if dated:
                    add(min(dated), contract.name, f"undated:{reason}", records)
    for day, record in lake.day_records(CORE_FLIGHTS.path, wanted).items():
        for measure, records in record.counts.items():
            add(day, CORE_FLIGHTS.name, measure, records)
    for day, record in lake.day_records(ENRICHED_STATES.path, wanted).items():
        if inputs := record.counts.get("inputs"):
            add(day, ENRICHED_STATES.name, "inputs", inputs)
            add(day, ENRICHED_STATES.name, "states", record.rows)
            add(day, ENRICHED_STATES.name, "repeated", inputs - record.rows)
    yield from sorted(found.items())


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
                "hive_types = {'day': DATE})"
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
