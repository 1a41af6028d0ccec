"""The collector against a server on loopback that answers, stalls, refuses and forgets its tokens as OpenSky does."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opensky_assets.live.collector import Collector, DailyFlights, check_access, regions_of
from opensky_assets.live.polls import NoAnswer, Poll, read_flights, read_poll
from opensky_assets.live.regions import RegionError, parse_region
from opensky_assets.live.sinks import LandingSink, SinkError, open_landing_of, poll_key
from opensky_assets.settings import load_settings
from opensky_assets.sources.api import ApiError
from opensky_assets.sources.keys import read_key
from opensky_assets.storage.errors import SourceError, SourceUnavailable
from opensky_assets.storage.landing import open_landing
from opensky_assets.storage.objects import LocalStore, SourceObject
from opensky_assets_tests.opensky_server import OpenSkyServer
from opensky_assets_tests.unit.live.clocks import FakeClock
from opensky_assets_tests.unit.sources.test_api import client

NOW = 1_758_797_276
STATE = ["4b1801", "SWR1    ", "Switzerland", NOW - 3, NOW - 2, 8.5, 47.4, 3000.0, False, 150.0, 90.0, 0.0, None]
LENGTHS = {13: STATE, 17: [*STATE, 3100.0, "1000", False, 0], 18: [*STATE, 3100.0, "1000", False, 0, 3]}
ALPS = parse_region("alps=45.5,5.5,48,15@20")


@dataclass
class ListSink:
    polls: list[Poll] = field(default_factory=list)
    flights: list[tuple[str, bytes]] = field(default_factory=list)

    def put_poll(self, poll: Poll) -> None:
        self.polls.append(poll)

    def put_flights(self, key: str, answer: bytes) -> None:
        self.flights.append((key, answer))

    def close(self) -> None: ...


@pytest.fixture
def server() -> Iterator[OpenSkyServer]:
    body = json.dumps({"time": NOW, "states": [LENGTHS[17], LENGTHS[18]]}).encode()
    with OpenSkyServer(answers=lambda path, asked: body) as running:
        yield running


def collector(server: OpenSkyServer, clock: FakeClock, budget: int = 4_000, **options: object) -> Collector:
    lines: list[str] = []
    made = Collector([ALPS], client(server, timeout=2, **options), ListSink(), clock, budget, lines.append)
    made.lines = lines  # type: ignore[attr-defined]
    return made


def lines_of(made: Collector) -> list[str]:
    return made.lines  # type: ignore[attr-defined,no-any-return]


def polls_of(made: Collector) -> list[Poll]:
    return made.sink.polls  # type: ignore[attr-defined,no-any-return]


def test_it_polls_by_its_schedule_and_says_so(server: OpenSkyServer) -> None:
    clock = FakeClock(NOW + 5)
    made = collector(server, clock)
    made.run(duration=100)
    assert (made.polls, made.failures, len(polls_of(made))) == (5, 0, 5)
    assert lines_of(made)[0] == "2025-09-25 10:48:01Z alps: 2 aircraft, 3,999 credits left, data 5 s old"
    assert clock.at == NOW + 105


@pytest.mark.parametrize("length", [13, 17, 18])
def test_states_of_each_length_are_read(length: int) -> None:
    body = json.dumps({"time": NOW, "states": [LENGTHS[length], [1, 2], "x"]}).encode()
    poll = read_poll(body, "alps")
    assert (len(poll.states), poll.rejected, poll.body) == (1, 2, body)
    assert (poll.states[0]["latitude"], poll.states[0].get("squawk")) == (47.4, None if length == 13 else "1000")


def test_an_empty_area_is_a_poll_without_states(server: OpenSkyServer) -> None:
    server.answers = lambda path, asked: json.dumps({"time": NOW, "states": None}).encode()
    made = collector(server, FakeClock(NOW))
    made.run_once()
    assert [poll.states for poll in polls_of(made)] == [[]] and "0 aircraft" in lines_of(made)[0]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": 1}\n{', b'{"time": 1, "states": 5}', b"[1, 2]"])
def test_what_is_no_answer_is_said(body: bytes) -> None:
    with pytest.raises(NoAnswer):
        read_poll(body, "alps")
    if body not in (b"",):
        with pytest.raises(NoAnswer):
            read_flights(body if body != b'{"time": 1, "states": 5}' else b"5")


@pytest.mark.parametrize("fault", [(503, {}, b""), "stall", "cut", "html"])
def test_an_outage_is_said_and_passes(server: OpenSkyServer, fault: object) -> None:
    made = collector(server, FakeClock(NOW))
    made.api.timeout = 0.5
    server.faults.extend([fault] * 30)
    made.run(duration=20)
    assert (made.polls, made.failures) == (0, 1) and "no answer within" in lines_of(made)[0]
    server.faults.clear()
    made.run(duration=20)
    assert made.polls == 1


def test_a_token_that_expires_is_renewed(server: OpenSkyServer) -> None:
    made = collector(server, FakeClock(NOW))
    server.faults.extend([None, "expire", None])
    made.run(duration=60)
    assert (made.polls, made.failures, len(server.tokens)) == (3, 0, 2)


def test_too_many_requests_are_left_alone_as_long_as_told(server: OpenSkyServer) -> None:
    clock = FakeClock(NOW)
    made = collector(server, clock)
    server.faults.append((429, {"X-Rate-Limit-Retry-After-Seconds": "3600"}, b""))
    made.run(duration=3_590)
    assert len(server.requests) == 1
    assert "alps: OpenSky grants no credits for 3,600 s; waiting" in lines_of(made)[0]
    made.run(duration=100)
    assert made.polls == 5


def test_credits_are_never_overdrawn_by_retries(server: OpenSkyServer) -> None:
    made = collector(server, FakeClock(NOW), budget=2)
    server.faults.extend([(503, {}, b"")] * 50)
    made.run_once()
    assert len(server.requests) == 2 and "too few credits are left for a retry" in lines_of(made)[-1]


def test_what_would_not_pass_ends_it(server: OpenSkyServer) -> None:
    server.faults.append((403, {}, b""))
    with pytest.raises(ApiError, match="OPENSKY_CLIENT_ID"):
        collector(server, FakeClock(NOW)).run()


def test_short_credits_are_said_once(server: OpenSkyServer) -> None:
    server.credits = 100
    clock = FakeClock(NOW - NOW % 86_400 + 600)
    made = collector(server, clock)
    made.run(duration=6 * 3600)
    told = [line for line in lines_of(made) if "short of credits" in line]
    assert len(told) == 2  # by its own reckoning, and by the first answer
    assert 24 <= made.polls <= 27


def test_nothing_is_asked_without_access() -> None:
    with pytest.raises(ApiError, match=r"live data is off: set OPENSKY_CLIENT_ID .* --anonymous .* written licence"):
        check_access(load_settings(), anonymous=False)
    check_access(load_settings(), anonymous=True)
    with pytest.raises(RegionError, match="at least 10 s, got 5"):
        regions_of(load_settings(), ["europe@5"], anonymous=True)
    assert [r.name for r in regions_of(load_settings(live_regions="a=0,0,1,1; world@90"), [], False)] == ["a", "world"]


# --- landing objects -----------------------------------------------------------------------------------------------


def test_an_answer_is_landed_once_and_as_it_was_sent(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    sink = LandingSink(store, lambda seconds: False, lambda text: None)
    poll = read_poll(json.dumps({"time": NOW, "states": [LENGTHS[18]]}).encode(), "alps")
    sink.put_poll(poll)
    sink.put_poll(poll)
    other = read_poll(json.dumps({"time": NOW, "states": [LENGTHS[17]]}).encode(), "alps")
    sink.put_poll(other)
    keys = [item.key for item in store.list()]
    assert keys == sorted([poll_key(poll), poll_key(other)])
    assert re.fullmatch(rf"states/2025-09-25/states_alps_{NOW}_[0-9a-f]{{8}}\.json\.gz", keys[0])
    facts = read_key(f"@landing/{keys[0]}")
    assert facts is not None and (facts.table, facts.epoch) == ("state_vectors", NOW)
    assert {gzip.decompress((tmp_path / key).read_bytes()) for key in keys} == {poll.body, other.body}


@dataclass(frozen=True)
class TroubledStore(LocalStore):
    """Fails as often as `troubles` has items."""

    troubles: list[int]

    def put(self, key: str, data: bytes, replaces: SourceObject | None = None) -> bool:
        if self.troubles:
            self.troubles.pop()
            raise SourceUnavailable("the bucket has trouble")
        return super().put(key, data, replaces)


def test_a_bucket_in_trouble_is_waited_for(tmp_path: Path) -> None:
    lines: list[str] = []
    clock = FakeClock(NOW)
    store = TroubledStore(tmp_path, [1] * 3)
    LandingSink(store, clock.wait, lines.append).put("a", b"x")
    assert (clock.waits, len(lines), (tmp_path / "a").read_bytes()) == ([5, 5, 5], 3, b"x")
    store.troubles.append(1)
    with pytest.raises(SinkError, match="b was not stored before the end: the bucket has trouble"):
        LandingSink(store, FakeClock(NOW, NOW).wait, lines.append).put("b", b"x")


def test_real_and_simulated_answers_have_landings_of_their_own(tmp_path: Path) -> None:
    settings = load_settings(source=str(tmp_path / "s"), lake=str(tmp_path / "l"), landing=str(tmp_path / "landing"))
    open_landing_of(settings, simulated=True)
    with pytest.raises(SourceError, match="has simulated responses, but these are real: set OPENSKY_LANDING"):
        open_landing_of(settings, simulated=False)
    other = load_settings(source=str(tmp_path / "s"), lake=str(tmp_path / "l"), landing=str(tmp_path / "other"))
    open_landing(other).put("states/x", b"")
    with pytest.raises(SourceError, match="has real responses, but these are simulated"):
        open_landing_of(other, simulated=True)


# --- flights -------------------------------------------------------------------------------------------------------


def test_yesterdays_flights_are_asked_for_each_day(server: OpenSkyServer, tmp_path: Path) -> None:
    flight = json.dumps([{"icao24": "4b1801", "firstSeen": 1, "lastSeen": 2}]).encode()
    server.answers = lambda path, asked: flight if path.startswith("/api/flights") else b'{"time": 1, "states": []}'
    sink, lines = ListSink(), list[str]()
    store = LocalStore(tmp_path)
    store.root.joinpath("landing").mkdir()
    landing = LocalStore(tmp_path / "landing")
    clock = FakeClock(NOW - NOW % 86_400 + 5 * 3600)
    made = collector(server, clock)
    made.regions = [parse_region("alps=45.5,5.5,48,15@3600")]
    made.flights = DailyFlights(client(server), landing, None, ["LSZH"], sink.put_flights, lines.append)
    made.run(duration=3 * 3600)
    keys = [
        f"flights_api/2025-09-{day}/flights_{kind}_LSZH.json.gz"
        for day in (23, 24)
        for kind in ("arrival", "departure")
    ]
    assert [key for key, _ in sink.flights] == keys == [item.key for item in landing.list()]
    made.run(duration=86_400)
    assert len(sink.flights) == 6  # the next day's, and none twice


def test_trouble_with_flights_stops_no_polls(server: OpenSkyServer, tmp_path: Path) -> None:
    made = collector(server, FakeClock(NOW))
    lines: list[str] = []
    api = client(server, budget=0)
    made.flights = DailyFlights(api, LocalStore(tmp_path), None, [], ListSink().put_flights, lines.append)
    made.run(duration=40)
    assert made.polls == 2 and lines[0].startswith("flights of 2025-09-23: 0 of OPENSKY_API_BUDGET=0")
