"""The files of a run in chunks that DuckDB reads at a time, and in shares for tasks of Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opensky_assets.engines.on_duckdb import Chunk
from opensky_assets.lake import Lake
from opensky_assets.schemas import Contract
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.inputs import Files
from opensky_assets.transforms.repeats import overlapping

CHUNK_ROWS = 1_000_000
"""Rows sorted at a time where rows are sorted: flights of about a busy fortnight."""


def chunks_of(what: Enrichment, lake: Lake, files: Files, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The `files` that an enrichment reads, day by day, in chunks; where it has to sort, of at most about `rows`."""
    return _whole_days(files, rows) if what.order else _by_time(what.raw, lake, files, rows)


def _whole_days(files: Files, rows: int) -> Iterator[Chunk]:
    for days in chunks_of_days(sorted(files), files, rows):
        found = [file for day in days for file in files[day]]
        yield Chunk([path for path, _ in found], sum(of_file for _, of_file in found))


def _by_time(contract: Contract, lake: Lake, files: Files, rows: int) -> Iterator[Chunk]:
    """File by file; files whose times overlap together, since the same state may stand in each: in slices of time."""
    for day in sorted(files):
        for group in overlapping(contract, lake, files[day]):
            paths = [path for path, _ in group.files]
            of_group = sum(of_file for _, of_file in group.files)
            if len(paths) == 1:
                yield Chunk(paths, of_group)
                continue
            slices = -(-of_group // rows)
            width = -(-(group.last - group.first + 1) // slices)
            for start in range(group.first, group.last + 1, width):
                yield Chunk(paths, of_group // slices, (start, start + width))


def chunks_of_days(days: Sequence[str], files: Files, rows: int = CHUNK_ROWS) -> Iterator[list[str]]:
    """Whole days with at most about `rows` rows."""
    chunk: list[str] = []
    in_chunk = 0
    for day in days:
        of_day = sum(of_file for _, of_file in files[day])
        if chunk and in_chunk + of_day > rows:
            yield chunk
            chunk, in_chunk = [], 0
        chunk.append(day)
        in_chunk += of_day
    if chunk:
        yield chunk


def shares_of(chunks: Iterable[Chunk], rows: int) -> Iterator[list[Chunk]]:
    """Consecutive chunks with at most about `rows` rows, for one task each: a poll alone would not be worth one."""
    share: list[Chunk] = []
    in_share = 0
    for chunk in chunks:
        if share and in_share + chunk.rows > rows:
            yield share
            share, in_share = [], 0
        share.append(chunk)
        in_share += chunk.rows
    if share:
        yield share
