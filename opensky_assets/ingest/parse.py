"""One block of lines to typed rows and rejects: exactly the good ones and exactly the bad ones.

A block without damage takes the fast path: bytes are tested as a whole, Polars parses strictly into types, and the
contract is tested column by column. Only where one of these objects is the block taken apart: suspicious lines one by
one, the others as text, converted value by value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from opensky_assets.calendar import NO_DAY, Period
from opensky_assets.ingest.apply_contract import apply_contract
from opensky_assets.ingest.blocks import Block
from opensky_assets.ingest.csv_format import CSV
from opensky_assets.ingest.formats import Format, NeedsALook
from opensky_assets.ingest.layout import Layout
from opensky_assets.ingest.lines import AT, Lines
from opensky_assets.ingest.rejects import REJECTS, raw_text, rejects_frame
from opensky_assets.schemas.reasons import Reason


@dataclass(frozen=True)
class Parsed:
    """`records`: lines that count; `rows`: the good ones, in the contract's columns; `rejects`: the others; `early`:
    of these, those of the `EARLY_DAYS` behind the period, by day."""

    records: int
    rows: pl.DataFrame
    rejects: pl.DataFrame
    early: Mapping[date, int] = field(default_factory=dict)


Part = tuple[pl.DataFrame, np.ndarray]
"""Typed rows, and the lines of the block that they come from."""


def parse_block(block: Block, layout: Layout, period: Period, form: Format = CSV) -> Parsed:
    """Parse one block, of CSV unless told another format. `period` bounds the days of the object; with one day only,
    that day is every record's."""
    only_day = period.first.isoformat() if period.first == period.last else NO_DAY
    if block.too_long:
        reject = (only_day, block.first_line, None, Reason.LINE_TOO_LONG, raw_text(block.data))
        return Parsed(1, _no_rows(layout), rejects_frame([reject]))
    lines = Lines(block)
    if (frame := form.whole(lines, layout)) is not None:
        return Parsed(lines.count, *apply_contract(frame, np.arange(lines.count), layout, period, lines, only_day))
    parts, rejects = _take_apart(lines, layout, form, only_day)
    verdicts = [apply_contract(frame, at, layout, period, lines, only_day) for frame, at in parts]
    return Parsed(
        int(np.count_nonzero(lines.lengths)),
        pl.concat([_no_rows(layout), *(verdict.rows for verdict in verdicts)]),
        pl.concat([rejects, *(verdict.rejects for verdict in verdicts)]),
        sum((Counter(verdict.early) for verdict in verdicts), Counter()),
    )


def _take_apart(lines: Lines, layout: Layout, form: Format, only_day: str) -> tuple[list[Part], pl.DataFrame]:
    """The rows of a block in which some line may need a look of its own: those of the clean lines, read as a whole,
    and those of the others; and the rejects among the others."""
    clean = form.clean(lines, layout)
    whole = _convert_clean(lines, clean, layout, form)
    if whole is None:
        clean[:] = False
    parts = [] if whole is None else [whole]
    suspects = np.flatnonzero(~clean & (lines.lengths > 0))
    if not len(suspects):
        return parts, pl.DataFrame(schema=REJECTS)
    repaired, rejects = form.examine(lines, suspects, layout, only_day)
    if repaired is not None:
        parts.append((repaired.drop(AT), repaired[AT].to_numpy()))
    return parts, rejects


def _convert_clean(lines: Lines, clean: np.ndarray, layout: Layout, form: Format) -> Part | None:
    """The rows of the clean lines; `None` where there is none, or where they only looked clean."""
    if not clean.any():
        return None
    try:
        return form.convert(lines.data if clean.all() else lines.only(clean), layout), np.flatnonzero(clean)
    except NeedsALook:
        return None


def _no_rows(layout: Layout) -> pl.DataFrame:
    return pl.DataFrame(schema={c.name: c.polars for c in layout.contract.columns})
