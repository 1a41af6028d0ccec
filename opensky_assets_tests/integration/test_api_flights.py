"""The recorded flights, served as OpenSky serves them, land and arrive; a run of the job does the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from pydantic import SecretStr

from opensky_assets.definitions import build_definitions
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.sources import landing
from opensky_assets.sources.api import ApiUnavailable, Credentials, CreditsSpent, OpenSkyApi
from opensky_assets.sources.landing import NotYet, land_flights
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.s3_objects import S3Store
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.dagster.conftest import Platform, at_once, platform  # noqa: F401
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.opensky_server import CLIENT_ID, CLIENT_SECRET, OpenSkyServer

DAY = date(2022, 6, 25)
TODAY = date(2025, 10, 1)


def client(server: OpenSkyServer, **options: object) -> OpenSkyApi:
    credentials = Credentials(SecretStr(CLIENT_ID), SecretStr(CLIENT_SECRET))
    return OpenSkyApi(server.url, server.token_url, credentials, patience=0.05, timeout=5, **options)  # type: ignore[arg-type]


def one_flight(path: str, asked: dict[str, str]) -> bytes | None:
    """A flight in each window of two hours but the last."""
    begin = int(asked["begin"])
    if datetime.fromtimestamp(begin, UTC).hour == 22:
        return None
    return json.dumps([{"icao24": "4b1801", "firstSeen": begin, "lastSeen": begin + 60, "callsign": "SWR1"}]).encode()


@pytest.fixture
def server() -> Iterator[OpenSkyServer]:
    with OpenSkyServer(answers=one_flight) as running:
        yield running


def say(text: str) -> None: ...


def sync(bucket: Path, lake: LocalLake) -> int:
    done = sync_days(FLIGHTS, ["2022-06-25"], LocalStore(bucket), lake, load_settings(), TODAY, say)
    assert done.messages == [] and all(m.lawful for m in done.read)
    return sum(m.total.written for m in lake.manifests(FLIGHTS.name).values())


def test_a_day_is_twelve_windows_landed_once(server: OpenSkyServer, tmp_path: Path) -> None:
    store, api = LocalStore(tmp_path / "bucket"), client(server)
    store.root.mkdir()
    done = land_flights(api, store, DAY, TODAY, say)
    assert (len(done.landed), done.credits, done.remaining) == (12, 48, 4000 - 48)
    windows = [(int(asked["begin"]), int(asked["end"])) for _, asked in server.requests]
    assert all(end - begin == 7200 for begin, end in windows)
    assert (windows[0][0], windows[-1][1]) == (1656115200, 1656115200 + 86400)
    assert all(one[1] == two[0] for one, two in pairwise(windows))
    assert sync(store.root, LocalLake.at(tmp_path / "lake")) == 11
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.gz")}
    assert land_flights(api, store, DAY, TODAY, say).credits == 0
    again = land_flights(api, store, DAY, TODAY, say, again=True)
    assert again.credits == 48
    assert before == {path: path.stat().st_mtime_ns for path in store.root.rglob("*.gz")}  # same bytes, same version


def test_what_is_landed_stays_and_is_not_asked_for_again(server: OpenSkyServer, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(CreditsSpent):
        land_flights(client(server, budget=20), store, DAY, TODAY, say)
    server.faults.extend([None, None, *[(503, {}, b"")] * 200])
    with pytest.raises(ApiUnavailable):
        land_flights(client(server), store, DAY, TODAY, say)
    server.faults.clear()
    done = land_flights(client(server), store, DAY, TODAY, say)
    assert (len(done.there), len(done.landed)) == (7, 5)
    assert sync(tmp_path, LocalLake.at(tmp_path.with_name("lake"))) == 11


@pytest.mark.parametrize("airports", [(), ("LSZH", "EDDF")])
def test_flights_that_are_not_there_yet_are_waited_for(
    airports: tuple[str, ...], server: OpenSkyServer, tmp_path: Path
) -> None:
    """OpenSky fills a day in the night after it: an answer without flights says nothing until that is surely over."""
    full, night, later = server.answers, date(2022, 6, 26), date(2022, 6, 27)
    store, every = LocalStore(tmp_path), 4 if airports else 12
    server.answers = lambda path, asked: None
    with pytest.raises(NotYet, match=f"{every} of {every} responses for 2022-06-25 .* from 2022-06-27 on"):
        land_flights(client(server), store, DAY, night, say, airports)
    assert list(tmp_path.rglob("*.gz")) == []
    server.answers = full  # the last window of the world has none
    if airports:
        server.answers = lambda path, asked: None if path.endswith("departure") else full(path, asked)
        assert len(land_flights(client(server), store, DAY, night, say, airports).waiting) == 2
    else:
        with pytest.raises(NotYet, match="1 of 12"):
            land_flights(client(server), store, DAY, night, say)
    there = len(list(tmp_path.rglob("*.gz")))
    assert there == every - (2 if airports else 1)
    done = land_flights(client(server), store, DAY, later, say, airports)
    assert (len(done.there), len(done.landed), done.waiting) == (there, every - there, [])


def test_a_source_that_cannot_be_written_is_told_before_anything_is_asked(server: OpenSkyServer) -> None:
    with pytest.raises(SourceError, match="OPENSKY_SOURCE_ANONYMOUS=false"):
        land_flights(client(server), S3Store(S3Place("data-samples", anonymous=True)), DAY, TODAY, say)
    assert server.requests == []


def test_a_bucket_of_ones_own_takes_them_too(server: OpenSkyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        place = S3Place("flights-bucket", "own", f"http://{host}:{port}", "us-east-1")
        place.client().create_bucket(Bucket="flights-bucket")
        store = S3Store(place)
        assert len(land_flights(client(server), store, DAY, TODAY, say).landed) == 12
        assert len(list(store.list("flights_api/2022-06-25/"))) == 12
        assert len(land_flights(client(server), store, DAY, TODAY, say).there) == 12
    finally:
        s3.stop()


def run_job(
    platform: Platform,  # noqa: F811
    server: OpenSkyServer,
    monkeypatch: pytest.MonkeyPatch,
    day: str = "2022-06-25",
    **settings: str,
) -> dg.ExecuteInProcessResult:
    """A run of the job `api_flights`, with the credentials of `server` unless `settings` has others."""
    given = {"CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}
    given |= {"API_URL": server.url, "API_TOKEN_URL": server.token_url, **settings}
    for name, value in given.items():
        monkeypatch.setenv(f"OPENSKY_{name}", value)
    job = build_definitions(platform.opensky).resolve_job_def("api_flights")
    return job.execute_in_process(instance=platform.instance, partition_key=day, raise_on_error=False)


def test_the_job_lands_a_day(platform: Platform, server: OpenSkyServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    assert run_job(platform, server, monkeypatch).success
    assert len(list(platform.bucket.rglob("flights_all_*.json.gz"))) == 12

    failed = run_job(platform, server, monkeypatch, "2022-06-26", CLIENT_SECRET="wrong-secret")
    (failure,) = [e for e in failed.all_events if e.is_step_failure]
    assert not [e for e in failed.all_events if e.is_step_up_for_retry]
    told = failure.step_failure_data.error_display_string
    assert "OPENSKY_CLIENT_SECRET" in told
    for entry in platform.instance.all_logs(failed.run_id):
        assert "wrong-secret" not in str(entry)


@pytest.mark.parametrize(("budget", "asked", "told"), [(4000, 3, "no answer within"), (8, 2, "OPENSKY_API_BUDGET")])
@pytest.mark.usefixtures("at_once")
def test_a_silent_api_is_asked_three_times_with_one_budget(
    platform: Platform,  # noqa: F811
    server: OpenSkyServer,
    monkeypatch: pytest.MonkeyPatch,
    budget: int,
    asked: int,
    told: str,
) -> None:
    monkeypatch.setattr(landing, "OpenSkyApi", partial(OpenSkyApi, timeout=0.5))
    server.faults.extend(["stall"] * 10)
    failed = run_job(platform, server, monkeypatch, API_BUDGET=str(budget))
    assert len(server.requests) == asked
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert told in failure.step_failure_data.error_display_string
    run = platform.instance.get_run_by_id(failed.run_id)
    assert run.tags["opensky/api_credits_spent"] == str(4 * asked)


@needs_shared_data
@pytest.mark.slow
def test_all_recorded_flights_arrive_exactly(server: OpenSkyServer, tmp_path: Path) -> None:
    """Every recorded answer is one question; between them, the server has its troubles."""
    found = sorted((SHARED_DATA / "rest" / "poll").glob("flights_*/*/*/*.json.gz"))
    answers: dict[tuple[str, str, int], bytes] = {}
    for n, path in enumerate(found):
        _, kind, airport, _ = path.name.split("_")
        records = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines() if line.strip()]
        answers[kind, airport, n] = json.dumps(records).encode() if records else b""
    (kdca,) = (SHARED_DATA / "rest" / "flights").glob("departure_KDCA*.json")
    answers["departure", "KDCA", len(found)] = kdca.read_bytes()
    begins = {key: datetime(2025, 1, 1 + key[2] % 28, key[2] // 28, tzinfo=UTC) for key in answers}
    by_question = {
        (f"/api/flights/{key[0]}", key[1], str(int(begins[key].timestamp()))): body for key, body in answers.items()
    }
    server.answers = lambda path, asked: by_question[path, asked["airport"], asked["begin"]] or None
    troubles = ["expire", (503, {}, b""), (429, {"X-Rate-Limit-Retry-After-Seconds": "0.1"}, b""), "cut", None, None]
    server.faults.extend(troubles * 20)
    api, bucket, lake = client(server), tmp_path / "bucket", LocalLake.at(tmp_path / "lake")
    for kind, airport, n in answers:
        begin = begins[kind, airport, n]
        ask = api.flights_arrival if kind == "arrival" else api.flights_departure
        key = bucket / "flights_api" / f"{n:03d}" / f"flights_{kind}_{airport}.json.gz"
        key.parent.mkdir(parents=True)
        key.write_bytes(gzip.compress(ask(airport, begin, begin)))
    sync(bucket, lake)
    counted = {}
    for kind in ("arrival", "departure"):
        files = [
            str(lake.path(output.path))
            for key, manifest in lake.manifests(FLIGHTS.name).items()
            if f"flights_{kind}_" in key
            for output in manifest.files
        ]
        with duckdb.connect() as duck:
            counted[kind] = duck.execute(
                "SELECT count(*), count(DISTINCT (icao24, firstseen, lastseen)) FROM read_parquet(?)", [files]
            ).fetchone()
    of_kdca = len(json.loads(kdca.read_bytes()))
    assert counted == {"arrival": (8_684, 3_508), "departure": (8_010 + of_kdca, 3_220 + of_kdca)}
