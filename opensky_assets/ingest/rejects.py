"""Rejects: records that are no rows, with their day, line, column, reason and raw line."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

Reject = tuple[str, int, str | None, str, str]
"""Day, line number, column, reason, raw line."""

REJECTS = pl.Schema(
    {"day": pl.String, "line_number": pl.Int64, "column": pl.String, "reason": pl.String, "raw_line": pl.String}
)

MAX_RAW_LINE = 64 << 10


def rejects_frame(rejects: Iterable[Reject]) -> pl.DataFrame:
    return pl.DataFrame([(d, n, c, str(r), raw) for d, n, c, r, raw in rejects], schema=REJECTS, orient="row")


def raw_text(raw: bytes) -> str:
    """A line as quarantine keeps it."""
    return raw[:MAX_RAW_LINE].decode("utf-8", errors="backslashreplace")
