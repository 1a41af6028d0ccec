"""The warehouse's file: replaced whole, and nothing of a dead writer stays beside it."""

import duckdb

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
