"""The recorded hourly state files: what DuckDB reads from the unpacked CSV is what the lake holds, value by value."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.ingest.sync import SyncReport, sync_days
from opensky_assets.schemas import STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.lakes import LocalLake

pytestmark = [needs_shared_data, pytest.mark.slow]

BUCKET = SHARED_DATA / "bucket"
DAYS = ["2017-02-05", "2023-04-01"]
NUMBERS = ("lat", "lon", "velocity", "heading", "vertrate", "baroaltitude", "geoaltitude")
FLAGS = ("onground", "alert", "spi")
TIMES = ("time", "lastposupdate", "lastcontact")


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalLake, SyncReport]:
    lake = LocalLake.at(tmp_path_factory.mktemp("lake"))
    settings = load_settings(source=str(BUCKET), lake=str(lake.root))
    report = sync_days(STATE_VECTORS, DAYS, LocalStore(BUCKET), lake, settings, date(2026, 1, 1), lambda text: None)
    return lake, report


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """`lines`: every record of the tars as texts, by the day of the file's name; unpacked by others than the ingest."""
    folder = tmp_path_factory.mktemp("unpacked")
    tars = sorted((BUCKET / "states").rglob("*.tar"))
    assert len(tars) == 3
    for path in tars:
        with tarfile.open(path) as tar:
            (member,) = [name for name in tar.getnames() if ".csv" in name]
            packed = tar.extractfile(member)
            assert packed is not None
            (folder / Path(member).name).write_bytes(packed.read())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE lines AS SELECT *, regexp_extract(filename, '\\d{4}-\\d{2}-\\d{2}') AS day "
            f"FROM read_csv('{folder}/*.csv.gz', all_varchar = true, filename = true, union_by_name = true, "
            "header = true)"
        )
        yield connection


def test_the_hours_are_in_the_lake_with_every_record(
    synced: tuple[LocalLake, SyncReport], truth: duckdb.DuckDBPyConnection
) -> None:
    lake, report = synced
    read = dict(truth.execute("SELECT day, count(*) FROM lines GROUP BY day").fetchall())
    assert report.failed == {} and report.holes == [] and read.keys() == set(DAYS)
    assert {day: facts.counts.read for day, facts in report.days.items()} == read
    assert {day: facts.counts.quarantined for day, facts in report.days.items()} == dict.fromkeys(DAYS, 0)
    assert (
        sum(read.values())
        == duckdb.sql(f"SELECT count(*) FROM read_parquet('{lake.root}/raw/state_vectors/*/*.parquet')").fetchall()[0][
            0
        ]
    )


def test_every_value_is_the_one_of_the_file(
    synced: tuple[LocalLake, SyncReport], truth: duckdb.DuckDBPyConnection
) -> None:
    lake, _ = synced
    text = "nullif(trim({0}), '') AS {0}"
    null = "CASE WHEN {0} NOT IN ('', 'NA', 'NaN', 'nan', 'null') THEN {0} END"
    wanted = [
        "day::DATE AS day",
        *(f"to_timestamp({null.format(name)}::DOUBLE) AS {name}" for name in TIMES),
        *(text.format(name) for name in ("icao24", "callsign", "squawk")),
        *(f"{null.format(name)}::DOUBLE AS {name}" for name in NUMBERS),
        *(f"{null.format(name)}::BOOLEAN AS {name}" for name in FLAGS),
    ]
    names = "day", *TIMES, "icao24", "callsign", "squawk", *NUMBERS, *FLAGS
    truth.execute(f"CREATE OR REPLACE TEMP VIEW wanted AS SELECT {', '.join(wanted)} FROM lines")
    truth.execute(
        f"CREATE OR REPLACE TEMP VIEW found AS SELECT {', '.join(names)} FROM read_parquet("
        f"'{lake.root}/raw/state_vectors/*/*.parquet', hive_partitioning = true, hive_types = {{'day': DATE}})"
    )
    assert truth.execute("SELECT count(*) FROM (FROM wanted EXCEPT ALL FROM found)").fetchall() == [(0,)]
    assert truth.execute("SELECT count(*) FROM (FROM found EXCEPT ALL FROM wanted)").fetchall() == [(0,)]


def test_the_hours_that_the_source_lacks_are_told(synced: tuple[LocalLake, SyncReport]) -> None:
    from opensky_assets.ingest.quality import missing_hours, read_days

    lake, _ = synced
    missing = missing_hours(read_days(lake, STATE_VECTORS, DAYS))
    assert missing["2017-02-05"] == [hour for hour in range(24) if hour not in (15, 16)]
    assert missing["2023-04-01"] == [hour for hour in range(24) if hour != 10]
