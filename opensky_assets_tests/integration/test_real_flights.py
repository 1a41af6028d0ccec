"""The whole chain on recorded OpenSky data, against counts that DuckDB makes over the raw files."""

import gzip
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import SHARED_DATA, Place, needs_shared_data
from opensky_assets_tests.lakes import LocalLake

pytestmark = [needs_shared_data, pytest.mark.slow, pytest.mark.timeout(900)]

BUCKET = SHARED_DATA / "bucket"
LISTS = str(BUCKET / "flights" / "*.csv.gz")
FIRST, LAST = "2019-01-01", "2020-04-30"


@pytest.fixture(scope="module")
def truth() -> duckdb.DuckDBPyConnection:
    """The raw files as DuckDB reads them, all text."""
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE lists AS SELECT * FROM read_csv('{LISTS}', all_varchar = true, header = true)")
    connection.execute(
        f"CREATE TABLE aircraft AS SELECT icao24 FROM read_csv('{BUCKET}/metadata/aircraftDatabase.csv', "
        "all_varchar = true, header = true, quote = '\"') WHERE icao24 IS NOT NULL UNION "
        f"SELECT icao24 FROM read_csv('{BUCKET}/metadata/aircraft-database-complete-2024-06.csv', "
        "all_varchar = true, header = true, quote = '''')"
    )
    return connection


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    place = Place(BUCKET, tmp_path_factory.mktemp("real"))
    done = place.run("materialize", "--from", FIRST, "--to", LAST)
    assert done.returncode == 0, done.stdout[-5000:]
    return place, done.stdout


@pytest.fixture(scope="module")
def warehouse(chain: tuple[Place, str]) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(chain[0].warehouse), read_only=True)


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def test_every_flight_is_there_and_typed(
    warehouse: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection
) -> None:
    counted = one(truth, "SELECT count(*), count(DISTINCT lastseen[:10]) FROM lists")
    assert counted == (120_000, 362)
    assert one(warehouse, "SELECT count(*), count(DISTINCT day) FROM raw_flights") == counted

    # Value by value, as multisets: text as it stood, blanks around callsigns aside, numbers and times by their value.
    columns = "trim(callsign), number, icao24, registration, typecode, origin, destination"
    numbers = "latitude_1, longitude_1, altitude_1, latitude_2, longitude_2, altitude_2"
    as_numbers = ", ".join(f"{name}::DOUBLE" for name in numbers.split(", "))
    times = "epoch(firstseen::TIMESTAMPTZ), epoch(lastseen::TIMESTAMPTZ)"
    expected = f"SELECT lastseen[:10]::DATE, {columns}, {times}, {as_numbers} FROM lists"
    found = f"SELECT day, {columns}, epoch(firstseen), epoch(lastseen), {numbers} FROM raw_flights"
    difference = sorted(set(truth.execute(expected).fetchall()) ^ set(warehouse.execute(found).fetchall()), key=str)
    assert difference == []


def test_nothing_is_in_quarantine(chain: tuple[Place, str]) -> None:
    assert not list((chain[0].lake / "quarantine" / "flights").rglob("*.parquet"))


def test_the_aircraft_are_the_union_of_both_tables(
    warehouse: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection
) -> None:
    valid = "regexp_full_match(icao24, '[0-9a-f]{6}') AND icao24 <> '000000'"
    expected = truth.execute(f"SELECT icao24 FROM aircraft WHERE {valid} ORDER BY 1").fetchall()
    assert len(expected) == 10_147
    assert warehouse.execute("SELECT icao24 FROM aircraft_database ORDER BY 1").fetchall() == expected


def test_every_flight_is_enriched_once_and_matched_where_it_can_be(
    warehouse: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection
) -> None:
    matched = one(truth, "SELECT count(*) FROM lists WHERE icao24 IN (SELECT icao24 FROM aircraft)")
    assert matched == (37_600,)
    assert one(warehouse, "SELECT count(*) FROM enriched_flights WHERE aircraft_matched") == matched
    assert one(warehouse, "SELECT count(*) FROM enriched_flights") == (120_000,)
    unknown = "SELECT count(*) FROM enriched_flights WHERE origin_name IS NULL AND distance_km IS NOT NULL"
    assert one(warehouse, unknown) == (0,)


def test_the_routes_are_those_of_the_raw_files(
    warehouse: duckdb.DuckDBPyConnection, truth: duckdb.DuckDBPyConnection
) -> None:
    raw = "FROM lists WHERE origin IS NOT NULL AND destination IS NOT NULL GROUP BY ALL ORDER BY 3 DESC, 1, 2"
    expected = truth.execute(f"SELECT origin, destination, count(*) {raw}").fetchall()
    assert expected[0] == ("YSSY", "YMML", 176)
    found = warehouse.execute(
        f"SELECT origin, destination, flights FROM routes_between('{FIRST}', '{LAST}') ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    assert found == expected


def test_a_second_run_reads_no_object_and_says_so(chain: tuple[Place, str]) -> None:
    place, _ = chain
    files = {path: path.stat().st_mtime_ns for path in (place.lake / "raw").rglob("*.parquet")}
    again = place.run("materialize", "--from", "2020-04-01", "--to", "2020-04-30")
    assert again.returncode == 0, again.stdout[-5000:]
    assert "flights: read no object (1 unchanged and not opened)" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (place.lake / "raw").rglob("*.parquet")} == files


def test_one_broken_field_is_exactly_one_row_in_quarantine(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    shutil.copytree(BUCKET / "flights", bucket / "flights", copy_function=shutil.copyfile)
    broken = bucket / "flights" / "flightlist_20190401_20190430.csv.gz"
    lines = gzip.decompress(broken.read_bytes()).split(b"\r\n")
    fields = lines[4711].split(b",")
    fields[12] = b"high"  # altitude_1
    lines[4711] = b",".join(fields)
    broken.unlink()
    broken.write_bytes(gzip.compress(b"\r\n".join(lines)))

    lake = LocalLake.at(tmp_path / "lake")
    days = [
        str(day)
        for (day,) in duckdb.sql(
            f"SELECT unnest(range(DATE '{FIRST}', DATE '2020-05-01', INTERVAL 1 DAY))::DATE"
        ).fetchall()
    ]
    store = LocalStore(bucket)
    report = sync_days(FLIGHTS, days, store, lake, load_settings(source=str(bucket)), date(2026, 1, 1), print)

    total = sum(facts.counts.written for facts in report.days.values())
    assert total == 119_999
    assert not report.failed
    quarantine = lake.path("quarantine/flights").as_posix()
    rows = duckdb.sql(
        f"SELECT object, line_number, \"column\", reason, raw_line FROM read_parquet('{quarantine}/*/*.parquet')"
    ).fetchall()
    assert rows == [
        ("flights/flightlist_20190401_20190430.csv.gz", 4712, "altitude_1", "unparsable", lines[4711].decode())
    ]


@pytest.mark.parametrize(("icao24", "outcome"), [("86e844", "86e844"), ("000123", "000123"), ("407a3", None)])
def test_addresses_that_look_like_numbers_stay_text(tmp_path: Path, icao24: str, outcome: str | None) -> None:
    from opensky_assets_tests.flight_lists import flight, write_list

    bucket = tmp_path / "bucket"
    write_list(bucket, FIRST, FIRST, [flight(FIRST)] * 30 + [flight(FIRST, icao24=icao24)])
    lake = LocalLake.at(tmp_path / "lake")
    sync_days(FLIGHTS, [FIRST], LocalStore(bucket), lake, load_settings(source=str(bucket)), date(2026, 1, 1), print)
    found = duckdb.sql(
        f"SELECT DISTINCT icao24 FROM read_parquet('{lake.path('raw/flights').as_posix()}/*/*.parquet')"
    ).fetchall()
    if outcome:
        assert (outcome,) in found
    else:
        assert found == [("4b1801",)]
        (row,) = duckdb.sql(
            f"SELECT reason, raw_line FROM read_parquet('{lake.path('quarantine/flights').as_posix()}/*/*.parquet')"
        ).fetchall()
        assert row[0] == "bad_icao24"
        assert f",{icao24}," in row[1]
