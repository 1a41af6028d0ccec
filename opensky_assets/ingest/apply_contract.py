"""Typed rows to good rows and rejects: nullability, patterns, types and the day, as the contract has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from opensky_assets.calendar import NO_DAY, Period
from opensky_assets.ingest.layout import Layout
from opensky_assets.ingest.lines import AT, Lines
from opensky_assets.ingest.rejects import REJECTS, raw_text, rejects_frame
from opensky_assets.ingest.values import BAD, DAY_S, YEAR_1_S, YEAR_10000_S, as_contract, epoch
from opensky_assets.schemas.contract import ICAO24_PATTERN, Column
from opensky_assets.schemas.reasons import Reason
from opensky_assets.schemas.types import Kind

EARLY_DAYS = timedelta(days=2)
"""So far behind the last day that is over, records can be of a day that is not."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Verdict(NamedTuple):
    """The good rows, in the contract's columns; the rejects; and of these the early ones, by day."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    early: dict[date, int]


@dataclass(frozen=True)
class _Fault:
    """What can be wrong with a row, with the column and the reason that are named then."""

    test: pl.Expr
    column: str | None
    reason: str


def apply_contract(
    frame: pl.DataFrame, numbers: np.ndarray, layout: Layout, period: Period, lines: Lines, only_day: str
) -> Verdict:
    """Split typed rows, of the lines `numbers`, by the contract. Of several faults of a row the first is named: of
    keys, of patterns, of types, of the day. `only_day` is the day of every record, where the object has only one."""
    if _is_flawless(frame, layout, period):
        return Verdict(_flawless_rows(frame, layout), pl.DataFrame(schema=REJECTS), {})
    frame = frame.with_columns(
        *(_tidy(c).alias(c.name) for c in layout.columns if c.strip or c.lower), pl.Series(AT, numbers, dtype=pl.Int64)
    )
    failures = {c.name: test for c in layout.columns if (test := _failure(c, frame)) is not None}
    usable = frame.with_columns(as_contract(c, frame.schema[c.name], failures.get(c.name)) for c in layout.columns)
    in_values = [
        *_empty_keys(layout, frame),
        *_wrong_patterns(layout),
        *(_Fault(test, name, Reason.UNPARSABLE) for name, test in failures.items()),
    ]
    in_days = _wrong_days(layout, period)
    first = _first_faults([(frame, in_values), (usable, in_days)])
    rows = usable.select(_as_rows({c.name: pl.col(c.name) for c in layout.columns}, layout))
    if first.null_count() == len(first):
        return Verdict(rows, pl.DataFrame(schema=REJECTS), {})
    faulty = usable.with_columns(first).filter(first.is_not_null())
    rejects = _rejects(faulty, [*in_values, *in_days], layout, period, lines, only_day)
    return Verdict(rows.filter(first.is_null()), rejects, _early(faulty, layout, period))


# --- a block in which nothing is wrong ---------------------------------------------------------------------------


def _is_flawless(frame: pl.DataFrame, layout: Layout, period: Period) -> bool:
    """Whether a few aggregates already show that each row keeps the contract. `False` says nothing: then each value
    is tested."""
    if any(name.startswith(BAD) for name in frame.columns):
        return False
    schema = frame.schema
    tests = [test for column in layout.columns for test in _all_keep(column, schema[column.name])]
    tests += _all_days_within(frame, layout, period)
    return all(frame.select(test.alias(str(at)) for at, test in enumerate(tests)).row(0)) if tests else True


def _flawless_rows(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    schema = frame.schema
    ready = {
        c.name: _tidy(c) if (c.strip or c.lower) and not _matches_tidy(c) else as_contract(c, schema[c.name])
        for c in layout.columns
    }
    return frame.select(_as_rows(ready, layout))


def _all_keep(column: Column, dtype: pl.DataType) -> Iterator[pl.Expr]:
    value = pl.col(column.name)
    if not column.nullable:
        yield (_tidy(column) if column.strip and not _matches_tidy(column) else value).null_count() == 0
    if column.pattern:
        yield (value if _matches_tidy(column) else _tidy(column)).str.contains(column.pattern).all()
    if dtype == pl.Float64:
        yield value.sum().is_finite()  # one NaN, or one infinity, makes the sum so
        if column.bounds:
            yield (value == value.round()).all() & value.is_between(*column.bounds).all()
        elif column.polars == pl.Float32:
            yield value.abs().max().fill_null(0) <= _FLOAT32_MAX
    if column.kind in (Kind.TIME, Kind.DATE):
        seconds = _seconds(column, dtype)
        yield seconds.min().fill_null(0) >= YEAR_1_S
        yield seconds.max().fill_null(0) < YEAR_10000_S


def _all_days_within(frame: pl.DataFrame, layout: Layout, period: Period) -> Iterator[pl.Expr]:
    name = layout.contract.day_column
    if name is None:
        return
    is_epoch = frame.schema[name] == pl.Float64

    def day(of: pl.Expr) -> pl.Expr:
        return (epoch(of) if is_epoch else of).dt.date()

    yield day(pl.col(name).min()) >= period.first
    yield day(pl.col(name).max()) <= period.last
    if _has_own_day(layout):
        yield (pl.col("day").dt.date() == day(pl.col(name))).all()


# --- faults ------------------------------------------------------------------------------------------------------


def _failure(column: Column, frame: pl.DataFrame) -> pl.Expr | None:
    """Where a value is not of the column's type; `None` where all are by the way they were read."""
    value, dtype = pl.col(column.name), frame.schema[column.name]
    tests = [pl.col(f"{BAD}{column.name}")] if f"{BAD}{column.name}" in frame.columns else []
    if dtype == pl.Float64:
        tests.append(value.is_not_null() & value.is_finite().not_())
        if column.bounds:
            tests.append((value != value.round()) | value.is_between(*column.bounds).not_())
        elif column.polars == pl.Float32:
            tests.append(value.cast(pl.Float32).is_infinite())
    if column.kind in (Kind.TIME, Kind.DATE):
        seconds = _seconds(column, dtype)
        tests.append((seconds < YEAR_1_S) | (seconds >= YEAR_10000_S))
    return pl.any_horizontal(tests) if tests else None


def _empty_keys(layout: Layout, frame: pl.DataFrame) -> Iterator[_Fault]:
    for column in layout.columns:
        if not column.nullable:
            bad = f"{BAD}{column.name}"
            parsed = pl.col(bad).not_() if bad in frame.columns else pl.lit(True)
            yield _Fault(pl.col(column.name).is_null() & parsed, column.name, Reason.NULL_KEY)


def _wrong_patterns(layout: Layout) -> Iterator[_Fault]:
    for column in layout.columns:
        if column.pattern:
            yield _Fault(pl.col(column.name).str.contains(column.pattern).not_(), column.name, column.pattern_reason)


def _wrong_days(layout: Layout, period: Period) -> list[_Fault]:
    """Faults that are found in the converted row."""
    name = layout.contract.day_column
    if name is None:
        return []
    own = [_Fault(pl.col("day").dt.date() != _day(layout), "day", Reason.DAY_MISMATCH)] if _has_own_day(layout) else []
    return [*own, _Fault(_outside(layout, period), name, Reason.OUTSIDE_PERIOD)]


def _first_faults(groups: Sequence[tuple[pl.DataFrame, Sequence[_Fault]]]) -> pl.Series:
    """For each row the place of its first fault among all of them; null where it has none."""
    flags: list[pl.Series] = []
    for frame, faults in groups:
        start = len(flags)
        tests = [fault.test.fill_null(False).alias(str(start + at)) for at, fault in enumerate(faults)]
        flags += frame.select(tests).get_columns() if tests else []
    first = pl.coalesce(pl.when(pl.col(test.name)).then(pl.lit(int(test.name))) for test in flags)
    return pl.DataFrame(flags).select(first.alias("__fault"))["__fault"]


# --- rejects -----------------------------------------------------------------------------------------------------


def _rejects(
    faulty: pl.DataFrame, faults: Sequence[_Fault], layout: Layout, period: Period, lines: Lines, only_day: str
) -> pl.DataFrame:
    if only_day == NO_DAY and layout.contract.day_column is not None:
        own = pl.when(_outside(layout, period).not_()).then(_day(layout).cast(pl.String))
        days = faulty.select(own.fill_null(NO_DAY).alias("day"))["day"].to_list()
    else:
        days = [only_day] * faulty.height
    return rejects_frame(
        (day, lines.first + at, faults[fault].column, faults[fault].reason, raw_text(lines.raw(at)))
        for day, at, fault in zip(days, faulty[AT], faulty["__fault"], strict=True)
    )


def _early(faulty: pl.DataFrame, layout: Layout, period: Period) -> dict[date, int]:
    if layout.contract.day_column is None:
        return {}
    day = _day(layout)
    soon = faulty.filter((day > period.last) & (day <= period.last + EARLY_DAYS)).select(day.alias("day"))
    return dict(soon["day"].value_counts().iter_rows())


# --- columns -----------------------------------------------------------------------------------------------------


def _as_rows(columns: dict[str, pl.Expr], layout: Layout) -> list[pl.Expr]:
    """The columns of the contract, in its order: those given, else nulls."""
    return [
        (columns[c.name] if c.name in columns else pl.lit(None, c.polars)).alias(c.name)
        for c in layout.contract.columns
    ]


def _tidy(column: Column) -> pl.Expr:
    text = pl.col(column.name)
    if column.strip:
        text = text.str.strip_chars()
    if column.lower:
        text = text.str.to_lowercase()
    return pl.when(text != "").then(text)


def _matches_tidy(column: Column) -> bool:
    """Whether a text that matches the column's pattern is tidy already, since that lets neither a blank nor a capital
    in: such a text is tested and passed on as it is, where a whole block matches."""
    return column.pattern == ICAO24_PATTERN


def _seconds(column: Column, dtype: pl.DataType) -> pl.Expr:
    """Seconds since 1970, whole ones where the column was read as a time or a date."""
    value = pl.col(column.name)
    if dtype == pl.Float64:
        return value
    return value.to_physical().cast(pl.Int64) * DAY_S if dtype == pl.Date else value.to_physical() // 1_000_000


def _has_own_day(layout: Layout) -> bool:
    """Whether the object has a column `day` that the table has not."""
    return "day" in layout.fields and any(column.name == "day" for column in layout.contract.source_only)


def _day(layout: Layout) -> pl.Expr:
    return pl.col(layout.contract.day_column or "").dt.date()


def _outside(layout: Layout, period: Period) -> pl.Expr:
    return (_day(layout) < period.first) | (_day(layout) > period.last)
