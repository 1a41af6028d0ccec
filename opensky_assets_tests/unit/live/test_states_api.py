"""The client asks for states as it asks for flights."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from opensky_assets.live.regions import Region, parse_region
from opensky_assets.sources.api import ApiError, ApiUnavailable, CreditsSpent, OpenSkyApi
from opensky_assets_tests.opensky_server import OpenSkyServer
from opensky_assets_tests.unit.sources.test_api import client

ANSWER = json.dumps({"time": 1758790508, "states": [["39de4a", "TVF37VF "]]}).encode()
ALPS = parse_region("alps=45.5,5.5,48,16")


@pytest.fixture
def server() -> Iterator[OpenSkyServer]:
    with OpenSkyServer(answers=lambda path, asked: ANSWER) as running:
        yield running


def ask(api: OpenSkyApi, region: Region = ALPS) -> bytes:
    return api.states(region.bounds, region.credits)


def test_states_of_a_box_and_of_the_world(server: OpenSkyServer) -> None:
    api = client(server)
    assert ask(api) == ask(api, parse_region("world")) == ANSWER
    box = {"lamin": "45.5", "lomin": "5.5", "lamax": "48.0", "lomax": "16.0", "extended": "1"}
    assert server.requests == [("/api/states/all", box), ("/api/states/all", {"extended": "1"})]
    assert (api.spent, api.remaining) == (6, 3994)


def test_an_empty_area_has_null_states(server: OpenSkyServer) -> None:
    server.answers = lambda path, asked: b'{"time": 1, "states": null}'
    assert ask(client(server)) == b'{"time": 1, "states": null}'


def test_an_account_is_not_needed(server: OpenSkyServer) -> None:
    server.needs_token = False
    assert ask(OpenSkyApi(server.url, server.token_url, None, timeout=5)) == ANSWER
    assert server.tokens == []


@pytest.mark.parametrize("body", [b"[]", b'{"states": []}', b'{"time": 1, "states": {}}', b"null"])
def test_an_answer_that_is_none_is_asked_for_again(server: OpenSkyServer, body: bytes) -> None:
    server.faults.append((200, {}, body))
    assert ask(client(server)) == ANSWER
    assert len(server.requests) == 2


def test_states_are_not_absent(server: OpenSkyServer) -> None:
    server.answers = lambda path, asked: None
    with pytest.raises(ApiError, match=r"/states/all is not there \(404"):
        ask(client(server))


def test_the_wait_for_more_credits_is_known(server: OpenSkyServer) -> None:
    server.faults.append((429, {"X-Rate-Limit-Retry-After-Seconds": "40000"}, b""))
    with pytest.raises(CreditsSpent) as spent:
        ask(client(server))
    assert spent.value.after == 40_000


def test_no_further_try_after_a_stop(server: OpenSkyServer) -> None:
    server.faults.extend([(503, {}, b"")] * 10)
    with pytest.raises(ApiUnavailable):
        ask(client(server, is_stopped=lambda: True))
    assert len(server.requests) == 1
