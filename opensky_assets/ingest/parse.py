"""One block of lines to typed rows and rejects: exactly the good ones and exactly the bad ones.

A block without damage takes the fast path: bytes are tested as a whole, Polars parses strictly into types, and the
contract is tested column by column. Only where one of these objects is the block taken apart: suspicious lines one by
one, the others as text, converted value by value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from opensky_assets.calendar import Period
from opensky_assets.ingest.blocks import Block
from opensky_assets.ingest.layout import Layout
from opensky_assets.lake.manifest import NO_DAY
from opensky_assets.schemas import Reason
from opensky_assets.schemas.contract import FALSE_TEXTS, NULL_TEXTS, TRUE_TEXTS, Column

LF, COMMA = 10, 44
PLAIN = bytes(byte for byte in range(256) if byte == LF or (32 <= byte < 127 and byte != ord('"')))
"""Bytes that need no second look: LF and printable ASCII but the quote."""

_IS_ODD = np.ones(256, dtype=bool)
_IS_ODD[list(PLAIN)] = False

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FIELD = r'(?:"((?:[^"]|"")*)"|([^",]*))'
_QUOTED_LINE = re.compile(rf"{_FIELD}(?:,{_FIELD})*")
_NEXT_FIELD = re.compile(rf"(?:^|,){_FIELD}")

MAX_RAW_LINE = 64 << 10
_YEAR_1_S, _YEAR_10000_S = -62_135_596_800, 253_402_300_800
"""Outside of these years an instant is no time: few readers could show it."""

_DAY_US = 86_400_000_000

_TIME = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2})(?::([0-9]{2})(?::([0-5][0-9])(\.[0-9]+)?)?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
"""Spellings of a time: all that Arrow's strict parser takes, and beyond it a date alone, and no offset (UTC)."""

REJECTS = pl.Schema(
    {"day": pl.String, "line_number": pl.Int64, "column": pl.String, "reason": pl.String, "raw_line": pl.String}
)
AT = "__at"
"""Name of the column that says which of the block's lines a row comes from; never published."""


EARLY_DAYS = timedelta(days=2)
"""So far behind the last day that is over, records can be of a day that is not."""


@dataclass(frozen=True)
class Parsed:
    """`records`: lines that count; `rows`: the good ones, in the contract's columns; `rejects`: the others; `early`:
    of these, those of the `EARLY_DAYS` behind the period, by day."""

    records: int
    rows: pl.DataFrame
    rejects: pl.DataFrame
    early: Mapping[date, int] = field(default_factory=dict)


class Lines:
    """The physical lines of a block, found without touching one by one, and only where somebody asks for them."""

    def __init__(self, block: Block) -> None:
        data, count = block.data, block.line_ends
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if data.endswith(b"\r"):
                data = data[:-1]
        if not data.endswith(b"\n"):
            data += b"\n"
            count = None
        self.data = data
        self.first = block.first_line
        self.bytes = np.frombuffer(data, dtype=np.uint8)
        self.count = int(np.count_nonzero(self.bytes == LF)) if count is None else count

    @cached_property
    def ends(self) -> np.ndarray:
        return np.flatnonzero(self.bytes == LF)

    @cached_property
    def starts(self) -> np.ndarray:
        return np.concatenate((np.zeros(1, dtype=np.int64), self.ends[:-1] + 1))

    @cached_property
    def lengths(self) -> np.ndarray:
        return self.ends - self.starts

    def raw(self, at: int) -> bytes:
        return self.data[self.starts[at] : self.ends[at]]

    def look_clean(self, fields: int) -> bool:
        """Whether the block has nothing but plain bytes, and as many commas as lines that are all clean have. A line
        too short and one too long can still make up for each other; a parser that refuses the long one tells."""
        data = self.bytes
        return (
            int(data.max()) < 127
            and b'"' not in self.data
            and int(np.count_nonzero(data < 32)) == self.count
            and int(np.count_nonzero(data == COMMA)) == self.count * (fields - 1)
        )

    def clean(self, fields: int) -> np.ndarray:
        """For each line: nothing but plain bytes, and as many commas as the header has."""
        commas = np.add.reduceat((self.bytes == COMMA).view(np.uint8), self.starts)
        clean = commas == (fields - 1) % 256
        for at in np.flatnonzero(clean & (self.lengths > 255)):  # a count of bytes wraps at 256
            clean[at] = self.raw(int(at)).count(b",") == fields - 1
        clean &= self.lengths > 0
        if self.data.translate(None, PLAIN):
            clean[np.searchsorted(self.ends, np.flatnonzero(_IS_ODD[self.bytes]))] = False
        return clean

    def only(self, chosen: np.ndarray) -> bytes:
        return self.bytes[np.repeat(chosen, self.lengths + 1)].tobytes()


def raw_text(raw: bytes) -> str:
    """A line as quarantine keeps it."""
    return raw[:MAX_RAW_LINE].decode("utf-8", errors="backslashreplace")


def rejects_frame(rows: Iterable[tuple[str, int, str | None, Reason, str]]) -> pl.DataFrame:
    return pl.DataFrame([(d, n, c, str(r), raw) for d, n, c, r, raw in rows], schema=REJECTS, orient="row")


class NeedsALook(Exception):
    """Lines that looked clean and are not."""


@dataclass(frozen=True)
class Format:
    """How the lines of one format are read. `whole` reads a block in which no line needs a look, or gives nothing.
    `clean` says which lines need no second look; `convert` reads those, as a whole (or raises `NeedsALook`); `examine`
    takes the others one by one."""

    whole: Callable[[Lines, Layout], pl.DataFrame | None]
    clean: Callable[[Lines, Layout], np.ndarray]
    convert: Callable[[bytes, Layout], pl.DataFrame]
    examine: Callable[[Lines, np.ndarray, Layout, str], tuple[pl.DataFrame | None, pl.DataFrame]]


def parse_block(block: Block, layout: Layout, period: Period, form: Format | None = None) -> Parsed:
    """Parse one block, of CSV unless told another format. `period` bounds the days of the object; with one day only,
    that day is every record's."""
    form = form or CSV
    only_day = period.first.isoformat() if period.first == period.last else NO_DAY
    if block.too_long:
        reject = (only_day, block.first_line, None, Reason.LINE_TOO_LONG, raw_text(block.data))
        return Parsed(1, _empty(layout), rejects_frame([reject]))

    lines = Lines(block)
    if (frame := form.whole(lines, layout)) is not None:
        return Parsed(lines.count, *_apply_contract(frame, np.arange(lines.count), layout, period, lines, only_day))
    clean = form.clean(lines, layout)
    all_clean = bool(clean.all())
    numbers = np.flatnonzero(clean)
    records = int(np.count_nonzero(lines.lengths))

    frames: list[tuple[pl.DataFrame, np.ndarray]] = []
    rejects = []
    if len(numbers):
        data = lines.data if all_clean else lines.only(clean)
        try:
            frames.append((form.convert(data, layout), numbers))
        except NeedsALook:
            clean[:] = all_clean = False
    if not all_clean:
        repaired, refused = form.examine(lines, np.flatnonzero(~clean & (lines.lengths > 0)), layout, only_day)
        rejects.append(refused)
        if repaired is not None:
            frames.append((repaired.drop(AT), repaired[AT].to_numpy()))
    good_rows = []
    early = Counter[date]()
    for frame, at in frames:
        good, refused, found_early = _apply_contract(frame, at, layout, period, lines, only_day)
        good_rows.append(good)
        rejects.append(refused)
        early.update(found_early)
    return Parsed(
        records,
        pl.concat(good_rows) if good_rows else _empty(layout),
        pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECTS),
        early,
    )


# --- lines that need a look of their own -------------------------------------------------------------------------


def _examine(
    lines: Lines, suspects: np.ndarray, layout: Layout, only_day: str
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """Take suspicious lines apart one by one: rows that are good after all (quotes, other scripts), and rejects."""
    good: list[list[str | None]] = []
    at_good: list[int] = []
    bad: list[tuple[str, int, str | None, Reason, str]] = []
    for at in suspects.tolist():
        raw = lines.raw(at)
        fields = _split(raw, len(layout.fields))
        if isinstance(fields, Reason):
            bad.append((only_day, lines.first + at, None, fields, raw_text(raw)))
        else:
            good.append([None if field in NULL_TEXTS else field for field in fields])
            at_good.append(at)
    if not good:
        return None, rejects_frame(bad)
    text = pl.DataFrame(good, schema=layout.text_schema, orient="row")
    return _from_text(text, layout).with_columns(pl.Series(AT, at_good, dtype=pl.Int64)), rejects_frame(bad)


def _split(raw: bytes, fields: int) -> list[str] | Reason:
    """The fields of one line, or why it has none."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.CONTROL_CHARACTER if re.search(rb"[\x00-\x1f\x7f]", raw) else Reason.ENCODING
    if CONTROL.search(text):
        return Reason.CONTROL_CHARACTER
    if '"' not in text:
        parts = text.split(",")
    elif _QUOTED_LINE.fullmatch(text):
        parts = [m[1].replace('""', '"') if m[1] is not None else m[2] for m in _NEXT_FIELD.finditer(text)]
    else:
        return Reason.OPEN_QUOTE
    return parts if len(parts) == fields else Reason.FIELD_COUNT


# --- from text to types ------------------------------------------------------------------------------------------


def _convert_whole(lines: Lines, layout: Layout) -> pl.DataFrame | None:
    """Parse a block at once, where all its lines are clean and all its values are what the contract says."""
    if not lines.look_clean(len(layout.fields)):
        return None
    try:
        frame = _read_strictly(lines.data, layout)
    except (pl.exceptions.PolarsError, pa.ArrowInvalid):  # a line too long, a value that objects
        return None
    return frame if frame is not None and frame.height == lines.count else None


def _convert(data: bytes, layout: Layout) -> pl.DataFrame:
    """Parse clean lines: strictly into types; where a value objects, as text, value by value."""
    try:
        if (frame := _read_strictly(data, layout)) is None:
            frame = _with_times(_read(data, layout.typed_schema, layout, NULL_TEXTS), layout)
        return frame
    except (pl.exceptions.ComputeError, pa.ArrowInvalid):
        return _from_text(_read(data, layout.text_schema, layout, NULL_TEXTS), layout)


def _read_strictly(data: bytes, layout: Layout) -> pl.DataFrame | None:
    """Parse into types, with the empty field as the only null, for the parser is slower by half where it has to look
    for other spellings. `None` where there may be one: as text, or as a number that is none."""
    frame = _read(data, layout.typed_schema, layout, None)
    tests = [pl.col(c.name).is_in(NULL_TEXTS[1:]).any().alias(c.name) for c in layout.columns if is_text(c)]
    infinite = pl.col(pl.Float64).sum().is_finite().not_()  # one NaN, or one infinity, makes the sum so
    return None if any(frame.select(*tests, infinite).row(0)) else _with_times(frame, layout)


def _with_times(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    times = [c.name for c in layout.columns if pa.types.is_timestamp(c.type) and not c.epoch]
    return frame.with_columns(_strict_times(frame[name]) for name in times) if times else frame


def _read(
    data: bytes, schema: dict[str, pl.DataType], layout: Layout, null_texts: tuple[str, ...] | None
) -> pl.DataFrame:
    names = layout.names
    frame = pl.read_csv(
        data,
        has_header=False,
        schema=schema,
        quote_char=None,
        null_values=list(null_texts) if null_texts else None,
        new_columns=names,
    )
    return frame.select(name for name in names if not name.startswith("__extra_")) if layout.extra else frame


def _strict_times(texts: pl.Series) -> pl.Series:
    """ISO 8601 times with their offset, the usual spelling of flight lists. Raises `pa.ArrowInvalid` for another."""
    times = pc.cast(texts.to_arrow(), pa.timestamp("us", tz="UTC"))
    return pl.Series(texts.name, times)


def _from_text(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Convert a frame of texts; beside each converted column `__bad_<name>` says which values could not be."""
    converted = []
    for column in layout.columns:
        text = frame[column.name]
        if is_text(column):
            converted.append(text)
            continue
        trimmed = text.str.strip_chars()
        value = _lenient(trimmed, column)
        bad = text.is_not_null() & (trimmed != "") & value.is_null()
        converted += [value, bad.alias(f"__bad_{column.name}")]
    return pl.DataFrame(converted)


def is_text(column: Column) -> bool:
    return pa.types.is_string(column.type)


def _lenient(texts: pl.Series, column: Column) -> pl.Series:
    if pa.types.is_boolean(column.type):
        spellings = {t.lower(): True for t in TRUE_TEXTS} | {t.lower(): False for t in FALSE_TEXTS}
        return texts.str.to_lowercase().replace_strict(spellings, default=None, return_dtype=pl.Boolean)
    if pa.types.is_timestamp(column.type) and not column.epoch:
        return _lenient_times(texts)
    return texts.cast(pl.Float64, strict=False)


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
    return texts.to_frame().select(pl.coalesce(iso, _epoch(seconds.cast(pl.Float64))).alias(name))[name]


def _epoch(seconds: pl.Expr) -> pl.Expr:
    """Unix seconds as a time: the nearest microsecond, which is the exact one for up to six decimals; but where that is
    a midnight and the instant is before it, the microsecond before, so that no rounding moves a row to another day."""
    micros = (seconds * 1_000_000).round().cast(pl.Int64, strict=False)
    moved = (micros % _DAY_US == 0) & (seconds < (micros // 1_000_000).cast(pl.Float64))
    return (micros - moved.fill_null(False).cast(pl.Int64)).cast(pl.Datetime("us", "UTC"))


CSV = Format(_convert_whole, lambda lines, layout: lines.clean(len(layout.fields)), _convert, _examine)


# --- the contract ------------------------------------------------------------------------------------------------


def _apply_contract(
    frame: pl.DataFrame, numbers: np.ndarray, layout: Layout, period: Period, lines: Lines, only_day: str
) -> tuple[pl.DataFrame, pl.DataFrame, dict[date, int]]:
    """Split typed rows, of the lines `numbers`, by the contract: the good ones, the rejects, and of these the early
    ones, by day. The first fault in the order below is the one that is named."""
    contract = layout.contract
    if _is_flawless(frame, layout, period):
        ready = {
            c.name: _tidy(c) if (c.strip or c.lower) and not c.pattern else _as_contract(c, frame, None)
            for c in layout.columns
        }
        return frame.select(_as_rows(ready, layout)), pl.DataFrame(schema=REJECTS), {}
    frame = frame.with_columns(
        *(_tidy(c) for c in layout.columns if c.strip or c.lower), pl.Series(AT, numbers, dtype=pl.Int64)
    )
    bad_flags = {name.removeprefix("__bad_") for name in frame.columns if name.startswith("__bad_")}

    def unparsed(column: Column) -> pl.Expr | None:
        tests = [pl.col(f"__bad_{column.name}")] if column.name in bad_flags else []
        if frame.schema[column.name] == pl.Float64:
            value = pl.col(column.name)
            tests.append(value.is_not_null() & value.is_finite().not_())
            if pa.types.is_timestamp(column.type):
                tests.append((value < _YEAR_1_S) | (value >= _YEAR_10000_S))
            elif pa.types.is_integer(column.type):
                tests.append((value != value.round()) | (value < -128) | (value > 127))
        elif pa.types.is_timestamp(column.type):
            micros = pl.col(column.name).to_physical()
            tests.append((micros < _YEAR_1_S * 1_000_000) | (micros >= _YEAR_10000_S * 1_000_000))
        return pl.any_horizontal(tests) if tests else None

    faults: list[tuple[pl.Expr, str | None, Reason]] = []
    failures = {column.name: test for column in layout.columns if (test := unparsed(column)) is not None}
    for column in layout.columns:
        if not column.nullable:
            parsed = pl.col(f"__bad_{column.name}").not_() if column.name in bad_flags else pl.lit(True)
            faults.append((pl.col(column.name).is_null() & parsed, column.name, Reason.NULL_KEY))
    for column in layout.columns:
        if column.pattern:
            faults.append((pl.col(column.name).str.contains(column.pattern).not_(), column.name, Reason.BAD_ICAO24))
    faults += [(test, name, Reason.UNPARSABLE) for name, test in failures.items()]

    usable = frame.with_columns(_as_contract(c, frame, failures.get(c.name)) for c in layout.columns)
    day = pl.col(contract.day_column or "").dt.date()
    if "day" in layout.fields and "day" in {c.name for c in contract.source_only}:
        faults.append((pl.col("day").dt.date() != day, "day", Reason.DAY_MISMATCH))
    outside = (day < period.first) | (day > period.last)
    faults.append((outside, contract.day_column, Reason.OUTSIDE_PERIOD))

    tested = frame.select(
        test.fill_null(False).alias(f"{at}") for at, (test, _, r) in enumerate(faults) if r not in _BY_DAY
    )
    tested = tested.hstack(
        usable.select(test.fill_null(False).alias(f"{at}") for at, (test, _, r) in enumerate(faults) if r in _BY_DAY)
    )
    faulty = tested.select(pl.any_horizontal(pl.all()).alias("faulty"))["faulty"]
    rows = usable.select(_as_rows({c.name: pl.col(c.name) for c in layout.columns}, layout))
    if not faulty.any():
        return rows, pl.DataFrame(schema=REJECTS), {}

    order = [str(at) for at in range(len(faults))]
    first = tested.filter(faulty).select(
        pl.coalesce(pl.when(pl.col(at)).then(pl.lit(int(at))) for at in order).alias("fault")
    )["fault"]
    spoiled = usable.filter(faulty)
    days = spoiled.select(pl.when(outside.not_()).then(day.cast(pl.String)).alias("day"))["day"]
    rejects = rejects_frame(
        (
            own if own is not None and only_day == NO_DAY else only_day,
            lines.first + at,
            faults[fault][1],
            faults[fault][2],
            raw_text(lines.raw(at)),
        )
        for own, at, fault in zip(days, spoiled[AT], first, strict=True)
    )
    soon = spoiled.filter((day > period.last) & (day <= period.last + EARLY_DAYS)).select(day.alias("day"))
    early = dict(soon["day"].value_counts().iter_rows())
    return rows.filter(~faulty), rejects, early


def _as_rows(found: dict[str, pl.Expr], layout: Layout) -> list[pl.Expr]:
    """The columns of the contract, in its order: those `found`, else nulls."""
    return [found.get(c.name, pl.lit(None, polars_type(c)).alias(c.name)) for c in layout.contract.columns]


def _is_flawless(frame: pl.DataFrame, layout: Layout, period: Period) -> bool:
    """Whether a few aggregates already show that each row keeps the contract. `False` says nothing: then each value
    is tested. A value that matches a column's pattern is tidy, since no pattern lets a blank or a capital in."""
    if any(name.startswith("__bad_") for name in frame.columns):
        return False
    tests: list[pl.Expr] = []
    for column in layout.columns:
        value, kind = pl.col(column.name), frame.schema[column.name]
        if not column.nullable:
            tests.append(value.null_count() == 0)
        if column.pattern:
            tests.append(value.str.contains(column.pattern).all())
        if kind == pl.Float64:
            tests.append(value.sum().is_finite())  # one NaN, or one infinity, makes the sum so
            if pa.types.is_integer(column.type):
                tests.append((value == value.round()).all() & value.is_between(-128, 127).all())
        if pa.types.is_timestamp(column.type):
            time = value if kind == pl.Float64 else value.to_physical() / 1_000_000
            tests += [time.min().fill_null(0) >= _YEAR_1_S, time.max().fill_null(0) < _YEAR_10000_S]
    contract = layout.contract
    day = pl.col(contract.day_column or "")
    is_epoch = frame.schema[contract.day_column or ""] == pl.Float64
    first, last = (_epoch(at).dt.date() if is_epoch else at.dt.date() for at in (day.min(), day.max()))
    tests += [first >= period.first, last <= period.last]
    if "day" in layout.fields and "day" in {c.name for c in contract.source_only}:
        tests.append((pl.col("day").dt.date() == (_epoch(day) if is_epoch else day).dt.date()).all())
    return all(frame.select(test.alias(str(at)) for at, test in enumerate(tests)).row(0))


_BY_DAY = {Reason.DAY_MISMATCH, Reason.OUTSIDE_PERIOD}
"""Faults that are found in the converted row; the others are found before."""


def _tidy(column: Column) -> pl.Expr:
    text = pl.col(column.name)
    if column.strip:
        text = text.str.strip_chars()
    if column.lower:
        text = text.str.to_lowercase()
    return pl.when(text != "").then(text).alias(column.name)


def _as_contract(column: Column, frame: pl.DataFrame, failed: pl.Expr | None) -> pl.Expr:
    value = pl.col(column.name)
    if frame.schema[column.name] == pl.Float64 and not pa.types.is_floating(column.type):
        if failed is not None:
            value = pl.when(failed.fill_null(False).not_()).then(value)
        value = _epoch(value) if pa.types.is_timestamp(column.type) else value.cast(polars_type(column), strict=False)
    return value.alias(column.name)


def polars_type(column: Column) -> pl.DataType:
    if pa.types.is_timestamp(column.type):
        return pl.Datetime("us", "UTC")
    if pa.types.is_string(column.type):
        return pl.String()
    if pa.types.is_boolean(column.type):
        return pl.Boolean()
    return pl.Int8() if pa.types.is_integer(column.type) else pl.Float64()


def _empty(layout: Layout) -> pl.DataFrame:
    return pl.DataFrame(schema={c.name: polars_type(c) for c in layout.contract.columns})
