"""What users get wrong, through the command line: one clear message each, nothing published is harmed."""

import gzip
import os
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake

DAY = "2020-01-01"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    bucket = tmp_path / "bucket"
    write_aircraft(bucket)
    write_list(bucket, DAY, DAY, [flight(DAY)])
    made = Place(bucket, tmp_path / "here")
    made.folder.mkdir()
    return made


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_a_missing_bucket(place: Place, tmp_path: Path) -> None:
    done = Place(tmp_path / "nowhere", place.folder).run("plan")
    assert done.returncode == 1
    assert "nowhere is not a folder: set OPENSKY_SOURCE" in last_line(done.stdout)


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2016-12-31", "2017-01-02", "2016-12-31 is outside the calendar, which has 2017-01-01 to "),
        ("2020-01-02", "2020-01-01", "the range ends (2020-01-01) before it begins"),
        ("2020-01-01", "2999-01-01", "2999-01-01 is outside the calendar"),
        ("yesterday", "2020-01-01", "'yesterday' is not a day"),
    ],
)
def test_days_that_are_none(place: Place, first: str, last: str, says: str) -> None:
    done = place.run("materialize", "--from", first, "--to", last)
    assert done.returncode == 1
    assert says in last_line(done.stdout)
    assert not place.lake.exists()


def test_a_setting_that_cannot_be(place: Place) -> None:
    done = place.run("plan", OPENSKY_MONTH="13")
    assert done.returncode == 1
    assert "OPENSKY_MONTH='13'" in last_line(done.stdout)


@pytest.mark.slow
def test_bad_objects_are_named_and_the_others_go_on(place: Place) -> None:
    bucket = place.source
    write_list(bucket, "2020-01-02", "2020-01-02", [flight("2020-01-02")], header="nothing,like,a,flight,list")
    write_list(bucket, "2020-01-03", "2020-01-03", []).write_bytes(b"")
    cut = write_list(bucket, "2020-01-04", "2020-01-04", [flight("2020-01-04")])
    cut.write_bytes(cut.read_bytes()[:-9])
    (bucket / "flights" / "notes.txt").write_text("not a table")
    (bucket / "flights" / "flightlist_20160101_20160131.csv.gz").write_bytes(gzip.compress(b"x"))

    plan = place.run("plan", "--from", DAY, "--to", "2020-01-04")
    assert "not recognised, left alone: flights/notes.txt" in plan.stdout
    assert "outside the calendar, left alone: flights/flightlist_20160101_20160131.csv.gz" in plan.stdout

    done = place.run("materialize", "--from", DAY, "--to", "2020-01-04")
    assert done.returncode == 1
    held = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("held back:")]
    assert len(held) == 3
    for name, says in (
        ("flightlist_20200102", "the header lacks icao24, lastseen; it begins with 'nothing,like,a,flight,list'"),
        ("flightlist_20200103", "is empty"),
        ("flightlist_20200104", "does not unpack"),
    ):
        (line,) = (line for line in held if name in line)
        assert says in line
    assert sorted(path.name for path in (place.lake / "raw" / "flights").iterdir()) == [f"day={DAY}"]
    assert sorted(path.name for path in (place.lake / "marts" / "routes").iterdir()) == [f"day={DAY}"]


def test_a_lake_of_another_source_is_refused_and_unharmed(place: Place, tmp_path: Path) -> None:
    settings = load_settings(source=str(place.source), lake=str(place.lake))
    sync_days(FLIGHTS, [DAY], LocalStore(place.source), LocalLake.at(place.lake), settings, date(2026, 1, 1), print)
    before = {path: path.read_bytes() for path in place.lake.rglob("*") if path.is_file()}
    other = tmp_path / "other"
    write_aircraft(other)
    write_list(other, DAY, DAY, [flight(DAY), flight(DAY, hour=12)])

    done = Place(other, place.folder).run("materialize", "--from", DAY, "--to", DAY)

    assert done.returncode == 1
    assert "set OPENSKY_LAKE to another place" in last_line(done.stdout)
    assert {path: path.read_bytes() for path in place.lake.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_lake_without_the_right_to_write(place: Place) -> None:
    (place.folder / "data").mkdir()  # the history can be written, the lake cannot
    place.folder.chmod(0o500)
    try:
        done = place.run("materialize", "--from", DAY, "--to", DAY)
    finally:
        place.folder.chmod(0o700)
    assert done.returncode == 1
    assert "cannot be written" in last_line(done.stdout)


def test_a_lake_that_cannot_be_a_folder(place: Place) -> None:
    place.lake.write_text("a file stands where the lake should be")
    done = place.run("materialize", "--from", DAY, "--to", DAY)
    assert done.returncode == 1
    assert "cannot be written" in last_line(done.stdout)
    assert "set OPENSKY_LAKE" in last_line(done.stdout)
