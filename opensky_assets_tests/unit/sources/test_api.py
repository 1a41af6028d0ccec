"""The API's client against a server on loopback that speaks as OpenSky documents it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from opensky_assets.settings import Settings
from opensky_assets.sources.api import ApiError, ApiUnavailable, Credentials, CreditsSpent, OpenSkyApi
from opensky_assets_tests.opensky_server import CLIENT_ID, CLIENT_SECRET, OpenSkyServer

BEGIN = datetime(2022, 6, 25, tzinfo=UTC)
END = BEGIN + timedelta(hours=2)
FLIGHT = {"icao24": "4b1801", "firstSeen": 1656140400, "lastSeen": 1656144000, "callsign": "SWR1    "}
ANSWER = json.dumps([FLIGHT]).encode()


@pytest.fixture
def server() -> Iterator[OpenSkyServer]:
    with OpenSkyServer(answers=lambda path, asked: ANSWER) as running:
        yield running


def client(server: OpenSkyServer, secret: str = CLIENT_SECRET, **options: object) -> OpenSkyApi:
    credentials = Credentials(SecretStr(CLIENT_ID), SecretStr(secret))
    given = {"timeout": 5, "stall": 0.4, "patience": 0.05, **options}
    return OpenSkyApi(server.url, server.token_url, credentials, **given)  # type: ignore[arg-type]


def test_an_answer_comes_as_it_was_sent(server: OpenSkyServer) -> None:
    api = client(server)
    assert api.flights_all(BEGIN, END) == ANSWER
    assert api.flights_arrival("LSZH", BEGIN, END) == ANSWER
    assert api.flights_departure("LSZH", BEGIN, END) == ANSWER
    window = {"begin": "1656115200", "end": "1656122400"}
    assert server.requests == [
        ("/api/flights/all", window),
        ("/api/flights/arrival", {"airport": "LSZH", **window}),
        ("/api/flights/departure", {"airport": "LSZH", **window}),
    ]
    assert len(server.tokens) == 1
    assert (api.spent, api.remaining) == (12, 3988)


def test_no_flights_is_an_empty_array(server: OpenSkyServer) -> None:
    server.answers = lambda path, asked: None
    assert client(server).flights_all(BEGIN, END) == b"[]"
    server.answers = lambda path, asked: b"null"
    assert client(server).flights_all(BEGIN, END) == b"[]"


def test_a_token_is_renewed_before_it_expires(server: OpenSkyServer) -> None:
    server.token_seconds = 30.3
    api = client(server)
    api.flights_all(BEGIN, END)
    time.sleep(0.4)
    api.flights_all(BEGIN, END)
    assert (len(server.tokens), server.refused) == (2, 0)


def test_a_token_that_is_refused_is_renewed_once(server: OpenSkyServer) -> None:
    api = client(server)
    api.flights_all(BEGIN, END)
    server.faults.append("expire")
    assert api.flights_all(BEGIN, END) == ANSWER
    assert (len(server.tokens), server.refused) == (2, 1)
    server.faults.extend(["expire", "expire"])
    with pytest.raises(ApiError, match=r"refuses .* \(401\); check OPENSKY_CLIENT_ID"):
        api.flights_all(BEGIN, END)


@pytest.mark.parametrize("fault", [(503, {}, b""), (500, {}, b"x"), (502, {}, b""), "stall", "html", "cut"])
def test_trouble_passes(server: OpenSkyServer, fault: object) -> None:
    server.faults.extend([fault, fault])
    told: list[str] = []
    assert client(server, timeout=20, report=told.append).flights_all(BEGIN, END) == ANSWER
    assert len(server.requests) == 3
    assert len(told) == 2 and "retry in" in told[0]


def test_a_token_server_in_trouble_is_waited_for(server: OpenSkyServer) -> None:
    server.token_faults.append(503)
    assert client(server).flights_all(BEGIN, END) == ANSWER


def test_too_many_requests_wait_as_long_as_told(server: OpenSkyServer) -> None:
    server.faults.append((429, {"X-Rate-Limit-Retry-After-Seconds": "1"}, b""))
    began = time.monotonic()
    assert client(server).flights_all(BEGIN, END) == ANSWER
    assert 1 <= time.monotonic() - began < 3


def test_credits_that_come_tomorrow_are_not_waited_for(server: OpenSkyServer) -> None:
    server.faults.append((429, {"X-Rate-Limit-Retry-After-Seconds": "40000"}, b""))
    began = time.monotonic()
    with pytest.raises(CreditsSpent, match="40000 s"):
        client(server).flights_all(BEGIN, END)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("fault", ["stall", "drip", (503, {}, b"")])
def test_it_ends_in_time_whatever_the_server_does(server: OpenSkyServer, fault: object) -> None:
    server.faults.extend([fault] * 100)
    began = time.monotonic()
    with pytest.raises(ApiUnavailable, match="no answer within 2 s"):
        client(server, timeout=2, stall=0.5).flights_all(BEGIN, END)
    assert time.monotonic() - began < 3


def test_the_budget_is_kept(server: OpenSkyServer) -> None:
    api = client(server, budget=10)
    api.flights_all(BEGIN, END)
    server.faults.append((503, {}, b""))  # what is sent counts, answered or not
    with pytest.raises(CreditsSpent, match="8 of OPENSKY_API_BUDGET=10"):
        api.flights_all(BEGIN, END)
    with pytest.raises(CreditsSpent):
        client(server, budget=10).flights_arrival("LSZH", BEGIN, BEGIN + timedelta(days=2))
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_would_not_pass_is_not_tried_again(server: OpenSkyServer, status: int) -> None:
    server.faults.append((status, {}, b"why"))
    with pytest.raises(ApiError, match=str(status)):
        client(server).flights_all(BEGIN, END)
    assert len(server.requests) == 1


def test_secrets_are_never_told(server: OpenSkyServer, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    wrong = client(server, secret="a-wrong-secret", report=told.append)
    with pytest.raises(ApiError) as refused:
        wrong.flights_all(BEGIN, END)
    api = client(server, report=told.append, timeout=30)
    server.faults.extend(["cut", (503, {}, b""), "stall"])
    api.flights_all(BEGIN, END)
    settings = Settings(_env_file=None, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    texts = [repr(api), str(refused.value), repr(refused.value), repr(settings), *told, *capfd.readouterr()]
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    for text in texts:
        for secret in (CLIENT_ID, CLIENT_SECRET, "a-wrong-secret", *server.tokens):
            assert secret not in text
