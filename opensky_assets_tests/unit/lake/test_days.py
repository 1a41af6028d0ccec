"""Days of tables that are made of others: they go forward only, are replaced whole, and are due when inputs change."""

from pathlib import Path

import pyarrow as pa
import pytest

from opensky_assets.lake.days import DayRows, due_days, replace_pages
from opensky_assets.lake.tables import ParquetTables
from opensky_assets.schemas.tables import mart_named
from opensky_assets.storage.errors import Overtaken
from opensky_assets_tests.buckets import files_of
from opensky_assets_tests.lakes import LocalLake

DAY, NEXT = "2022-06-25", "2022-06-26"
ROUTES = mart_named("routes").contract
SCHEMA = pa.schema([pa.field("day", pa.date32()), *ROUTES.schema])


def rows(days: dict[str, int]) -> pa.RecordBatchReader:
    """So many routes on each of the days."""
    made = [
        {"day": day, "origin": f"A{n:03d}", "destination": "LSZH", "flights": 1, "aircraft": 1}
        for day, count in days.items()
        for n in range(count)
    ]
    columns = {name: [row.get(name) for row in made] for name in SCHEMA.names}
    columns["day"] = pa.array([row["day"] for row in made], pa.string()).cast(pa.date32())
    return pa.table(columns, schema=SCHEMA).to_reader()


class Inputs:
    """Inputs of days that change as a test says."""

    def __init__(self, **versions: str) -> None:
        self.now = {day: {"flights": version} for day, version in versions.items()}

    def __call__(self, days):
        return {day: self.now[day] for day in days if day in self.now}


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake.at(tmp_path / "lake")


def made_of(version: str, *days: str) -> dict[str, dict[str, str]]:
    return {day: {"flights": version} for day in days}


def count(lake: LocalLake, day: str) -> int:
    files = lake.day_files(ROUTES.path, [day]).get(day, [])
    return sum(lake.parquet(path).metadata.num_rows for path in files)


def test_the_older_of_two_runs_that_is_published_last_changes_nothing(lake: LocalLake) -> None:
    now = Inputs(**{DAY: "1"})
    older = DayRows(rows({DAY: 10}), made_of("1", DAY), now)  # computed, and then held up
    now.now = made_of("2", DAY)
    done, _ = ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 30}), made_of("2", DAY), now))
    assert done.records[DAY].rows == 30
    before = files_of(lake.root)
    late, _ = ParquetTables(lake).write_days(ROUTES, older)
    assert late.overtaken == (DAY,) and not late.records
    with pytest.raises(Overtaken, match="routes: the inputs of 2022-06-25 changed"):
        late.require_all("routes")
    assert files_of(lake.root) == before
    assert count(lake, DAY) == 30


def test_a_day_that_was_never_made_is_published_of_older_inputs_and_is_due(lake: LocalLake) -> None:
    now = Inputs(**{DAY: "2"})
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 10}), made_of("1", DAY), now))
    assert count(lake, DAY) == 10
    assert due_days(lake, ROUTES.path, now([DAY])) == [DAY]
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 30}), made_of("2", DAY), now))
    assert due_days(lake, ROUTES.path, now([DAY])) == []


def test_what_is_due(lake: LocalLake) -> None:
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3, NEXT: 4}), made_of("1", DAY, NEXT)))
    both = {**made_of("1", DAY, NEXT)}
    assert due_days(lake, ROUTES.path, both) == []
    assert due_days(lake, ROUTES.path, {**both, "2022-06-27": {}}) == ["2022-06-27"]
    assert due_days(lake, ROUTES.path, both | made_of("2", NEXT)) == [NEXT]
    (file,) = lake.day_files(ROUTES.path, [DAY])[DAY]
    whole = lake.path(file).read_bytes()
    lake.path(file).write_bytes(whole[:-1])
    assert due_days(lake, ROUTES.path, both) == [DAY]
    lake.path(file).unlink()
    assert due_days(lake, ROUTES.path, both) == [DAY]
    lake.path(f"_manifest/{ROUTES.path}/{NEXT}.json").write_text("{")
    assert due_days(lake, ROUTES.path, both) == [DAY, NEXT]


def test_a_day_with_the_rows_that_it_had_keeps_its_file_and_records_its_inputs(lake: LocalLake) -> None:
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    (file,) = lake.day_files(ROUTES.path, [DAY])[DAY]
    before = lake.path(file).stat().st_mtime_ns
    done, _ = ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("2", DAY)))
    assert done.changed == frozenset()
    assert lake.path(file).stat().st_mtime_ns == before
    assert due_days(lake, ROUTES.path, made_of("2", DAY)) == []


def test_a_file_that_was_cut_is_written_anew_though_its_rows_are_the_same(lake: LocalLake) -> None:
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    path = lake.path(lake.day_files(ROUTES.path, [DAY])[DAY][0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    assert path.read_bytes() == whole
    assert due_days(lake, ROUTES.path, made_of("1", DAY)) == []


def test_a_day_without_rows_has_a_record_and_no_file(lake: LocalLake) -> None:
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    done, _ = ParquetTables(lake).write_days(ROUTES, DayRows(rows({}), {DAY: {}}))
    assert done.changed == {DAY}
    assert lake.days(ROUTES.path) == [] and lake.recorded_days(ROUTES.path) == [DAY]
    again, _ = ParquetTables(lake).write_days(ROUTES, DayRows(rows({}), {DAY: {}}))
    assert again.changed == frozenset()


def test_files_that_the_new_day_does_not_have_go(lake: LocalLake) -> None:
    stray = lake.path(f"{ROUTES.path}/day={DAY}/routes-00001.parquet")  # of another engine
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    stray.write_bytes(b"x")
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 4}), made_of("2", DAY)))
    assert not stray.exists() and count(lake, DAY) == 4


def test_a_day_whose_rows_went_meanwhile_does_not_get_them_back(lake: LocalLake) -> None:
    """Its raw rows were pruned and it was made empty while another run still computed it."""
    now = Inputs(**{DAY: "1"})
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY), now))
    now.now = {}
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({}), {DAY: {}}, now))
    late, _ = ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY), now))
    assert late.overtaken == (DAY,)
    assert lake.days(ROUTES.path) == []


def test_what_a_run_that_was_killed_left_of_a_day_goes_with_the_next_run(lake: LocalLake) -> None:
    """It had put the record of an empty day, and not yet removed the file of the day's rows."""
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({DAY: 3}), made_of("1", DAY)))
    (file,) = lake.day_files(ROUTES.path, [DAY])[DAY]
    left = lake.path(file).read_bytes()
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({}), {DAY: {}}))
    lake.path(file).parent.mkdir()
    lake.path(file).write_bytes(left)
    ParquetTables(lake).write_days(ROUTES, DayRows(rows({}), {DAY: {}}))
    assert lake.days(ROUTES.path) == []


def test_an_older_page_takes_the_place_of_no_newer_one(lake: LocalLake) -> None:
    folder = f"reports/day={DAY}"

    def publish(text: str, inputs: str, now: str, *pictures: str) -> None:
        with lake.run() as run:
            staged = run.folder("page")
            pages = {f"{folder}/report.html": staged / "report.html"}
            pages |= {f"{folder}/{name}": staged / name for name in pictures}
            for path in pages.values():
                path.write_text(text)
            replace_pages(lake, run, folder, pages, {"routes": inputs}, lambda: {"routes": now})

    publish("one", "1", "1", "map.png", "routes.png")
    publish("two", "2", "2", "map.png")
    assert lake.path(f"{folder}/report.html").read_text() == "two"
    assert not lake.path(f"{folder}/routes.png").exists()
    with pytest.raises(Overtaken, match=f"{folder}: the tables that the report reads changed"):
        publish("one", "1", "2", "routes.png")
    assert lake.path(f"{folder}/report.html").read_text() == "two"
    assert not lake.path(f"{folder}/routes.png").exists()
