"""What an object's key says: its table and the days it may hold (opensky-facts: keys of the public bucket)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

FLIGHT_LIST = re.compile(r"(?:^|/)flightlist_(\d{8})_(\d{8})\.csv(?:\.gz)?$")
STATE_HOUR = re.compile(r"(?:^|/)states/\.?(\d{4}-\d{2}-\d{2})/(\d{2})/states_\1-\2\.csv(?:\.gz|\.tar)?$")
OTHER_FORMAT = re.compile(r"(?:^|/)states_\d{4}-\d{2}-\d{2}-\d{2}\.(?:avro|json)(?:\.gz|\.tar)?$")
"""The public bucket has every hour in CSV, Avro and JSON: reading one of them is enough."""

MAYBE_TABLE = re.compile(r"\.csv(?:\.gz)?$")


@dataclass(frozen=True)
class Period:
    """The UTC days, both included, that an object may hold."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True)
class KeyFacts:
    table: str
    period: Period


def read_key(key: str) -> KeyFacts | None:
    """Table and period of a key, `None` where the key does not tell. Dates that do not exist do not tell."""
    try:
        if match := FLIGHT_LIST.search(key):
            first, last = (datetime.strptime(part, "%Y%m%d").date() for part in match.groups())
            return KeyFacts("flights", Period(first, last)) if first <= last else None
        if match := STATE_HOUR.search(key):
            day = date.fromisoformat(match.group(1))
            return KeyFacts("state_vectors", Period(day, day))
    except ValueError:
        return None
    return None


def is_metadata(key: str) -> bool:
    """Whether aircraft tables are looked for here: under `metadata/`, else at the root."""
    return bool(MAYBE_TABLE.search(key)) and (key.startswith("metadata/") or "/" not in key)


def may_hold_rows(key: str) -> bool:
    """Whether the header of an object with an untelling key is worth a look."""
    return bool(MAYBE_TABLE.search(key)) and key.startswith(("flights/", "data/", "states/"))
