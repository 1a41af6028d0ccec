"""CSV: one record a line, as many fields as the header has, quotes only around a whole field."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pyarrow as pa

from opensky_assets.ingest.formats import Format
from opensky_assets.ingest.layout import Layout
from opensky_assets.ingest.lines import AT, Lines
from opensky_assets.ingest.rejects import Reject, raw_text, rejects_frame
from opensky_assets.ingest.values import from_text, is_text, with_times
from opensky_assets.schemas.contract import NULL_TEXTS
from opensky_assets.schemas.reasons import Reason

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONTROL_BYTE = re.compile(rb"[\x00-\x1f\x7f]")
_FIELD = r'(?:"((?:[^"]|"")*)"|([^",]*))'
_QUOTED_LINE = re.compile(rf"{_FIELD}(?:,{_FIELD})*")
_NEXT_FIELD = re.compile(rf"(?:^|,){_FIELD}")


# --- lines that are read as a whole ------------------------------------------------------------------------------


def _clean(lines: Lines, layout: Layout) -> np.ndarray:
    return lines.clean(len(layout.fields))


def _convert_whole(lines: Lines, layout: Layout) -> pl.DataFrame | None:
    """Parse a block at once, where all its lines are clean and all its values are what the contract says. The parser
    drops the CR of a line end, so it gets the lines as they are."""
    fields = len(layout.fields)
    if fields == 1 or not lines.look_clean(fields):  # a blank line looks like one field
        return None
    try:
        frame = _read_strictly(lines.source, layout)
    except (pl.exceptions.PolarsError, pa.ArrowInvalid):  # a line too long, a value that objects
        return None
    return frame if frame is not None and frame.height == lines.count else None


def _convert(data: bytes, layout: Layout) -> pl.DataFrame:
    """Parse clean lines: strictly into types; where a value objects, as text, value by value."""
    try:
        if (frame := _read_strictly(data, layout)) is None:
            frame = with_times(_read(data, layout.typed_schema, layout, NULL_TEXTS), layout.columns)
        return frame
    except (pl.exceptions.ComputeError, pa.ArrowInvalid):
        return from_text(_read(data, layout.text_schema, layout, NULL_TEXTS), layout.columns)


def _read_strictly(data: bytes, layout: Layout) -> pl.DataFrame | None:
    """Parse into types, with the empty field as the only null, for the parser is slower by half where it has to look
    for other spellings. `None` where there may be one: as text, or as a number that is none."""
    frame = _read(data, layout.typed_schema, layout, None)
    tests = [pl.col(c.name).is_in(NULL_TEXTS[1:]).any().alias(c.name) for c in layout.columns if is_text(c)]
    infinite = pl.col(pl.Float64).sum().is_finite().not_()  # one NaN, or one infinity, makes the sum so
    outcome = frame.select(*tests, infinite)
    return None if outcome.width and any(outcome.row(0)) else with_times(frame, layout.columns)


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


# --- lines that need a look of their own -------------------------------------------------------------------------


def _examine(
    lines: Lines, suspects: np.ndarray, layout: Layout, only_day: str
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """Take suspicious lines apart one by one: rows that are good after all (quotes, other scripts), and rejects."""
    good: list[list[str | None]] = []
    at_good: list[int] = []
    bad: list[Reject] = []
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
    return from_text(text, layout.columns).with_columns(pl.Series(AT, at_good, dtype=pl.Int64)), rejects_frame(bad)


def _split(raw: bytes, fields: int) -> list[str] | Reason:
    """The fields of one line, or why it has none."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.CONTROL_CHARACTER if CONTROL_BYTE.search(raw) else Reason.ENCODING
    if CONTROL.search(text):
        return Reason.CONTROL_CHARACTER
    if '"' not in text:
        parts = text.split(",")
    elif _QUOTED_LINE.fullmatch(text):
        parts = [m[1].replace('""', '"') if m[1] is not None else m[2] for m in _NEXT_FIELD.finditer(text)]
    else:
        return Reason.OPEN_QUOTE
    return parts if len(parts) == fields else Reason.FIELD_COUNT


CSV = Format(_convert_whole, _clean, _convert, _examine)
