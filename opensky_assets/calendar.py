"""UTC days: periods, ranges, chunks, neighbours. Days are text, `2022-06-25`, wherever they name a partition.

Partitions of tables of one's own can also be years, `2022`, or the whole table, `all`. A partition's key tells which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

FIRST_DAY = date(2017, 1, 1)
"""First day of the calendar: OpenSky's public state vectors start in 2017."""


class OutsideCalendar(ValueError):
    """A day that has no partition."""


@dataclass(frozen=True)
class Period:
    """The UTC days from `first` to `last`, both included; none where `last` is before `first`."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def within(self, bounds: Period) -> Period:
        """The days that are in `bounds` too."""
        return Period(max(self.first, bounds.first), min(self.last, bounds.last))


def calendar(today: date) -> Period:
    """The days that have a partition: today is not over yet."""
    return Period(FIRST_DAY, today - timedelta(days=1))


def days_of(period: Period) -> Iterator[str]:
    """All days of a period."""
    for n in range((period.last - period.first).days + 1):
        yield (period.first + timedelta(days=n)).isoformat()


ALL = "all"
"""The one partition of a table without partitions."""

NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""The partition of records whose day, or year, cannot be told, as Hive spells it."""


class Partitions(StrEnum):
    """What a raw table is partitioned by."""

    DAY = "day"
    YEAR = "year"
    NONE = "none"

    def key_of(self, day: str) -> str:
        """The partition of a day; `NO_DAY` stays, where there is more than one partition."""
        if self is Partitions.NONE:
            return ALL
        return day[:4] if self is Partitions.YEAR and day != NO_DAY else day

    def keys_of(self, period: Period) -> list[str]:
        """The partitions of a period, in order; none of an empty one."""
        if period.last < period.first:
            return []
        if self is Partitions.DAY:
            return list(days_of(period))
        if self is Partitions.YEAR:
            return [f"{year}" for year in range(period.first.year, period.last.year + 1)]
        return [ALL]

    def folder_of(self, key: str) -> str:
        """The name of a partition's folder in the lake, as Hive spells it; of the whole table, a plain name."""
        return ALL if self is Partitions.NONE else f"{self}={key}"


def kind_of(key: str) -> Partitions:
    """What kind of partition a key names: `2022-06-25`, `2022` or `all`."""
    if key == ALL:
        return Partitions.NONE
    return Partitions.YEAR if len(key) == 4 else Partitions.DAY


def period_of_key(key: str, bounds: Period) -> Period:
    """The days of a partition that are in `bounds`."""
    if (kind := kind_of(key)) is Partitions.NONE:
        return bounds
    if kind is Partitions.YEAR:
        return Period(date(int(key), 1, 1), date(int(key), 12, 31)).within(bounds)
    return Period(date.fromisoformat(key), date.fromisoformat(key)).within(bounds)


def last_day_of(key: str) -> str:
    """The last day that a partition can hold, as text that compares with others; `all` is after every day."""
    return f"{key}-12-31" if kind_of(key) is Partitions.YEAR else key


def folders_of(key: str) -> list[str]:
    """The folders that a partition can have: two where the key, `NO_DAY`, does not tell its kind."""
    kinds = (Partitions.DAY, Partitions.YEAR) if key == NO_DAY else (kind_of(key),)
    return [kind.folder_of(key) for kind in kinds]


def key_in(folder: str) -> str | None:
    """The partition of a folder's name; `None` for a folder that is none."""
    kind, sign, key = folder.partition("=")
    if sign:
        return key if kind in (Partitions.DAY, Partitions.YEAR) else None
    return ALL if folder == ALL else None


def parse_range(first: str, last: str, today: date) -> tuple[date, date]:
    """The two ends of a range of days as a user writes it. Raises `OutsideCalendar` with the days there are."""
    ends = []
    for text in (first, last):
        try:
            ends.append(date.fromisoformat(text))
        except ValueError:
            raise OutsideCalendar(f"{text!r} is not a day: write it as 2022-06-25") from None
    days = calendar(today)
    if ends[0] > ends[1]:
        raise OutsideCalendar(f"the range ends ({last}) before it begins ({first})")
    for end in ends:
        if end not in days:
            raise OutsideCalendar(
                f"{end} is outside the calendar, which has {days.first} to {days.last} (yesterday, UTC)"
            )
    return ends[0], ends[1]


def ranges_of(days: Iterable[str]) -> list[tuple[str, str]]:
    """Days as contiguous ranges (first, last). Other partitions stand by themselves."""
    ranges: list[tuple[str, str]] = []
    for day in sorted(days):
        if kind_of(day) is not Partitions.DAY:
            ranges.append((day, day))
            continue
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        if ranges and ranges[-1][1] == before:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def chunks_of(days: Sequence[str], size: int | None) -> list[tuple[str, str]]:
    """Ranges (first, last) that hold all of `days`, each over at most `size` days of the calendar; holes between
    days do not start another one."""
    chunks: list[tuple[str, str]] = []
    for day in sorted(days):
        fits = chunks and (size is None or (date.fromisoformat(day) - date.fromisoformat(chunks[-1][0])).days < size)
        if fits:
            chunks[-1] = (chunks[-1][0], day)
        else:
            chunks.append((day, day))
    return chunks


def days_around(days: Iterable[str], before: int, after: int) -> list[str]:
    """`days` with so many days before and after each."""
    near = {date.fromisoformat(day) + timedelta(n) for day in days for n in range(-before, after + 1)}
    return [day.isoformat() for day in sorted(near)]


def days_text(days: Iterable[str], most: int = 10) -> str:
    """Days for a message: contiguous ones as first…last."""
    ranges = [first if first == last else f"{first}…{last}" for first, last in ranges_of(days)]
    return ", ".join(ranges[:most]) + (f" and {len(ranges) - most} more ranges" if len(ranges) > most else "")
