"""Texts to values: the type that the parser reads a column as, and the spellings of numbers, times, dates and flags.

A column is read strictly where every value has the usual spelling. Else it is read as text and converted value by
value; the column `__bad_<name>` then says which values could not be.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pyarrow.compute as pc

from opensky_assets.schemas.contract import FALSE_TEXTS, TIMESTAMP, TRUE_TEXTS, Column
from opensky_assets.schemas.types import Kind, UnknownType

EXACT_IN_FLOAT = 1 << 53
"""Up to here a float holds every integer."""

YEAR_1_S, YEAR_10000_S = -62_135_596_800, 253_402_300_800
"""Outside of these years an instant is no time: few readers could show it."""

DAY_S = 86_400
_DAY_US = DAY_S * 1_000_000

_TIME = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2})(?::([0-9]{2})(?::([0-5][0-9])(\.[0-9]+)?)?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
"""Spellings of a time: all that Arrow's strict parser takes, and beyond it a date alone, and no offset (UTC)."""

_DIGITS = r"^([+-]?[0-9]+)(?:\.0*)?$"

_FLAGS = {t.lower(): True for t in TRUE_TEXTS} | {t.lower(): False for t in FALSE_TEXTS}

BAD = "__bad_"
"""Begin of the name of a column of flags: here a text could not be converted."""


def read_type(column: Column) -> pl.DataType:
    """What the parser reads a column as: numbers as floats, since sources mix `3` and `3.0`, but integers that a float
    cannot hold; times and dates as texts, unless they are epochs. Raises `UnknownType` for a list."""
    if column.kind is Kind.LIST:
        raise UnknownType(f"{column.name}: a list ({column.type}) cannot be read from text")
    if is_text(column) or _is_spelled(column):
        return pl.String()
    return column.polars if column.kind is Kind.BOOLEAN or _is_wide(column) else pl.Float64()


def _is_spelled(column: Column) -> bool:
    """Whether the column is read as text and converted then."""
    return column.kind is Kind.DATE or (column.kind is Kind.TIME and not column.epoch)


def _is_wide(column: Column) -> bool:
    """Whether a float cannot hold all numbers of the column."""
    return column.bounds is not None and column.bounds[1] > EXACT_IN_FLOAT


def is_text(column: Column) -> bool:
    return column.kind is Kind.TEXT


# --- strictly ----------------------------------------------------------------------------------------------------


def with_times(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    """The frame with times and dates for their texts. Raises `pa.ArrowInvalid` for a spelling that is not the usual
    one: a time has its offset, a date has no time."""
    made = [_strict(frame[c.name], c) for c in columns if _is_spelled(c)]
    return frame.with_columns(made) if made else frame


def _strict(texts: pl.Series, column: Column) -> pl.Series:
    return pl.Series(texts.name, pc.cast(texts.to_arrow(), TIMESTAMP if column.kind is Kind.TIME else column.type))


# --- value by value ----------------------------------------------------------------------------------------------


def from_text(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    """Convert a frame of texts; beside each converted column `__bad_<name>` says which values could not be."""
    converted = []
    for column in columns:
        text = frame[column.name]
        if is_text(column):
            converted.append(text)
            continue
        trimmed = text.str.strip_chars()
        value = _lenient(trimmed, column)
        bad = text.is_not_null() & (trimmed != "") & value.is_null()
        converted += [value, bad.alias(f"{BAD}{column.name}")]
    return pl.DataFrame(converted)


def _lenient(texts: pl.Series, column: Column) -> pl.Series:
    if column.kind is Kind.BOOLEAN:
        return texts.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    if column.kind is Kind.DATE:
        return _lenient_dates(texts)
    if column.kind is Kind.TIME and not column.epoch:
        return _lenient_times(texts)
    return _lenient_wide(texts, column.polars) if _is_wide(column) else texts.cast(pl.Float64, strict=False)


def _lenient_wide(texts: pl.Series, kind: pl.DataType) -> pl.Series:
    """Integers in digits, exactly; in any other spelling of a number as far as a float is exact."""
    number = pl.col(texts.name).cast(pl.Float64, strict=False)
    exact = pl.col(texts.name).str.extract(_DIGITS).cast(kind, strict=False)
    other = pl.when((number == number.round()) & (number.abs() <= EXACT_IN_FLOAT)).then(number)
    return texts.to_frame().select(pl.coalesce(exact, other.cast(kind, strict=False)).alias(texts.name))[texts.name]


def _lenient_times(texts: pl.Series) -> pl.Series:
    """Times in any of the spellings of `_TIME`, and unix seconds."""
    name = texts.name
    part = pl.col(name).str.extract_groups(_TIME).struct
    text = pl.format(
        "{} {}:{}:{}{}{}",
        part["1"],
        *(part[f"{at}"].fill_null("00") for at in (2, 3, 4)),
        part["5"].fill_null(""),
        part["6"].fill_null("Z"),
    )
    iso = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    seconds = pl.when(pl.col(name).str.contains(r"^[0-9]{9,10}(?:\.[0-9]+)?$")).then(pl.col(name))
    return texts.to_frame().select(pl.coalesce(iso, epoch(seconds.cast(pl.Float64))).alias(name))[name]


def _lenient_dates(texts: pl.Series) -> pl.Series:
    """The dates of those times that are a midnight in UTC."""
    times = pl.col(texts.name)
    midnight = pl.when(times.to_physical() % _DAY_US == 0).then(times.dt.date())
    return _lenient_times(texts).to_frame().select(midnight.alias(texts.name))[texts.name]


# --- as the contract has them ------------------------------------------------------------------------------------


def epoch(seconds: pl.Expr) -> pl.Expr:
    """Unix seconds as a time: the nearest microsecond, which is the exact one for up to six decimals; but where that is
    a midnight and the instant is before it, the microsecond before, so that no rounding moves a row to another day."""
    micros = (seconds * 1_000_000).round().cast(pl.Int64, strict=False)
    moved = (micros % _DAY_US == 0) & (seconds < (micros // 1_000_000).cast(pl.Float64))
    return (micros - moved.fill_null(False).cast(pl.Int64)).cast(pl.Datetime("us", "UTC"))


def as_contract(column: Column, dtype: pl.DataType, failed: pl.Expr | None = None) -> pl.Expr:
    """A column that was read as `dtype`, in the contract's type; null where it `failed`."""
    value = pl.col(column.name)
    if dtype == column.polars:
        return value
    if failed is not None:
        value = pl.when(failed.fill_null(False).not_()).then(value)
    if dtype == pl.Float64 and column.kind is Kind.TIME:
        value = epoch(value)
    return value.cast(column.polars, strict=False).alias(column.name)
