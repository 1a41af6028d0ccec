"""A cursor of the sensor and a Dagster history that version 0.1.0 left are gone on with: nothing is asked for twice.

The source is written anew, with the sizes and times that the cursor remembers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from datetime import UTC, date, datetime, timedelta
from logging import getLogger
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)
from dagster._core.storage.tags import RUN_KEY_TAG, SENSOR_NAME_TAG
from dagster._core.test_utils import create_run_for_test, freeze_time
from dagster._daemon.sensor import execute_sensor_iteration

from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS, Contract
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.buckets import put
from opensky_assets_tests.dagster.conftest import Platform, platform  # noqa: F401
from opensky_assets_tests.dagster.test_automation import ROOT, Ticks, daemon, days, names
from opensky_assets_tests.flight_lists import AIRCRAFT, HEADER, flight
from opensky_assets_tests.lakes import publish_airports
from opensky_assets_tests.state_files import HEADER as STATE_HEADER
from opensky_assets_tests.state_files import answered, epoch, state

MTIME = 1_700_000_000
TODAY = date(2023, 12, 1)
ANSWER = "flights_api/2022-06-20/flights_all_2022-06-20T10.json"


def list_of(day: str) -> bytes:
    return f"{HEADER}\r\n{flight(day)}\r\n".encode()


OBJECTS = {
    "flights/flightlist_20220625_20220625.csv": list_of("2022-06-25"),
    "flights/flightlist_20220626_20220627.csv": list_of("2022-06-26"),
    "states/2022-06-25/10/states_2022-06-25-10.csv": f"{STATE_HEADER}\n{state(epoch('2022-06-25', 10))}\n".encode(),
    "poll/states/states_1656273600.json": json.dumps(answered(contact=1656273600)).encode(),
    "metadata/aircraftDatabase.csv": AIRCRAFT.encode(),
    ANSWER: json.dumps([{"icao24": "4b1801", "firstSeen": 1655719200, "lastSeen": 1655722800}]).encode(),
}
"""What the source has. The list of two days and the answer were asked for, and are not in the lake."""


NEW = "flights/flightlist_20220628_20220628.csv"
NEW_KEY = "2022-06-28…2022-06-28 flights 1701388800.2.5073f919"
"""The run that version 0.1.0 asks for, from the cursor below, once the list `NEW` is there."""

OLD_CURSOR = """{
 "source": "@SOURCE@",
 "born": 1701388800,
 "looks": 1,
 "slots": {
  "a": "B~(g-s9y",
  "f20220625": "O;91}!M*",
  "f20220626-20220627": "{nW-i!rl",
  "s20220625": "8V%OlVG{",
  "s20220626": "E%*#KOa}",
  "uf202206": "b8U8=&cX"
 },
 "later": {},
 "unread": {"b0b6e53271619829": ["71-1700000000000000000", "2023-12-01"]}
}"""
"""After two looks of version 0.1.0: all of `OBJECTS` was seen, the answer in the second one."""

SELECTOR = "789cb5efd6e7e09b6a4dff5f05d6a6ca2976f19a"
"""Under which the daemon keeps the cursor: a digest of the names of code location, repository and sensor."""


def old_cursor(bucket: Path) -> str:
    """The cursor as the daemon has it, of the source in this folder."""
    source = hashlib.sha256(LocalStore(bucket).uri.encode()).hexdigest()[:16]
    return base64.b85encode(zlib.compress(OLD_CURSOR.replace("@SOURCE@", source).encode(), 9)).decode()


def fill(platform: Platform) -> None:  # noqa: F811
    """The source, and a lake that has the day 2022-06-25 and the reference tables. The answer came after that."""
    for key in OBJECTS.keys() - {ANSWER}:
        put(platform.bucket, key, OBJECTS[key], MTIME)
    sync_aircraft(LocalStore(platform.bucket), platform.lake, load_settings(), TODAY, print)
    publish_airports(platform.lake)
    for contract in (FLIGHTS, STATE_VECTORS):
        sync(platform, contract, "2022-06-25")
    put(platform.bucket, ANSWER, OBJECTS[ANSWER], MTIME)


def sync(platform: Platform, contract: Contract, day: str) -> None:  # noqa: F811
    sync_days(contract, [day], LocalStore(platform.bucket), platform.lake, load_settings(), TODAY, print)


@pytest.fixture
def ticks(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Ticks:  # noqa: F811
    """The sensor an hour after the looks that the cursor is of."""
    fill(platform)
    monkeypatch.setattr(OpenSkyResource, "now", staticmethod(lambda: datetime(2023, 12, 1, 1, tzinfo=UTC)))
    found = Ticks(platform)
    found.cursor = old_cursor(platform.bucket)
    return found


def test_what_an_old_cursor_has_seen_is_not_asked_for_again(ticks: Ticks) -> None:
    """Neither what is in the lake, nor what was asked for and is not read yet."""
    assert ticks.tick() == []
    assert ticks.tick() == []


def test_a_new_object_is_asked_for_once_by_the_key_that_the_old_version_gives(ticks: Ticks) -> None:
    put(ticks.platform.bucket, NEW, list_of("2022-06-28"), MTIME)
    (request,) = ticks.tick()
    assert (request.run_key, days(request)) == (NEW_KEY, ("2022-06-28", "2022-06-28"))
    assert {"raw_flights", "flights", "enriched_flights", "routes", "data_quality_daily", "daily_report"} <= names(
        request
    )
    assert not names(request) & {"raw_state_vectors", "aircraft_database", "airports"}
    assert ticks.tick() == []


def test_an_object_of_unknown_days_that_was_asked_for_is_followed_once_it_is_read(ticks: Ticks) -> None:
    assert ticks.tick() == []
    sync(ticks.platform, FLIGHTS, "2022-06-20")
    (request,) = ticks.tick()
    assert days(request) == ("2022-06-20", "2022-06-20")
    assert ticks.tick() == []


def test_a_changed_object_of_an_old_cursor_is_asked_for_once(ticks: Ticks) -> None:
    assets = {"metadata": "aircraft_database", "flights": "raw_flights"}
    for key in sorted(OBJECTS.keys() - {ANSWER}):
        put(ticks.platform.bucket, key, OBJECTS[key], MTIME + 1)
        (request,) = ticks.tick()
        assert assets.get(key.split("/")[0], "raw_state_vectors") in names(request)
        assert ticks.tick() == []


@pytest.mark.slow
def test_the_daemon_goes_on_with_an_old_cursor_and_knows_old_runs(
    platform: Platform,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The daemon of the old version asked for the new list, and was killed before it kept the cursor."""
    fill(platform)
    put(platform.bucket, NEW, list_of("2022-06-28"), MTIME)
    monkeypatch.setenv("OPENSKY_SOURCE", str(platform.bucket))
    monkeypatch.setenv("OPENSKY_LAKE", str(platform.lake.root))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with daemon(home) as (instance, workspace):
        location = workspace.create_request_context().get_code_location("opensky_assets")
        sensor = location.get_repository("__repository__").get_sensor("arrivals")
        assert sensor.selector_id == SELECTOR
        data = SensorInstigatorData(cursor=old_cursor(platform.bucket))
        state = InstigatorState(sensor.get_remote_origin(), InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        instance.add_instigator_state(state)
        tags = {RUN_KEY_TAG: NEW_KEY, SENSOR_NAME_TAG: "arrivals"}
        old = create_run_for_test(instance, "__ASSET_JOB", status=dg.DagsterRunStatus.SUCCESS, tags=tags)
        for minutes, expected in ((0, [old.run_id]), (5, [old.run_id])):
            with freeze_time(datetime.now(UTC) + timedelta(minutes=minutes)):
                list(execute_sensor_iteration(workspace, getLogger("daemon"), None, None))
            assert [run.run_id for run in instance.get_runs()] == expected
        instance.delete_run(old.run_id)
        instance.update_instigator_state(state)
        with freeze_time(datetime.now(UTC) + timedelta(minutes=10)):
            list(execute_sensor_iteration(workspace, getLogger("daemon"), None, None))
        assert [run.tags[RUN_KEY_TAG] for run in instance.get_runs()] == [NEW_KEY]
