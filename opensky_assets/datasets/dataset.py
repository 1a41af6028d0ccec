"""What the package knows of one raw table: a `Dataset`, and how the names of its objects are read."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from opensky_assets.calendar import Partitions, Period
from opensky_assets.schemas import Contract
from opensky_assets.schemas.tables import Table, quarantine_table, raw_table
from opensky_assets.sources.keys import KeyFacts

ReadKey = Callable[[str], KeyFacts | None]
"""Table and period of an object by its key; `None` where the key does not tell."""

FORMATS = ("csv",)
"""How the objects of a table of one's own are written. OpenSky's own can be JSON answers of its API too."""

GROUPS_OF_A_PERIOD = (
    frozenset[str](),
    frozenset({"year"}),
    frozenset({"year", "month"}),
    frozenset({"year", "month", "day"}),
    frozenset({"day"}),
    frozenset({"first", "last"}),
)
"""The sets of named groups with which a key pattern tells the days of an object. A group `first`, `last`, or `day`
without `year`, is a whole date."""


@dataclass(frozen=True)
class KeyPatterns:
    """Reads keys by regular expressions, whose named groups tell the days (`GROUPS_OF_A_PERIOD`)."""

    table: str
    patterns: tuple[str, ...]

    def __call__(self, key: str) -> KeyFacts | None:
        for pattern in self.patterns:
            if match := re.search(pattern, key):
                try:
                    period = _period(match.groupdict())
                except ValueError:  # a date that does not exist
                    continue
                return KeyFacts(self.table, period)
        return None


def _period(told: dict[str, str]) -> Period | None:
    if not told:
        return None
    if "first" in told:
        period = Period(_date(told["first"]), _date(told["last"]))
        if period.last < period.first:
            raise ValueError("the last day is before the first")
        return period
    if "year" not in told:
        return Period(_date(told["day"]), _date(told["day"]))
    year = int(told["year"])
    first_month, last_month = (int(told["month"]),) * 2 if "month" in told else (1, 12)
    if "day" in told:
        day = date(year, first_month, int(told["day"]))
        return Period(day, day)
    return Period(date(year, first_month, 1), date(year, last_month, monthrange(year, last_month)[1]))


def _date(text: str) -> date:
    """A date written as 20220625, 2022-06-25 or 2022_06_25."""
    return date.fromisoformat(text.replace("_", "-"))


@dataclass(frozen=True)
class Dataset:
    """One raw table: everything the planner, the kernel, the sensor, the checks and the docs derive from."""

    contract: Contract
    """Columns and key; `partitions` says whether a partition is a day, a year or the whole table, `day_column` whose
    day it is (`None`: the object's name alone tells)."""
    origin: str
    """What the table is made of, for people."""
    read_key: ReadKey
    """Recognises an object by its key."""
    day: str = ""
    """What the partition is the day of, for people; by default the day column."""
    header: frozenset[str] = frozenset()
    """Columns without which a header does not tell the table; none: only the key does."""
    answers: bool = False
    """Whether answers of OpenSky's API are objects of it too (`ingest/answers.py` tells them)."""
    format: str = "csv"
    lake_bytes_per_source_byte: float = 2.0
    """With all that is made of them; a guess where nobody has measured."""
    seconds_per_mb: float = 0.15
    """To read one megabyte of source, on two cores."""
    slot: str = ""
    """What the slots of the table begin with in the sensor's cursor; by default its name and a colon, which no other
    table's can be. OpenSky's have a letter, as older cursors do."""
    followed_by: str = ""
    """Path of the daily table whose days say that what follows was made; empty: that the lake has the day says it."""
    other_checks: frozenset[str] = field(default=frozenset())
    """Names of checks a day that fit this table only (`checks/raw.py`)."""

    @property
    def name(self) -> str:
        return self.contract.name

    @property
    def asset(self) -> str:
        """The name of the table's asset in Dagster, and of the table in SQL."""
        return f"raw_{self.name}"

    @property
    def partitions(self) -> Partitions:
        return self.contract.partitions

    @property
    def slots(self) -> str:
        return self.slot or f"{self.name}:"

    @property
    def table(self) -> Table:
        """The entry of the catalogue."""
        day = "" if self.partitions is Partitions.NONE else self.day or self.contract.day_column or "the object's name"
        return raw_table(self.contract, day, self.origin)

    @property
    def quarantine(self) -> Table:
        """The entry of the catalogue for the table's quarantine."""
        return quarantine_table(self.contract, self.partitions)

    def promises(self, facts: KeyFacts | None) -> bool:
        """Whether the object's name tells its partitions: that of a table without partitions always does."""
        return self.partitions is Partitions.NONE or (facts is not None and facts.period is not None)
