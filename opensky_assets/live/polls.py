"""Answers of `/states/all` and of `/flights/…`, recorded or fresh, as records with the API's names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensky_assets.schemas.api import STATE_LENGTHS, STATES_API

STATE_FIELDS = tuple(STATES_API)

Record = Mapping[str, Any]


class NoAnswer(ValueError):
    """The bytes are no answer of the API; the text says why."""


@dataclass(frozen=True)
class Poll:
    """One answer of `/states/all`: its time (unix seconds), its states, how many records of it are no states, and the
    JSON object that was sent."""

    region: str
    time: int
    states: Sequence[Record]
    rejected: int
    body: bytes


def read_poll(body: bytes, region: str, time: int | None = None) -> Poll:
    """An answer as it was sent, as an array of states, or as one state a line; the latter two lie at `time`. Raises
    `NoAnswer`."""
    answer = _read_json(body)
    is_whole = isinstance(answer, dict) and "states" in answer
    records = answer["states"] if is_whole else [answer] if isinstance(answer, dict) else answer
    at = answer.get("time") if is_whole else time
    if not isinstance(records, list | None):
        raise NoAnswer("`states` is not an array")
    if not isinstance(at, int):
        raise NoAnswer("it has no `time`, and its name has none")
    states = [state for record in records or () if (state := _state(record)) is not None]
    if not is_whole:
        arrays = [[s.get(name) for name in STATE_FIELDS] for s in states]
        body = json.dumps({"time": at, "states": arrays}, separators=(",", ":")).encode()
    return Poll(region, at, states, len(records or ()) - len(states), body)


def read_flights(body: bytes) -> list[Record]:
    """The flights of an answer: an array, one a line, or none. Raises `NoAnswer`."""
    answer = _read_json(body) if body.strip() else []
    records = [answer] if isinstance(answer, dict) else answer
    if not isinstance(records, list | None) or not all(isinstance(record, dict) for record in records or ()):
        raise NoAnswer("it is not an array of flights")
    return list(records or ())


def _state(record: Any) -> Record | None:
    """A state's fields; `None` for what is no state of OpenSky's."""
    if isinstance(record, list) and len(record) in STATE_LENGTHS:
        return dict(zip(STATE_FIELDS, record, strict=False))
    return record if isinstance(record, dict) and "icao24" in record else None


def _read_json(body: bytes) -> Any:
    """One JSON value, or the list of those that stand on lines of their own."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2:
            raise NoAnswer("it is not JSON") from None
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        raise NoAnswer("it is neither JSON nor one JSON object a line") from None
