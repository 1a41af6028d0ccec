"""The same state from several objects (an hour as tar and as gz, a poll twice, a poll in an hour's file) counts once.

Whether it can stand twice is told by the files' times: those of hourly files do not overlap, so that nothing has to be
compared where each hour was read once. States that one object repeats by itself are not looked for: a check warns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from opensky_assets.lake import Lake
from opensky_assets.schemas import Contract

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Group:
    """Files whose times overlap, each with its rows, and the first and last of their times in microseconds."""

    files: Sequence[tuple[str, int]]
    first: int
    last: int


def overlapping(contract: Contract, lake: Lake, files: Sequence[tuple[str, int]]) -> Iterator[Group]:
    """The files of a day in groups, in the order of their times, so that a key stands in one group only."""
    spans = sorted((*_span(contract, lake, path), path, rows) for path, rows in files if rows)
    group: list[tuple[str, int]] = []
    start = end = 0
    for first, last, path, rows in spans:
        if group and first > end:
            yield Group(group, start, end)
            group = []
        if not group:
            start, end = first, last
        group.append((path, rows))
        end = max(end, last)
    if group:
        yield Group(group, start, end)


def _span(contract: Contract, lake: Lake, path: str) -> tuple[int, int]:
    """First and last time of a file, out of its footer."""
    metadata = lake.parquet(path).metadata
    at = metadata.schema.to_arrow_schema().get_field_index(contract.day_column or "")
    found = [metadata.row_group(n).column(at).statistics for n in range(metadata.num_row_groups)]
    return min(_micros(of.min) for of in found), max(_micros(of.max) for of in found)


def _micros(instant: datetime) -> int:
    whole = int(instant.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + instant.microsecond


def first_of_each(rows: ir.Table, contract: Contract, file: str) -> ir.Table:
    """Of rows with an equal key the one whose `file` comes first, then by the other columns; without that column."""
    import ibis

    others = [ibis.asc(rows[name], nulls_first=False) for name in contract.schema.names if name not in contract.key]
    rank = ibis.row_number().over(group_by=list(contract.key), order_by=[rows[file], *others])
    ranked = rows.mutate(rank_of_key=rank)
    return ranked.filter(ranked.rank_of_key == 0).drop("rank_of_key", file)
