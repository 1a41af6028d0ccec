"""Answers of OpenSky's API: one JSON object a line, or a whole answer, to typed rows and rejects.

`csv_format.py` does the same for CSV; what differs is here: when a line is clean, how clean lines are read, and how the
others are taken apart. A whole answer (`{"time": …, "states": [[…]]}`, or an array of flights) is unfolded into
lines first, one a record, so that its line numbers count the records.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any, BinaryIO, TypeGuard

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json as pj

from opensky_assets.ingest.container import DamagedContainer
from opensky_assets.ingest.csv_format import CONTROL, CONTROL_BYTE
from opensky_assets.ingest.formats import Format, NeedsALook
from opensky_assets.ingest.layout import Layout, WrongHeader
from opensky_assets.ingest.lines import AT, Lines
from opensky_assets.ingest.rejects import Reject, raw_text, rejects_frame
from opensky_assets.ingest.values import BAD, is_text
from opensky_assets.schemas import Contract, Reason
from opensky_assets.schemas.api import API_FIELDS, STATE_LENGTHS
from opensky_assets.schemas.contract import Column
from opensky_assets.schemas.types import Kind
from opensky_assets.sources.keys import is_answer_key, read_key

MAX_ANSWER_BYTES = 32 << 20
"""A worldwide answer has some 2 MB. A whole answer is held in memory; lines are not."""

_OBJECT, _ARRAY = b"{", b"["
_WHOLE_ANSWER = re.compile(rb'\s*(?:\{\s*(?:"time"\s*:\s*\d+\s*,\s*)?"states"\s*:|\[\s*[\[\{\]])')
_TIMED_ANSWER = re.compile(rb'\{\s*"time"\s*:\s*\d')
_TELLING_FIELDS = {
    "flights": {"icao24", "firstSeen", "lastSeen"},
    "state_vectors": {"icao24", "time", "latitude", "longitude"},
}
_BEGIN, _END, _BACKSLASH = ord("{"), ord("}"), ord("\\")
_BOM = b"\xef\xbb\xbf"

_KNOWN = {"time", *(api for fields in API_FIELDS.values() for api, column in fields.items() if column)}

_PLAIN = np.zeros(256, dtype=bool)
_PLAIN[32:127] = True
_PLAIN[[10, _BACKSLASH]] = True, False


def is_answer(head: bytes, key: str) -> bool:
    """Whether an object that begins so is JSON: no CSV header begins with a brace or a bracket. Nothing at all is an
    answer without records, where it is named so."""
    if not head:
        return is_answer_key(key)
    return head.removeprefix(_BOM).lstrip()[:1] in (_OBJECT, _ARRAY)


def table_of_answer(head: bytes, key: str) -> str:
    """The table of an answer whose name says neither table nor time, by its first bytes. Raises `WrongHeader` with what
    is missing: a state needs a time of its own, or its answer's."""
    start = head.removeprefix(_BOM).lstrip()
    if _WHOLE_ANSWER.match(start) and start[:1] == _OBJECT:
        if not _TIMED_ANSWER.match(start):
            raise WrongHeader("the response has no `time` before its `states`, and the name of the object has no time")
        return "state_vectors"
    text = (start[1:] if start[:1] == _ARRAY else start).decode("utf-8", "replace").lstrip()
    try:
        record, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        raise WrongHeader(
            f"it does not begin with a complete JSON object; it begins with {raw_text(start[:200])!r}"
        ) from None
    fields = set(record) if isinstance(record, dict) else set()
    missing = {table: sorted(needed - fields) for table, needed in _TELLING_FIELDS.items()}
    for table, fields_missing in missing.items():
        if not fields_missing:
            return table
    table = "state_vectors" if key.startswith("states/") else "flights"
    raise WrongHeader(f"lacks {', '.join(missing[table])} of {table}; it begins with {raw_text(start[:200])!r}")


def open_answer(stream: BinaryIO, head: bytes, key: str, contract: Contract) -> tuple[BinaryIO, Layout]:
    """The lines of an answer that begins with `head`, and their layout. Raises `DamagedContainer` for a whole answer
    that is no JSON: its records cannot be told apart."""
    facts = read_key(key)
    time: float | None = facts.epoch if facts else None
    start = head.removeprefix(_BOM)
    if start != head:
        stream.read(len(_BOM))
    if _WHOLE_ANSWER.match(start):
        stream, own_time = _unfold(stream)
        time = time if own_time is None else own_time
    fields = API_FIELDS[contract.name]
    columns = {column for column in fields.values() if column} | ({"time"} if "time" in contract.by_name else set())
    return stream, Layout(
        contract,
        tuple(columns),
        extra=tuple(name for name, column in fields.items() if column is None),
        missing=tuple(c.name for c in contract.columns if c.name not in columns),
        time=time,
    )


def _unfold(stream: BinaryIO) -> tuple[BinaryIO, float | None]:
    """A whole answer as lines, one a record, and its time."""
    data = stream.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise DamagedContainer(f"a response of the API over {MAX_ANSWER_BYTES >> 20} MiB; write one record a line")
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedContainer(f"the response is not JSON: {error}") from None
    time = answer.get("time") if isinstance(answer, dict) else None
    records = answer.get("states") if isinstance(answer, dict) else answer
    if not isinstance(records, list | None):
        raise DamagedContainer("the `states` of the response are not an array")
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records or ())
    return io.BytesIO(lines.encode("utf-8", errors="surrogatepass")), float(time) if _is_number(time) else None


# --- lines that are read as a whole --------------------------------------------------------------------------------


def _clean(lines: Lines, layout: Layout) -> np.ndarray:
    """For each line: one brace first, one last, and nothing in between that may mean something else than it shows.

    Between two such lines an object cannot go on, since no `{` follows a `}` within one.
    """
    clean = lines.lengths > 1
    clean &= lines.array[lines.starts] == _BEGIN
    clean &= lines.array[lines.ends - 1] == _END
    clean[np.searchsorted(lines.ends, np.flatnonzero(~_PLAIN[lines.array]))] = False
    return clean


def _source_names(layout: Layout) -> dict[str, Column]:
    """Field of a line → column. A line's own `time` counts before the name's."""
    by_name = layout.contract.by_name
    names = {api: by_name[name] for api, name in API_FIELDS[layout.contract.name].items() if name}
    return names | ({"time": by_name["time"]} if "time" in layout.fields else {})


def _convert(data: bytes, layout: Layout) -> pl.DataFrame:
    """Read clean lines, strictly by JSON's own types. Raises `NeedsALook` where a line is not what it should be."""
    names = _source_names(layout)
    schema = pa.schema([(api, _read_type(column)) for api, column in names.items()])
    try:
        table = pj.read_json(
            io.BytesIO(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        raise NeedsALook from None
    if table.num_rows != data.count(b"\n"):
        raise NeedsALook
    frame = pl.DataFrame(table.rename_columns([column.name for column in names.values()]))
    return _settle(frame, layout)


def _read_type(column: Column) -> pa.DataType:
    return column.type if column.kind in (Kind.TEXT, Kind.BOOLEAN) else pa.float64()


def _settle(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Spellings of "no value", and the time of those that do not tell their own."""
    texts = [c.name for c in layout.columns if is_text(c)]
    numbers = [c.name for c in layout.columns if frame.schema[c.name] == pl.Float64]
    frame = frame.with_columns(
        *(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in texts),
        *(pl.col(name).fill_nan(None) for name in numbers),
    )
    if layout.time is not None and "time" in layout.fields:
        told = pl.col("time").is_not_null()
        if f"{BAD}time" in frame.columns:
            told |= pl.col(f"{BAD}time")
        frame = frame.with_columns(pl.when(told).then(pl.col("time")).otherwise(layout.time).alias("time"))
    return frame


# --- lines that need a look of their own ---------------------------------------------------------------------------


def _examine(
    lines: Lines, suspects: np.ndarray, layout: Layout, only_day: str
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """Take lines apart one by one: rows that are good after all (escapes, other scripts, arrays), and rejects."""
    names = _source_names(layout)
    values: dict[str, list[Any]] = {column.name: [] for column in names.values()}
    wrong: dict[str, list[bool]] = {column.name: [] for column in names.values()}
    at_good: list[int] = []
    bad: list[Reject] = []
    for at in suspects.tolist():
        raw = lines.raw(at)
        record = _record(raw, layout)
        if isinstance(record, Reason):
            bad.append((only_day, lines.first + at, None, record, raw_text(raw)))
            continue
        at_good.append(at)
        for api, column in names.items():
            value = record.get(api)
            fits = value is None or _fits(value, column)
            values[column.name].append((float(value) if _is_number(value) else value) if fits else None)
            wrong[column.name].append(not fits)
    if not at_good:
        return None, rejects_frame(bad)
    columns = [
        pl.Series(c.name, values[c.name], dtype=pl.Float64() if _read_type(c) == pa.float64() else c.polars)
        for c in names.values()
    ]
    flags = [pl.Series(f"{BAD}{name}", flag) for name, flag in wrong.items()]
    frame = pl.DataFrame([*columns, *flags, pl.Series(AT, at_good, dtype=pl.Int64)])
    return _settle(frame, layout), rejects_frame(bad)


class _Doubled(ValueError):
    """An object names a field twice, and not one that is ignored."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs if name in _KNOWN]
        if len(names) > len(set(names)):
            raise _Doubled
    return record


def _record(raw: bytes, layout: Layout) -> dict[str, Any] | Reason:
    """The fields of one line, or why it has none."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.CONTROL_CHARACTER if CONTROL_BYTE.search(raw) else Reason.ENCODING
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except _Doubled:
        return Reason.FIELD_COUNT
    except (ValueError, RecursionError):
        return Reason.CONTROL_CHARACTER if CONTROL.search(text) else Reason.UNPARSABLE
    if isinstance(found, list):
        if layout.contract.name != "state_vectors" or len(found) not in STATE_LENGTHS:
            return Reason.FIELD_COUNT
        found = dict(zip(API_FIELDS["state_vectors"], found, strict=False))
    if not isinstance(found, dict):
        return Reason.UNPARSABLE
    for value in found.values():
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # half of a surrogate pair, as an escape
                return Reason.ENCODING
        if isinstance(value, str) and CONTROL.search(value):
            return Reason.CONTROL_CHARACTER
    return found


def _fits(value: Any, column: Column) -> bool:
    if is_text(column):
        return isinstance(value, str)
    if column.kind is Kind.BOOLEAN:
        return isinstance(value, bool)
    return _is_number(value)


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether JSON's value is a number that a float can hold; `true` is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 1023
    return isinstance(value, float)


ANSWERS = Format(lambda lines, layout: None, _clean, _convert, _examine)
