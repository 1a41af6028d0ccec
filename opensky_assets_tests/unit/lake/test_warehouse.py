"""The warehouse's file: replaced whole, and nothing of a dead writer stays beside it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from opensky_assets.lake import LakeError
from opensky_assets.lake.warehouse import rebuild_warehouse
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
