"""Few runs for many days: contiguous days with the same tables are one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from opensky_assets.calendar import Partitions, Period, kind_of, period_of_key


@dataclass(frozen=True)
class Asked:
    """One run: the days `first` to `last` (both included) of these raw tables and all that follows from them. Of tables
    by year they are years; a table without partitions has `all` for both.

    With `only_read`, nothing follows yet: the run is for objects whose names do not tell their days.
    `name` tells it from every other run, also from one for the same objects in the same versions: that may have
    failed, or its rows may be gone since.
    """

    first: str
    last: str
    tables: tuple[str, ...]
    name: str
    only_read: bool = False

    @property
    def partitions(self) -> Partitions:
        """What kind `first` and `last` are of."""
        return kind_of(self.first)

    @property
    def days(self) -> list[str]:
        """The days, or other partitions."""
        everything = Period(date.min, date.max)
        period = Period(period_of_key(self.first, everything).first, period_of_key(self.last, everything).last)
        return self.partitions.keys_of(period)


Due = defaultdict[str, set[str]]
"""What is asked for: by day, or other partition, the raw tables."""


def add_due(due: Due, days: Iterable[str], table: str) -> None:
    for day in days:
        due[day].add(table)


def runs(tables: Mapping[str, set[str]], name: str, most: int) -> list[Asked]:
    """Runs of contiguous days with the same tables; where they are more than `most`, neighbours are joined over the
    shortest gaps first. A year, or a whole table, is a run of its own."""
    days = {day: wanted for day, wanted in tables.items() if kind_of(day) is Partitions.DAY}
    other = [Asked(key, key, tuple(sorted(tables[key])), name) for key in sorted(tables.keys() - days.keys())]
    spans = _joined(_spans(days), most)
    return [
        *(Asked(first.isoformat(), last.isoformat(), tuple(sorted(wanted)), name) for first, last, wanted in spans),
        *other,
    ]


_Span = tuple[date, date, set[str]]


def _spans(days: Mapping[str, set[str]]) -> list[_Span]:
    """Contiguous days with the same tables."""
    spans: list[_Span] = []
    for text in sorted(days):
        day = date.fromisoformat(text)
        if spans and spans[-1][1] + timedelta(days=1) == day and spans[-1][2] == days[text]:
            spans[-1] = (spans[-1][0], day, spans[-1][2])
        else:
            spans.append((day, day, set(days[text])))
    return spans


def _joined(spans: list[_Span], most: int) -> list[_Span]:
    """At most so many spans."""
    if len(spans) <= most:
        return spans
    gaps = sorted(range(1, len(spans)), key=lambda at: (spans[at][0] - spans[at - 1][1], at))
    joined = set(gaps[: len(spans) - most])
    kept: list[_Span] = []
    for at, (first, last, wanted) in enumerate(spans):
        if at in joined:
            kept[-1] = (kept[-1][0], last, kept[-1][2] | wanted)
        else:
            kept.append((first, last, wanted))
    return kept
