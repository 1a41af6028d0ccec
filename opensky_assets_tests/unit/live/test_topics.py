"""Messages have the fields that programs for these topics read."""

from __future__ import annotations

import json

import pytest

from opensky_assets.live.polls import read_poll
from opensky_assets.live.topics import TOPICS, Filter, flight_message, state_message
from opensky_assets.settings import SettingsError, load_settings
from opensky_assets_tests.unit.live.test_collector import LENGTHS, NOW

DEFAULT = load_settings().live.filter


def test_a_state_has_the_fields_of_filtered_flights() -> None:
    state = [*LENGTHS[18]]
    state[12] = [3, 7]
    poll = read_poll(json.dumps({"time": NOW, "states": [state]}).encode(), "alps")
    message = state_message(poll.states[0], poll)
    assert TOPICS == ("opensky-states", "opensky_filtered_flights", "opensky-flights")
    assert message.key == b"4b1801"
    assert json.loads(message.value) == {
        "icao24": "4b1801",
        "callsign": "SWR1    ",
        "origin_country": "Switzerland",
        "squawk": "1000",
        "sensors": "[3,7]",
        "position_source": "0",
        "time_position": NOW - 3,
        "last_contact": NOW - 2,
        "longitude": 8.5,
        "latitude": 47.4,
        "altitude": 3000.0,
        "velocity": 150.0,
        "heading": 90.0,
        "vertical_rate": 0.0,
        "geo_altitude": 3100.0,
        "on_ground": False,
        "spi": False,
    }
    expected = {"poll_time": str(NOW), "region": "alps", "schema_version": "1", "category": "3"}
    assert message.headers == [(name, text.encode()) for name, text in expected.items()]
    short = read_poll(json.dumps({"time": NOW, "states": [LENGTHS[13]]}).encode(), "alps")
    bare = state_message(short.states[0], short)
    assert "category" not in dict(bare.headers) and json.loads(bare.value)["squawk"] is None


def test_a_flight_has_the_fields_of_flights() -> None:
    flight = {"icao24": "4b1801", "firstSeen": 1, "lastSeen": 2, "callsign": "SWR1", "estDepartureAirport": None}
    message = flight_message(flight | {"arrivalAirportCandidatesCount": 4})
    value = json.loads(message.value)
    assert len(value) == 11 and "callsign" not in value
    assert (value["firstSeen"], value["estDepartureAirport"], value["arrivalAirportCandidatesCount"]) == (1, None, 4)
    assert message.headers == [("schema_version", b"1"), ("callsign", b"SWR1")]


def test_what_the_filter_keeps_is_a_setting() -> None:
    states = [dict(zip(("icao24", "latitude", "longitude", "on_ground"), values, strict=True)) for values in (
        ("a", 1, 2.5, False), ("b", None, 2, False), ("c", 1, 2, True), ("d", "x", 2, False), ("e", 1, 2, None),
    )]  # fmt: skip
    assert Filter(DEFAULT).keeps(states) == [True, False, False, False, False]
    assert Filter("latitude > 0 or icao24 = 'b'").keeps(states) == [True, True, True, False, True]
    assert Filter("true").keeps(states) == [True] * 5
    assert Filter(DEFAULT).keeps([]) == []


@pytest.mark.parametrize("condition", ["altitude >", "height > 5", "altitude + 1", "drop table x", "icao24 > 5"])
def test_a_filter_that_is_none_is_one_line(condition: str) -> None:
    with pytest.raises(SettingsError, match="OPENSKY_LIVE_FILTER=") as failure:
        Filter(condition)
    assert "\n" not in str(failure.value)
