"""Run the dbt models over exact files of exact days, and publish their rows by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake, Staging
from opensky_assets.lake.days import Replaced, new_days, replace_days
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.schemas.dbt_files import LAKE
from opensky_assets.schemas.dbt_project import COUNTS, Mart, Project
from opensky_assets.schemas.tables import lake_table, project
from opensky_assets.storage.errors import Overtaken
from opensky_assets.transforms.counts import daily_counts
from opensky_assets.transforms.dbt_outcome import DbtRun, DbtStopped, DbtTest, RunDbt, lines_of, stop_of
from opensky_assets.transforms.dbt_sources import make_counts, make_view
from opensky_assets.transforms.dbt_staging import stage_project
from opensky_assets.transforms.mart_days import days_held, days_of_tests, files_on, inputs_of_mart, neighbours_of


@dataclass(frozen=True)
class MartsReport:
    """`rows`: of each mart that was published, rows by day, of every day asked for that it could be computed for (0
    where it has none), and of the days around them that are not the same as before. `problems`: one line a mart that
    was not, and nothing of it was touched."""

    rows: dict[str, dict[str, int]]
    tests: list[DbtTest]
    problems: dict[str, str]


def build_marts(lake: Lake, days: Sequence[str], marts: Sequence[Mart], run_dbt: RunDbt) -> MartsReport:
    """Compute `marts` for `days` and publish them as `marts/<model>/day=…`; one that cannot be built, or fails a test,
    stays as it was, with those that read it. Raises `Overtaken` where what a day is made of has changed meanwhile.

    A mart that reads days around its own is computed for all days that `days` of its tables have a part in, whatever
    made them change, and published where it differs from before: so any order of runs ends in what one run over
    everything gives.
    """
    # Not for safety, since no day goes back to older inputs: a second run of adjacent days would have to run again.
    with lake.files.lock("marts.lock"), lake.run() as run:
        extra = {mart.name: neighbours_of(mart, days) for mart in marts}
        inputs = {mart.name: inputs_of_mart(lake, mart, [*days, *extra[mart.name]]) for mart in marts}
        made = _run(lake, run, days, marts, run_dbt)
        rows = {}
        with duckdb.connect(str(made.database), read_only=True) as connection:
            lake.attach(connection)
            for mart in made.marts:
                done = _publish(lake, run, connection, mart, days, extra[mart.name], inputs[mart.name])
                shown = sorted(made.there[mart.name] | done.changed)
                rows[mart.name] = {day: done.records[day].rows if day in done.records else 0 for day in shown}
        broken = [mart for mart in marts if mart.name in made.problems]
        for mart in broken:
            now = inputs_of_mart(lake, mart, [*days, *extra[mart.name]])
            if now != inputs[mart.name]:  # so its files may have been replaced while they were read
                raise Overtaken(f"{mart.name}: what it is made of has changed meanwhile; run again")
    return MartsReport(rows, made.tests, made.problems)


@dataclass(frozen=True)
class _Made:
    """The scratch database of a run, and what became of the marts: those to publish, the days asked for on which each
    has something to be made of, the tests, and a line for each that is not to be published."""

    database: Path
    marts: list[Mart]
    there: Mapping[str, set[str]]
    tests: list[DbtTest]
    problems: dict[str, str]


def _run(lake: Lake, run: Staging, days: Sequence[str], marts: Sequence[Mart], run_dbt: RunDbt) -> _Made:
    """Let dbt build the marts. Where dbt stops at a model before it builds any, it goes on without that one."""
    given, wanted = project(), [mart.name for mart in marts]
    for attempt in range(len(given.models) + 1):
        left = [name for name in wanted if name in given.marts]
        folder = run.folder(f"dbt-{attempt}" if attempt else "dbt")
        database = folder / "run.duckdb"
        there, narrow_marts, narrow_tests = _prepare(lake, database, given, left, days)
        if not left:
            return _Made(database, [], {}, [], {name: given.problems[name] for name in wanted})
        staged = stage_project(given, folder / "project")
        try:
            outcome = run_dbt(lake, DbtRun(staged, database, folder / "target", left, narrow_marts, narrow_tests))
        except DbtStopped as stopped:
            given = given.without(stop_of(given, stopped))
            continue
        problems = {name: given.problems[name] for name in wanted if name not in left}
        problems |= lines_of(given, left, outcome)
        good = [mart for mart in marts if mart.name not in problems]
        return _Made(database, good, there, outcome.tests, problems)
    raise AssertionError("dbt stopped at more models than there are")


def _prepare(
    lake: Lake, database: Path, given: Project, marts: Collection[str], days: Sequence[str]
) -> tuple[dict[str, set[str]], list[str], list[str]]:
    """Make the scratch database: of each model that reads the lake a schema of views over exactly the files of the days
    that it may read. Returns, by mart, those of `days` on which the lake has something of what it is made of, the marts
    that are made with parts of other days than they hold, and the data tests that look at other days than their models
    hold."""
    held = days_held(given, marts, days)
    tests = days_of_tests(given, held)
    reading = {name: model for name in given.upstream_of(marts) if (model := given.models[name]).sources}
    needs = {
        name: (model.sources, days_around(held[name], model.before, model.after)) for name, model in reading.items()
    }
    needs |= {f"test_{test.name}": (test.sources, of) for test, of in tests.items() if test.sources}
    counts = dict(daily_counts(lake, {day for sources, of in needs.values() if COUNTS in sources for day in of}))
    found: dict[tuple[str, str], set[str]] = {}
    with duckdb.connect(str(database)) as connection:
        lake.attach(connection)
        for name, (sources, of) in needs.items():
            schema = f"{LAKE}_{name}"
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            for source in sources:
                if source == COUNTS:
                    make_counts(connection, schema, {day: counts[day] for day in of if day in counts})
                    found[name, source] = set(counts)
                else:
                    table, files = lake_table(source), files_on(lake, source, of)
                    paths = [lake.location(path) for at in files.values() for path in at]
                    make_view(connection, schema, table, paths)
                    key = table.partitions.key_of
                    found[name, source] = set() if table.is_file else {day for day in days if key(day) in files}
        upstream = {name: set(given.upstream_of([name])) for name in held if name in given.marts}
        cut = [
            name
            for name, of in upstream.items()
            if any(not set(needs[n][1]) <= {*held[name]} for n in of & reading.keys())
        ]
        narrow = {test.name: of for test, of in tests.items() if any(held[name] != of for name in test.models)}
        _list_days(connection, "days_of_models", [(name, day) for name in cut for day in held[name]])
        _list_days(connection, "days_of_tests", [(name, day) for name, of in narrow.items() for day in of])
    there = {
        mart: {day for (name, _), of in found.items() if name in upstream[mart] for day in of & {*days}}
        for mart in marts
    }
    return there, cut, list(narrow)


def _list_days(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[str, str]]) -> None:
    """A table by which dbt leaves out the days that a model, or test, has only a part of."""
    connection.register("listing", pa.table({"name": [name for name, _ in rows], "day": [day for _, day in rows]}))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {LAKE}")
    connection.execute(f"CREATE TABLE {LAKE}.{table} AS SELECT name, day::DATE AS day FROM listing")
    connection.unregister("listing")


def _publish(
    lake: Lake,
    run: Staging,
    connection: duckdb.DuckDBPyConnection,
    mart: Mart,
    days: Sequence[str],
    extra: Sequence[str],
    inputs: Mapping[str, Inputs],
) -> Replaced:
    """Publish one mart's rows of the days that the run may publish; of these, days that have none lose their file.
    Raises `Overtaken`."""
    contract = mart.contract
    metadata = {"opensky.contract_version": contract.version}
    name, path = contract.name, contract.path
    files = DayFiles(run.folder(name), path, lake.files.fresh(name), contract.schema, metadata=metadata)
    order = ", ".join(f'"{name}"' for name in ("day", *contract.key))
    columns = ", ".join(f'"{name}"' for name in contract.schema.names)
    own = sorted({*days, *extra})
    connection.execute("SET VARIABLE own = $days::DATE[]", {"days": own})
    query = (
        f'SELECT "day"::VARCHAR AS "day", {columns} FROM "{name}" WHERE "day" IN getvariable(\'own\') ORDER BY {order}'
    )
    for batch in connection.sql(query).to_arrow_reader(100_000):
        table = pa.Table.from_batches([batch])
        for day in table["day"].unique().to_pylist():
            part = table.filter(pc.equal(table["day"], day))
            files.write(day, part.drop_columns(["day"]))
    staged, outputs = files.close()
    chosen = {output.day for output in outputs} | lake.listed_files(path, own).keys()
    chosen |= {day for day in days if day in inputs}
    new = new_days(staged, outputs, {day: inputs.get(day, {}) for day in sorted(chosen)})
    done = replace_days(lake, run, path, new, partial(inputs_of_mart, lake, mart))
    done.require_all(name)
    return done
