"""Messages of Kafka's topics: their fields, headers and keys, and which states pass the filter.

Names and types of the fields are those that programs for these topics read; what they lack is in headers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opensky_assets.live.polls import Poll, Record
from opensky_assets.settings import SettingsError

STATES, FILTERED, FLIGHTS = "opensky-states", "opensky_filtered_flights", "opensky-flights"
TOPICS = (STATES, FILTERED, FLIGHTS)

SCHEMA_VERSION = "1"

STATE_FIELDS = {
    "icao24": "icao24",
    "callsign": "callsign",
    "origin_country": "origin_country",
    "squawk": "squawk",
    "sensors": "sensors",
    "position_source": "position_source",
    "time_position": "time_position",
    "last_contact": "last_contact",
    "longitude": "longitude",
    "latitude": "latitude",
    "altitude": "baro_altitude",
    "velocity": "velocity",
    "heading": "true_track",
    "vertical_rate": "vertical_rate",
    "geo_altitude": "geo_altitude",
    "on_ground": "on_ground",
    "spi": "spi",
}
"""Field of a message → field of the API."""

_TEXTS = {"icao24", "callsign", "origin_country", "squawk", "sensors", "position_source"}
_BOOLEANS = {"on_ground", "spi"}

FLIGHT_FIELDS = (
    "icao24",
    "firstSeen",
    "lastSeen",
    "estDepartureAirport",
    "estArrivalAirport",
    "estDepartureAirportHorizDistance",
    "estDepartureAirportVertDistance",
    "estArrivalAirportHorizDistance",
    "estArrivalAirportVertDistance",
    "departureAirportCandidatesCount",
    "arrivalAirportCandidatesCount",
)


@dataclass(frozen=True)
class Message:
    """One message, as it is sent."""

    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


def state_message(state: Record, poll: Poll) -> Message:
    """A state: headers `poll_time` (unix seconds of the answer), `region`, `schema_version`, and `category` where the
    answer has it."""
    value = {name: _plain(name, state.get(api)) for name, api in STATE_FIELDS.items()}
    headers = {"poll_time": str(poll.time), "region": poll.region, "schema_version": SCHEMA_VERSION}
    if state.get("category") is not None:
        headers["category"] = str(state["category"])
    return _message(value, headers)


def flight_message(flight: Record) -> Message:
    """A flight of the API: headers `schema_version`, and `callsign` where the answer has it."""
    headers = {"schema_version": SCHEMA_VERSION}
    if flight.get("callsign") is not None:
        headers["callsign"] = str(flight["callsign"])
    return _message({name: flight.get(name) for name in FLIGHT_FIELDS}, headers)


def _message(value: dict[str, Any], headers: dict[str, str]) -> Message:
    return Message(
        str(value["icao24"] or "").encode(errors="replace"),
        json.dumps(value, separators=(",", ":")).encode(),
        [(name, text.encode(errors="replace")) for name, text in headers.items()],
    )


def _plain(name: str, value: Any) -> Any:
    """Texts where texts are expected: `sensors` is an array and `position_source` a number in the API."""
    if name in _TEXTS and value is not None and not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    return value


class Filter:
    """Which states the topic of filtered flights gets: an SQL condition over a message's fields."""

    def __init__(self, condition: str) -> None:
        """Raises `SettingsError` for a condition that is none."""
        import polars as pl

        self._schema = {
            name: pl.String() if name in _TEXTS else pl.Boolean() if name in _BOOLEANS else pl.Float64()
            for name in STATE_FIELDS
        }
        try:
            self._condition = pl.sql_expr(condition)
            result = pl.DataFrame(schema=self._schema).select(self._condition.alias("keep"))
            is_boolean = result.schema["keep"] == pl.Boolean
        except pl.exceptions.PolarsError as error:
            raise SettingsError(
                f"OPENSKY_LIVE_FILTER={condition!r}: {str(error).splitlines()[0]}; it is an SQL condition over "
                f"{', '.join(STATE_FIELDS)}"
            ) from None
        if not is_boolean:
            raise SettingsError(f"OPENSKY_LIVE_FILTER={condition!r}: is neither true nor false; write a condition")

    def keeps(self, states: Sequence[Record]) -> list[bool]:
        """For each state whether it passes. One with a value of another type than its field's has none there."""
        import polars as pl

        columns = [
            pl.Series(name, [_typed(name, state.get(api)) for state in states], dtype=self._schema[name])
            for name, api in STATE_FIELDS.items()
        ]
        # A condition without a column, as `true`, is one value for all.
        keep = pl.DataFrame(columns).with_columns(self._condition.alias("keep"))["keep"]
        return keep.fill_null(False).to_list()


def _typed(name: str, value: Any) -> Any:
    value = _plain(name, value)
    if name in _TEXTS:
        return value
    if name in _BOOLEANS:
        return value if isinstance(value, bool) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
