"""Enriched tables on the local engine, which is without Spark altogether."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.commands import ROOT, Place

DAY = "2022-06-25"
REFERENCE = ["aircraft_database", "airports"]
DAILY = ["raw_flights", "flights", "raw_state_vectors", "enriched_flights", "enriched_state_vectors"]

RUN = f"""
import sys
from pathlib import Path
import dagster as dg
import psutil
from opensky_assets.definitions import build_definitions
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.settings import load_settings
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.lakes import LocalLake

given = load_settings()
opensky = OpenSkyResource()
lake, instance = LocalLake.at(Path(given.lake.uri)), dg.DagsterInstance.ephemeral()
platform = Platform(Path(given.source.uri), lake, instance, build_definitions(opensky), opensky)
assert platform.run({REFERENCE!r}).success and platform.run({DAILY!r}, {DAY!r}).success
java = [child.name() for child in psutil.Process().children(recursive=True) if child.name() == "java"]
print(java, sorted(name for name in ("pyspark", "dagster_pyspark", "py4j") if name in sys.modules))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("engine")
    simulate(folder / "bucket", start=date(2022, 6, 25), days=1, aircraft=300, seed=5, states_hours=2)
    return Place(folder / "bucket", folder)


@pytest.fixture(scope="module")
def told(place: Place) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        cwd=ROOT, env=place.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_local_engine_starts_no_java_and_imports_no_pyspark(told: str) -> None:
    assert told.strip().splitlines()[-1] == "[] []"


def test_every_state_is_enriched_once_with_its_aircraft(told: str, place: Place) -> None:
    def files(table: str) -> str:
        return f"read_parquet('{Path(place.lake, table).as_posix()}/*/*.parquet')"

    aircraft = f"read_parquet('{Path(place.lake, 'reference/aircraft_database.parquet').as_posix()}')"
    raw, enriched = files("raw/state_vectors"), files("core/enriched_state_vectors")
    columns = ", ".join(f'"{name}"' for (name, *_) in duckdb.sql(f"DESCRIBE FROM {raw}").fetchall() if name != "day")
    expected = duckdb.sql(f"SELECT {columns} FROM {raw} ORDER BY ALL").fetchall()
    assert duckdb.sql(f"SELECT {columns} FROM {enriched} ORDER BY ALL").fetchall() == expected and len(expected) > 1000
    joined = f"FROM {raw} AS s LEFT JOIN {aircraft} AS a USING (icao24)"
    counted = "count(*), count({0}.registration), count({0}.typecode), count({0}.operator), count(*) FILTER ({1})"
    assert (
        duckdb.sql(f"SELECT {counted.format('e', 'aircraft_matched')} FROM {enriched} AS e").fetchall()
        == duckdb.sql(f"SELECT {counted.format('a', 'a.source_table IS NOT NULL')} {joined}").fetchall()
    )
