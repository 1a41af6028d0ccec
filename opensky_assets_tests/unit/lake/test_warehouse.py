"""The warehouse's file: replaced whole, and nothing of a dead writer stays beside it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets.lake import Lake, LakeError, open_lake
from opensky_assets.lake.connect import connect, connect_days
from opensky_assets.lake.warehouse import rebuild_warehouse
from opensky_assets.schemas import AIRPORTS
from opensky_assets.settings import Settings
from opensky_assets_tests.buckets import put
from opensky_assets_tests.lakes import LocalLake


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path):
    lake = LocalLake.at(tmp_path / "lake")
    path = tmp_path / "warehouse.duckdb"
    staging = tmp_path / ".warehouse.duckdb.staging"
    put(staging, "20220625T000000-1-aaaaaaaa.lock", b"")
    put(staging, "20220625T000000-1-aaaaaaaa/warehouse.duckdb", b"half a file")
    assert rebuild_warehouse(lake, path) == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["warehouse.duckdb"]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert len(connection.execute("SELECT warehouse_version()").fetchall()[0][0]) == 64


def write_lake(folder: Path, name: str) -> Lake:
    """A lake with a flight and an airport that say where they are."""
    for path, table in (
        ("raw/flights/day=2020-01-01/p.parquet", {"origin": [name]}),
        (AIRPORTS.path, {"icao": [name]}),
    ):
        (folder / path).parent.mkdir(parents=True)
        pq.write_table(pa.table(table), folder / path)
    return Lake.at(folder)


@pytest.mark.parametrize("name", ["lake[12]", "lake*", "lake?", "[!x]lake", "l{a,b}", "l]", "it's", "**"])
def test_a_lake_reads_itself_alone_whatever_its_name(tmp_path: Path, name: str) -> None:
    for neighbour in ("lake1", "lakeX", "alake", "la", name):
        lake = write_lake(tmp_path / neighbour, neighbour)
    warehouse = tmp_path / "warehouse.duckdb"
    rebuild_warehouse(lake, warehouse)
    connections = [connect(lake), connect_days(lake, ["2020-01-01"]), duckdb.connect(str(warehouse), read_only=True)]
    flights, airports = [(name, "2020-01-01")], [(name,)]
    for connection in connections:
        with connection:
            assert connection.execute("SELECT origin, day::VARCHAR FROM raw_flights").fetchall() == flights
            assert connection.execute("SELECT icao FROM airports").fetchall() == airports
    assert lake.address("x") == str(tmp_path / name / "x")


@pytest.mark.parametrize("folder", ["day=2001-01-01/lake", "a/env=prod", "x/env=/lake"])
def test_a_lake_below_a_folder_that_reads_as_a_partition_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(LakeError, match=r"below '(day|env)=.*partition.*OPENSKY_LAKE"):
        Lake.at(tmp_path / folder)
    with pytest.raises(LakeError, match="partition"):
        open_lake(Settings(_env_file=None, lake=f"s3://bucket/{folder}"))
    with pytest.raises(LakeError, match="backslash"):
        Lake.at(tmp_path / "a\\b")
    with pytest.raises(LakeError, match="question mark"):
        open_lake(Settings(_env_file=None, lake="s3://bucket/lake?"))
    Lake.at(tmp_path / "=x")  # no name


DIES_WRITING = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE own AS SELECT 1 AS x")
connection.execute("CHECKPOINT")
connection.execute("INSERT INTO own VALUES (2)")
os._exit(0)
"""


def log_of_another_database(folder: Path) -> bytes:
    """What a writer that dies leaves beside its database."""
    subprocess.run([sys.executable, "-c", DIES_WRITING, str(folder / "other.duckdb")], check=True)
    return (folder / "other.duckdb.wal").read_bytes()


def test_the_log_of_another_database_does_not_keep_it_shut(tmp_path):
    lake = LocalLake.at(tmp_path / "lake")
    path = tmp_path / "warehouse.duckdb"
    other = log_of_another_database(tmp_path)
    put(tmp_path, "warehouse.duckdb.wal", other)
    for _ in range(2):
        rebuild_warehouse(lake, path)
        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute("SELECT length(warehouse_version())").fetchall() == [(64,)]
        assert not (tmp_path / "warehouse.duckdb.wal").exists()
        put(tmp_path, "warehouse.duckdb.wal", other)


def test_a_file_that_does_not_open_is_no_success(tmp_path):
    """A writer of the file before may write its log anew at any moment."""
    lake = LocalLake.at(tmp_path / "lake")
    log, other = tmp_path / "warehouse.duckdb.wal", log_of_another_database(tmp_path)
    over = threading.Event()

    def plant() -> None:
        while not over.is_set():
            (tmp_path / "planted").write_bytes(other)
            os.replace(tmp_path / "planted", log)

    writer = threading.Thread(target=plant)
    writer.start()
    try:
        with pytest.raises(LakeError, match=r"warehouse\.duckdb does not open \(.*WAL.*\): delete it") as told:
            for _ in range(100):
                rebuild_warehouse(lake, tmp_path / "warehouse.duckdb")
    finally:
        over.set()
        writer.join()
    assert "\n" not in str(told.value)
