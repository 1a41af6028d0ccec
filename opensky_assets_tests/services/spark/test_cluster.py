"""A standalone cluster of one master and two workers, of which one dies in the middle: not a row differs."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.sources.simulate import simulate
from opensky_assets_tests.buckets import files_of
from opensky_assets_tests.commands import SHARED_DATA, Place, needs_shared_data
from opensky_assets_tests.services.engines import assert_same_rows
from opensky_assets_tests.services.places import finish, start
from opensky_assets_tests.services.spark.cluster import Cluster, cluster

pytestmark = [pytest.mark.services, needs_shared_data, pytest.mark.timeout(600)]

RANGE = "2019-01-01...2020-04-30"
DAILY = ("raw_flights", "raw_state_vectors", "flights", "enriched_flights", "enriched_state_vectors")
OBJECTS = 12 + 8


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded flights and aircraft, and eight simulated hours of states."""
    folder = tmp_path_factory.mktemp("cluster")
    for name in ("flights", "metadata"):
        shutil.copytree(SHARED_DATA / "bucket" / name, folder / "bucket" / name, copy_function=shutil.copyfile)
    simulate(folder / "simulated", start=date(2020, 3, 2), days=1, aircraft=1500, seed=11, states_hours=8)
    shutil.copytree(folder / "simulated" / "states", folder / "bucket" / "states")
    return folder / "bucket"


def kill_a_worker_in_the_middle(found: Cluster, place: Place, process: subprocess.Popen[str]) -> int:
    """Once some objects are through. Returns how many then were."""
    while process.poll() is None:
        done = len([p for p in place.lake.glob("_manifest/*/*.json") if p.parent.name != "aircraft_database"])
        if done >= 5:
            found.kill(0)
            return done
        time.sleep(0.02)
    raise AssertionError(finish(process))


@pytest.fixture(scope="module")
def both(bucket: Path) -> tuple[Place, Place, str]:
    """The lakes of the local engine and of the cluster, and what the run on the cluster said."""
    local, spark = (Place(bucket, bucket.parent / name) for name in ("local", "spark"))
    for place in (local, spark):
        finish(start(place, ("aircraft_database", "airports")))
    finish(start(local, DAILY, RANGE))
    with cluster(bucket.parent) as found:
        engine = {"OPENSKY_ENGINE": "spark", "OPENSKY_SPARK_MASTER": found.master, "OPENSKY_SPARK_MEMORY": "1g"}
        process = start(spark, DAILY, RANGE, **engine)
        at_kill = kill_a_worker_in_the_middle(found, spark, process)
        output = finish(process)
    assert at_kill < OBJECTS
    return local, spark, output


def test_raw_tables_are_the_same_files(both: tuple[Place, Place, str]) -> None:
    local, spark, _ = both
    tops = ("raw", "quarantine", "_manifest/flights", "_manifest/state_vectors", "_manifest/aircraft_database")
    assert len(list(spark.lake.glob("_manifest/*/*.json"))) == OBJECTS + 2
    assert files_of(spark.lake, *tops) == files_of(local.lake, *tops)
    assert not (spark.lake / "_staging").exists()


def test_enriched_tables_have_the_same_rows(both: tuple[Place, Place, str]) -> None:
    local, spark, _ = both
    assert assert_same_rows(local.lake, spark.lake, "enriched_flights") == 120_000
    assert assert_same_rows(local.lake, spark.lake, "enriched_state_vectors") > 0
    assert len(list(local.lake.glob("core/enriched_flights/*"))) == 362


def test_the_run_says_where_the_pages_are_and_how_far_it_is(both: tuple[Place, Place, str]) -> None:
    assert "its pages at http://127.0.0.1:" in both[2]
    assert "12 of 12 objects, 120,000 records" in both[2]
    assert "8 of 8 objects" in both[2]
