"""On the days of a flight list, the API's flights give way to it, whatever came first."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Counts
from opensky_assets.lake.prune import find, remove
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.sources.store import LocalStore
from opensky_assets_tests.buckets import TODAY, put
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.lakes import LocalLake

SETTINGS = Settings(_env_file=None)
DAYS = ["2022-06-25", "2022-06-26"]
NIGHT = 1656194400  # 2022-06-25 22:00
KEY = "flights_api/2022-06-25/flights_all_2022-06-25T22.json"


def answer(bucket: Path) -> None:
    """Two flights that end on the 25th, one on the 26th, one line without an address."""
    flights = [
        {"icao24": icao24, "firstSeen": NIGHT - 3600, "lastSeen": NIGHT + seen, "callsign": "SWR1"}
        for icao24, seen in (("4b1801", 0), ("4b1802", 60), ("4b1803", 3 * 3600), (None, 0))
    ]
    put(bucket, KEY, "".join(json.dumps(record) + "\n" for record in flights).encode())


def flight_list(bucket: Path, day: str = DAYS[0]) -> Path:
    return write_list(bucket, day, day, [flight(day), flight(day, hour=12), flight(day, hour=14)])


def sync(bucket: Path, lake: LocalLake) -> None:
    settings = SETTINGS.model_copy(update={"quarantine_limit": 1.0})
    sync_days(FLIGHTS, DAYS, LocalStore(bucket), lake, settings, TODAY, lambda text: None)


def rows(lake: LocalLake) -> dict[str, int]:
    files = lake.committed(FLIGHTS.name, DAYS)
    on_disk = {path for paths in lake.day_files(FLIGHTS.path, DAYS).values() for path in paths}
    assert on_disk == {path for found in files.values() for path, _ in found}
    return {day: sum(lake.parquet(path).metadata.num_rows for path, _ in found) for day, found in files.items()}


ARRIVALS = {"answer": answer, "list": flight_list}


@pytest.mark.parametrize("order", [*permutations(ARRIVALS), ("answer+list",)])
def test_the_list_wins_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    for step in order:
        for name in step.split("+"):
            ARRIVALS[name](bucket)
        sync(bucket, lake)
    assert rows(lake) == {"2022-06-25": 3, "2022-06-26": 1}
    manifest = lake.manifests(FLIGHTS.name)[KEY]
    assert manifest.read == 4 and manifest.lawful
    assert manifest.total == Counts(written=1, quarantined=1, superseded=2)
    assert manifest.days["2022-06-25"].superseded == 2
    assert broken_laws(lake, list(lake.manifests(FLIGHTS.name).values())) == []
    before = {path: path.stat().st_mtime_ns for path in lake.root.rglob("*.json")}
    sync(bucket, lake)  # nothing to do, nothing done
    assert before == {path: path.stat().st_mtime_ns for path in lake.root.rglob("*.json")}


def test_where_the_list_goes_the_answers_come_back(tmp_path: Path) -> None:
    bucket, lake = tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    answer(bucket)
    path = flight_list(bucket)
    sync(bucket, lake)
    path.unlink()
    gone = [m for key, m in lake.manifests(FLIGHTS.name).items() if key.endswith(path.name)]
    remove(lake, find(lake, [FLIGHTS.name], gone, []))
    sync(bucket, lake)
    assert rows(lake) == {"2022-06-25": 2, "2022-06-26": 1}
    assert lake.manifests(FLIGHTS.name)[KEY].total.superseded == 0
