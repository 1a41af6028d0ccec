"""What an object's key says: its table and the days it may hold (opensky-facts: keys of the public bucket)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from opensky_assets.calendar import Period
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.landing import each_store
from opensky_assets.storage.objects import ObjectStore

FLIGHT_LIST = re.compile(r"(?:^|/)flightlist_(\d{8})_(\d{8})\.csv(?:\.gz)?$")
STATE_HOUR = re.compile(r"(?:^|/)states/\.?(\d{4}-\d{2}-\d{2})/(\d{2})/states_\1-\2\.csv(?:\.gz|\.tar)?$")
OTHER_FORMAT = re.compile(r"(?:^|/)states_\d{4}-\d{2}-\d{2}-\d{2}\.(?:avro|json)(?:\.gz|\.tar)?$")
"""The public bucket has every hour in CSV, Avro and JSON: reading one of them is enough."""

_ANSWER = r"\.(?:json|ndjson|jsonl)(?:\.gz)?$"
POLL = re.compile(r"(?:^|/)states[/_](?:.*[/_])?(\d{8}T\d{6}Z|\d{10})(?:_[^/.]*)?" + _ANSWER)
"""An answer of `/states/all`: the last epoch or UTC stamp in its name is its time. Without one, the answer's own `time`
is (`ingest.answers.table_of_answer`)."""

FLIGHT_ANSWER = re.compile(r"(?:^|/)(?:flights/(?:[^/]+/)*|flights_)(?:arrival|departure|all)(?:_[^/]*)?" + _ANSWER)
"""An answer of `/flights/arrival`, `/departure` or `/all`: the name does not tell the days of its flights."""

SIMULATED_MARKER = "SIMULATED.txt"
"""An object at the root of a bucket that `sources.simulate` wrote."""

MAYBE_TABLE = re.compile(r"\.csv(?:\.gz)?$")


@dataclass(frozen=True)
class KeyFacts:
    """`period` is `None` where only the rows tell their days; `hour` is that of an hourly file, `epoch` the unix time
    of a poll."""

    table: str
    period: Period | None
    hour: int | None = None
    epoch: int | None = None


def read_key(key: str) -> KeyFacts | None:
    """Table and period of a key, `None` where the key does not tell. Dates that do not exist do not tell."""
    try:
        if match := FLIGHT_LIST.search(key):
            first, last = (datetime.strptime(part, "%Y%m%d").date() for part in match.groups())
            return KeyFacts("flights", Period(first, last)) if first <= last else None
        if match := STATE_HOUR.search(key):
            day = date.fromisoformat(match.group(1))
            return KeyFacts("state_vectors", Period(day, day), hour=int(match.group(2)))
        if OTHER_FORMAT.search(key):
            return None
        if match := POLL.search(key):
            stamp = match.group(1)
            named = datetime.strptime(stamp, "%Y%m%dT%H%M%S%z") if "T" in stamp else None
            at = named or datetime.fromtimestamp(int(stamp), UTC)
            return KeyFacts("state_vectors", Period(at.date(), at.date()), epoch=int(at.timestamp()))
        if FLIGHT_ANSWER.search(key):
            return KeyFacts("flights", None)
    except ValueError:
        return None
    return None


def is_poll(key: str) -> bool:
    """Whether an object of state vectors is an answer of `/states/all`: hourly files are read in CSV only."""
    facts = read_key(key)
    return facts.epoch is not None if facts else is_answer_key(key)


def is_flight_list(key: str) -> bool:
    """Whether the object is a flight list with its days in its name."""
    return bool(FLIGHT_LIST.search(key))


def is_flight_answer(key: str) -> bool:
    """Whether an object of flights is an answer of `/flights/…`: flight lists are CSV."""
    return is_answer_key(key)


def is_answer_key(key: str) -> bool:
    """Whether the key says JSON."""
    return bool(re.search(_ANSWER, key))


def hours_of(keys: Iterable[str]) -> list[int]:
    """The hours of a day for which there are hourly files among `keys`, in order."""
    found = (read_key(key) for key in keys)
    return sorted({facts.hour for facts in found if facts and facts.hour is not None and facts.hour < 24})


def is_metadata(key: str) -> bool:
    """Whether aircraft tables are looked for here: under `metadata/`, else at the root."""
    return bool(MAYBE_TABLE.search(key)) and (key.startswith("metadata/") or "/" not in key)


def may_hold_rows(key: str) -> bool:
    """Whether the first bytes of an object whose key does not name its table are worth a look."""
    return bool(MAYBE_TABLE.search(key) or is_answer_key(key)) and key.startswith(("flights/", "data/", "states/"))


def source_kind(store: ObjectStore) -> str:
    """`simulated` where the bucket carries the marker, else `real`. Raises `SourceError` where its landing is of the
    other kind."""
    first, *others = ((part, _kind(part)) for part in each_store(store))
    for part, kind in others:
        if kind != first[1]:
            raise SourceError(
                f"the landing {part.uri} is {kind} and the source {first[0].uri} is {first[1]}, and a lake holds one "
                "kind: set OPENSKY_LANDING or OPENSKY_SOURCE to another place"
            )
    return first[1]


def _kind(store: ObjectStore) -> str:
    return "simulated" if any(item.key == SIMULATED_MARKER for item in store.list(SIMULATED_MARKER)) else "real"
