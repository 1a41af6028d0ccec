"""The three forms of OpenSky's aircraft tables: told apart by their bytes, cut into records.

Forms as found in the bucket's `metadata/` folder:

- A, `aircraftDatabase.csv`: quote `"`, a header of 27 columns, often an empty record below it.
- B, dumps of 2021-12 to 2024-04: a blank line in place of the header, 15 columns by position.
- C, `complete` from 2024-06: quote `'` on some fields only, a header of 31 or 32 columns.

In all of them a quote within a quoted field is doubled, and a quoted field may hold line ends.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from opensky_assets.ingest.blocks import MAX_LINE_BYTES

HEADERLESS_COLUMNS = (
    "icao24",
    "registration",
    "manufacturericao",
    "manufacturername",
    "model",
    "typecode",
    "serialnumber",
    "linenumber",
    "icaoaircrafttype",
    "operator",
    "operatorcallsign",
    "operatoricao",
    "operatoriata",
    "owner",
    "categorydescription",
)
"""Columns of form B, by position: the first 14 of form A, then the category."""

_TELLING = frozenset(HEADERLESS_COLUMNS[1:]) | {"icaoaircraftclass", "built"}
_MIN_TELLING = 4  # flight lists have two of them: registration, typecode
_FOREIGN = frozenset({"callsign", "lat", "origin"})  # flights and states, however enriched
_MAX_RECORD_LINES = 100  # addresses of owners have a few lines; more means a stray quote
_BOM = "\ufeff"

LONGEST_LINE = MAX_LINE_BYTES // 4
"""Characters that a line cut at `MAX_LINE_BYTES` has at least; nothing that long is a record of an aircraft."""


@dataclass(frozen=True)
class Dialect:
    """How one aircraft table is written."""

    form: Literal["A", "B", "C"]
    quote: str

    @property
    def has_header(self) -> bool:
        """Without one, columns are `HEADERLESS_COLUMNS` and the first line is blank."""
        return self.form != "B"


class Record(NamedTuple):
    """One record as it stands in the table."""

    line_number: int
    """Of its first physical line; the table's first line is 1."""
    text: str
    """Its lines, joined by LF; bytes that are not UTF-8 as lone surrogates (`surrogateescape`)."""
    fields: list[str] | None
    """One a column; `None`: no record can be made of the text."""


def sniff_dialect(head: bytes) -> Dialect | None:
    """Tell from its first bytes how an aircraft table is written; `None`: it is not an aircraft table.

    `head` is unpacked and should be at least 64 KiB, or the whole table. A byte order mark is tolerated. The form
    is told from the bytes alone, since names do not follow it (`aircraftDatabase-…` is A or B).
    """
    lines = [line.rstrip("\r") for line in head.decode("utf-8", "surrogateescape").removeprefix(_BOM).split("\n")]
    quote = "'" if _opening_quotes("'", lines) > _opening_quotes('"', lines) else '"'
    filled = [line for line in lines if not _is_blank(line)]
    if not filled:
        return None
    names = set(column_names(filled[0], quote))
    if "icao24" in names and len(names & _TELLING) >= _MIN_TELLING and not names & _FOREIGN:
        return Dialect("C" if quote == "'" else "A", quote)
    if not _is_blank(lines[0]):
        return None
    headerless = Dialect("B", quote)
    splitter = _Splitter(headerless, HEADERLESS_COLUMNS)
    records = splitter.split(enumerate(lines))
    return headerless if any(record.fields and splitter.is_start(record.text) for record in records) else None


def column_names(header: str, quote: str) -> list[str]:
    """The names in a header line, in lower case: the forms differ in case only."""
    try:
        row = next(csv.reader((header,), quotechar=quote), [])
    except csv.Error:
        return []
    return [name.strip().lower() for name in row]


def split_records(lines: Iterable[bytes], dialect: Dialect) -> tuple[list[str], Iterator[Record]]:
    """Cut an aircraft table into records: `(column names, records)`.

    `lines` are the table's physical lines, split at LF, from the first one on. The header and blank lines are no
    records. A line that is a whole record by itself is one, whatever was open before it, so that a stray quote ends
    there; the lines between such lines are joined, see `_Splitter.join_run`.
    """
    numbered = enumerate((_decode(line) for line in lines), start=1)
    columns = list(HEADERLESS_COLUMNS)
    for number, line in numbered:
        line = line.removeprefix(_BOM) if number == 1 else line
        if not dialect.has_header:
            break
        if not _is_blank(line):
            columns = column_names(line, dialect.quote)
            break
    return columns, _Splitter(dialect, columns).split(numbered)


class _Splitter:
    def __init__(self, dialect: Dialect, columns: Iterable[str]) -> None:
        names = list(columns)
        self.width = len(names)
        # Strict: a quote in the wrong place is an error and not a character.
        self.csv = csv.reader((), quotechar=dialect.quote, doublequote=True, strict=True).dialect
        self.quote = q = dialect.quote
        before = names.index("icao24") if "icao24" in names else 0
        field = rf"(?:{q}(?:[^{q}]|{q}{q})*{q},|[^,{q}]*,)"
        self.start = re.compile(rf"{field}{{{before}}}{q}?\s*[0-9a-fA-F]{{6}}\s*{q}?\s*(?:,|$)")

    def split(self, numbered: Iterable[tuple[int, str]]) -> Iterator[Record]:
        run: list[tuple[int, str]] = []
        for number, line in numbered:
            fields = self.parse(line)
            # Within a run an odd quote may be the end of a field that began on a line before.
            if fields is not None and not (run and line.count(self.quote) % 2):
                if run:
                    yield from self.join_run(run)
                    run = []
                yield Record(number, line, fields)
            elif run or line.strip():
                run.append((number, line))
        yield from self.join_run(run)

    def join_run(self, run: list[tuple[int, str]]) -> Iterator[Record]:
        """Make records of lines that are none by themselves.

        From each line that looks like a record's start, as many lines are joined as its quotes ask for, up to the
        next start. Over a next start it goes only where that one makes no record either: text of an owner may look
        like a start, but no record may be lost to the stray quote of another. What cannot be joined is one broken
        record a start, up to the next. A start shows by the address, so all this holds where the address stands on
        a record's first line, as in every known table.
        """
        lines = [line for _, line in run]
        starts = [i for i, line in enumerate(lines) if self.is_start(line)]
        position = 0
        while position < len(lines):
            if not lines[position].strip():
                position += 1
                continue
            following, after = _next_two(starts, position, len(lines))
            joined = self.join(lines, position, following)
            if joined is None and self.join(lines, following, after) is None:
                joined = self.join(lines, position, len(lines))
            end, fields = joined or (min(following, position + _MAX_RECORD_LINES), None)
            yield Record(run[position][0], "\n".join(lines[position:end]).rstrip("\n"), fields)
            position = end

    def join(self, lines: list[str], begin: int, limit: int) -> tuple[int, list[str]] | None:
        """The record that begins on a line, `(end, fields)`, and takes no line at or beyond `limit`."""
        wanted = lines[begin : min(limit, begin + _MAX_RECORD_LINES)]
        reader = csv.reader((f"{line}\n" for line in wanted), self.csv)
        try:
            fields = next(reader, [])
        except csv.Error:  # a quote in the wrong place or not closed, or a field over 131,072 characters
            return None
        end = begin + reader.line_num
        if len(fields) != self.width or any(len(line) >= LONGEST_LINE for line in lines[begin:end]):
            return None
        return end, fields

    def parse(self, line: str) -> list[str] | None:
        """The fields of a line that is a record by itself."""
        try:
            fields = next(csv.reader((line,), self.csv), [])
        except csv.Error:
            return None
        return fields if len(fields) == self.width and len(line) < LONGEST_LINE else None

    def is_start(self, line: str) -> bool:
        return self.start.match(line) is not None


def _next_two(starts: list[int], position: int, end: int) -> tuple[int, int]:
    at = bisect_right(starts, position)
    first, second, *_ = (*starts[at : at + 2], end, end)
    return first, second


def _decode(line: bytes) -> str:
    text = line.decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").removesuffix("\r")


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r\n,\"'")


def _opening_quotes(quote: str, lines: list[str]) -> int:
    """How many fields begin with the quote character."""
    return sum(line.count(f",{quote}") + line.startswith(quote) for line in lines)
