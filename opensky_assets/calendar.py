"""UTC days: periods, ranges, chunks, neighbours. Days are text, `2022-06-25`, wherever they name a partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

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
    """Days as contiguous ranges (first, last)."""
    ranges: list[tuple[str, str]] = []
    for day in sorted(days):
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
