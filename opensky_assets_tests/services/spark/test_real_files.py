"""Both engines over all recorded files: states and polls here, all flights in `test_cluster.py`."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opensky_assets.settings import load_settings
from opensky_assets_tests.buckets import files_of
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.services.engines import assert_same_rows, chain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.services, needs_shared_data]

TODAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("source", "days"),
    [("bucket", ["2017-02-05", "2019-01-15", "2023-04-01"]), ("rest/poll", ["2025-09-25", "2025-09-26"])],
)
def test_the_engines_give_the_same_rows(session: SparkSession, tmp_path: Path, source: str, days: list[str]) -> None:
    """With the aircraft tables beside the polls, whose folder has none."""
    shutil.copytree(SHARED_DATA / source, tmp_path / "source", copy_function=shutil.copyfile)
    shutil.copytree(SHARED_DATA / "bucket" / "metadata", tmp_path / "source" / "metadata", dirs_exist_ok=True)
    lakes = []
    for name, engine in (("duckdb", None), ("spark", session)):
        settings = load_settings(source=str(tmp_path / "source"), lake=str(tmp_path / name), workers=1)
        chain(settings, days, TODAY, engine)
        lakes.append(LocalLake.at(tmp_path / name))
    one, other = lakes
    tops = ("raw", "quarantine", "_manifest/flights", "_manifest/state_vectors", "_manifest/aircraft_database")
    assert files_of(one.root, *tops) == files_of(other.root, *tops)
    for table in ("flights", "state_vectors"):
        made = f"enriched_{table}"
        given = "core/flights" if table == "flights" else f"raw/{table}"
        rows = [lake.parquet(path).metadata.num_rows for lake in lakes for path in files_below(lake, given, days)]
        assert 2 * assert_same_rows(one.root, other.root, made) == sum(rows)
    assert_same_rows(one.root, other.root, "flights")


def files_below(lake: LocalLake, table: str, days: list[str]) -> list[str]:
    return [path for paths in lake.day_files(table, days).values() for path in paths]
