"""Days and times as people write them, as a half-open interval of UTC times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from opensky_assets.calendar import Period, days_of

Instant = str | date | datetime
"""A day (`2022-06-25`, a `date`) or a time (`2022-06-25T10:30`, a `datetime`). Without a time zone it is UTC."""


class QuestionError(ValueError):
    """A question that cannot be answered as it is asked; the text says why, and what to ask instead."""


@dataclass(frozen=True)
class Interval:
    """The UTC times from `start`, included, to `end`, excluded."""

    start: datetime
    end: datetime

    @property
    def days(self) -> list[str]:
        """The UTC days that have a part in it."""
        return list(days_of(Period(self.start.date(), (self.end - timedelta(microseconds=1)).date())))

    def __str__(self) -> str:
        return f"{_text(self.start)} to {_text(self.end)} UTC"


def read_interval(day: Instant | None, start: Instant | None, end: Instant | None) -> Interval:
    """The interval of a `day`, or of `start` and `end`. A day as `end` is included; a time as `end` is not.

    Raises `QuestionError` where both or neither are given, one cannot be read, or `start` is not before `end`.
    """
    if day is not None:
        if start is not None or end is not None:
            raise QuestionError("give day, or start and end, not both")
        start = end = day
    if start is None or end is None:
        raise QuestionError("give the day, as day='2022-06-25', or start and end")
    first, last = _read(start), _read(end)
    if day is not None and not _is_day(first):
        raise QuestionError(f"day={day!r} is a time, not a day: give start and end instead")
    begin, finish = _time_of(first), _time_of(last) + timedelta(days=1) if _is_day(last) else _time_of(last)
    if begin >= finish:
        raise QuestionError(f"start={start!s} is not before end={end!s}")
    return Interval(begin, finish)


def _read(given: Instant) -> date | datetime:
    if isinstance(given, date):  # a datetime is one, too
        return given
    if not isinstance(given, str):
        raise QuestionError(f"{given!r} is not a time: give a text as '2022-06-25T10:30', a date or a datetime")
    try:
        return date.fromisoformat(given) if len(given.strip()) <= 10 else datetime.fromisoformat(given)
    except ValueError:
        raise QuestionError(
            f"{given!r} is not a time: write 2022-06-25, 2022-06-25T10:30 or 2022-06-25T10:30Z"
        ) from None


def _is_day(given: date | datetime) -> bool:
    return not isinstance(given, datetime)


def _time_of(given: date | datetime) -> datetime:
    if not isinstance(given, datetime):
        return datetime.combine(given, time(), UTC)
    # A pandas Timestamp keeps its class in arithmetic, and its nanoseconds.
    given = datetime.fromisoformat(given.isoformat(timespec="microseconds"))
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _text(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(" ", "minutes" if instant.second == 0 else "auto")
