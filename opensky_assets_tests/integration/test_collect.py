"""`opensky-assets collect` as a user runs it: recorded and live answers, through the landing into the lake."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.ingest.sync import sync_days
from opensky_assets.live.replayer import replay
from opensky_assets.live.sinks import LandingSink
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.sources.simulation.bucket import simulate
from opensky_assets.storage.landing import open_landing, open_stores
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import SHARED_DATA, Place, needs_shared_data
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.opensky_server import CLIENT_ID, CLIENT_SECRET, OpenSkyServer
from opensky_assets_tests.unit.live.clocks import FakeClock

TODAY = date(2025, 10, 1)
STATE = ["4b1801", "SWR1    ", "Switzerland", 1, 2, 8.5, 47.4, 3000.0, False, 150.0, 90.0, 0.0, None, 3100.0, "1000"]


def settings_in(folder: Path) -> Settings:
    (folder / "bucket").mkdir(exist_ok=True)
    return load_settings(
        source=str(folder / "bucket"), lake=str(folder / "lake"), landing=str(folder / "landing"), workers=1
    )


def landing_sink(settings: Settings) -> LandingSink:
    return LandingSink(open_landing(settings), lambda seconds: False, lambda text: None)


@needs_shared_data
@pytest.mark.slow
def test_all_recorded_answers_are_in_the_lake_after_a_replay(tmp_path: Path) -> None:
    """103,729 states, as the polls themselves give when they are the source; the flights too. Twice is once."""
    settings, recorded = settings_in(tmp_path), LocalStore(SHARED_DATA / "rest" / "poll")
    for _ in range(2):
        done = replay(recorded, landing_sink(settings), FakeClock(0), None, lambda text: None)
        assert (done.polls, done.states, done.rejected, done.broken) == (260, 103_729, 0, {})
    lake = LocalLake.at(tmp_path / "lake")
    days = ["2025-09-25", "2025-09-26"]
    synced = sync_days(STATE_VECTORS, days, open_stores(settings), lake, settings, TODAY, lambda text: None)
    assert (synced.messages, len(synced.read)) == ([], 260)
    with duckdb.connect() as duck:
        files = str(lake.path("raw/state_vectors") / "day=*" / "*.parquet")
        (counts,) = duck.execute(
            "SELECT (count(*), count(DISTINCT (icao24, time)), count(DISTINCT (icao24, lastcontact))) "
            f"FROM read_parquet('{files}')"
        ).fetchall()
    assert counts[0] == (103_729, 103_729, 98_313)
    flights = sync_days(FLIGHTS, days, open_stores(settings), lake, settings, TODAY, lambda text: None)
    landed = sum(manifest.total.written for manifest in flights.read)
    recorded_once = {path.read_bytes(): path for path in (SHARED_DATA / "rest" / "poll").glob("flights_*/*/*/*.gz")}
    texts = {gzip.decompress(data) for data in recorded_once}
    assert landed == sum(len(text.splitlines()) for text in texts)  # the same answer twice is one object


def test_an_hourly_file_is_replayed_poll_by_poll(tmp_path: Path) -> None:
    """The same rows by both ways, but for what the API has no field for."""
    simulate(tmp_path / "recorded", start=date(2022, 6, 25), days=1, aircraft=12, seed=5, progress=lambda text: None)
    recorded = LocalStore(tmp_path / "recorded")
    hours = [item for item in recorded.list("states/") if "_2022-06-25-1" in item.key or "-25-1" in item.key]
    few = tmp_path / "few"
    for item in hours[:2]:
        target = few / item.key
        target.parent.mkdir(parents=True)
        target.write_bytes((recorded.root / item.key).read_bytes())
    settings = settings_in(tmp_path)
    clock = FakeClock(0)
    done = replay(LocalStore(few), landing_sink(settings), clock, 100, lambda text: None)
    assert done.is_whole and done.polls > 100
    assert 60 < clock.at < 80  # two hours at a hundred times their speed
    rows = {}
    for name, given in (("direct", load_settings(source=str(few), lake=str(tmp_path / "direct"))), ("lake", settings)):
        lake = LocalLake.at(tmp_path / name)
        sync_days(STATE_VECTORS, ["2022-06-25"], open_stores(given), lake, given, TODAY, lambda text: None)
        columns = ", ".join(sorted({*STATE_VECTORS.schema.names} - {"alert"}))
        with duckdb.connect() as duck:
            files = str(lake.path("raw/state_vectors") / "day=*" / "*.parquet")
            rows[name] = duck.execute(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()
    assert rows["lake"] == rows["direct"] and len(rows["lake"]) == done.states


def test_a_replay_waits_as_long_as_was_recorded_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded" / "states"
    recorded.mkdir(parents=True)
    for at in (1_758_797_000, 1_758_797_090, 1_758_797_180):
        (recorded / f"states_{at}.json").write_text(json.dumps({"time": at, "states": [[*STATE, False, 0]]}))
    (recorded / "states_1758797200.json").write_text("<html>")
    (recorded.parent / "notes.txt").write_text("")
    settings, clock = settings_in(tmp_path), FakeClock(0)
    done = replay(LocalStore(recorded.parent), landing_sink(settings), clock, 10, lambda text: None)
    assert (clock.at, done.polls, done.left_out) == (18, 3, ["notes.txt"])
    assert done.broken == {"states/states_1758797200.json": "it is not JSON"}
    stopped = replay(LocalStore(recorded.parent), landing_sink(settings), FakeClock(0, 5), 10, lambda text: None)
    assert (stopped.polls, stopped.is_whole) == (1, False)


def environment(server: OpenSkyServer, folder: Path, **more: str) -> dict[str, str]:
    return {
        "OPENSKY_API_URL": server.url,
        "OPENSKY_API_TOKEN_URL": server.token_url,
        "OPENSKY_CLIENT_ID": CLIENT_ID,
        "OPENSKY_CLIENT_SECRET": CLIENT_SECRET,
        "OPENSKY_LANDING": str(folder / "landing"),
    } | more


def test_the_command_collects_until_it_is_told_to_end(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    place = Place(tmp_path / "bucket", tmp_path)
    with OpenSkyServer() as server:

        def answer(path: str, asked: dict[str, str]) -> bytes:
            return json.dumps({"time": int(time.time()), "states": [[*STATE, False, 0, 3]]}).encode()

        server.answers = answer
        once = place.run("collect", "--once", **environment(server, tmp_path))
        assert once.returncode == 0 and "europe: 1 aircraft, " in once.stdout and "2 polls, 0" in once.stdout
        assert "written licence" in once.stdout
        for number in (signal.SIGTERM, signal.SIGINT):
            process = place.start("collect", "--region", "alps=45,5,48,10@5", **environment(server, tmp_path))
            assert process.stdout is not None
            while "alps: 1 aircraft" not in process.stdout.readline():
                assert process.poll() is None
            os.kill(process.pid, number)
            rest, _ = process.communicate(timeout=60)
            assert process.returncode == 0 and "polls, 0 without an answer" in rest
        asked = len(server.requests)
        refused = place.run("collect", "--once", OPENSKY_API_URL=server.url, OPENSKY_LANDING=str(tmp_path / "other"))
        assert refused.returncode == 1 and "live data is off: set OPENSKY_CLIENT_ID" in refused.stdout
        assert len(server.requests) == asked and not (tmp_path / "other").exists()
        wrong = place.run("collect", "--once", **environment(server, tmp_path, OPENSKY_CLIENT_SECRET="a-wrong-one"))
        assert wrong.returncode == 1 and "OPENSKY_CLIENT_SECRET" in wrong.stdout and "a-wrong-one" not in wrong.stdout
    landed = sorted((tmp_path / "landing").rglob("*.json.gz"))
    assert len(landed) >= 4 and all(json.loads(gzip.decompress(path.read_bytes()))["states"] for path in landed)


def test_a_plan_needs_no_account(tmp_path: Path) -> None:
    place = Place(tmp_path / "bucket", tmp_path)
    shown = place.run("collect", "--plan", "--region", "europe@60", "--used", "1000")
    assert shown.returncode == 0
    assert "4,000 credits a day, 1,000 used, 3,000 to spend" in shown.stdout
    assert "short of credits: all intervals are 1.44 times the requested ones" in shown.stdout
    assert place.run("collect", "--region", "x", "--plan").returncode == 1
