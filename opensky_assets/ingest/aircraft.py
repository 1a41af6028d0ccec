"""Aircraft tables of any form into one: `AIRCRAFT_DATABASE`, one row a transponder address."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from opensky_assets.ingest.aircraft_dialects import LONGEST_LINE, Dialect, Record, sniff_dialect, split_records
from opensky_assets.ingest.blocks import Block, read_blocks
from opensky_assets.schemas.aircraft import AIRCRAFT_DATABASE, JUNK_ICAO24
from opensky_assets.schemas.contract import ICAO24_PATTERN, NULL_TEXTS
from opensky_assets.schemas.quarantine import QUARANTINE
from opensky_assets.schemas.reasons import Reason

RECORDS_SCHEMA = pa.schema(
    [
        *AIRCRAFT_DATABASE.schema,
        pa.field("table_date", pa.date32()),
        pa.field("line_number", pa.int64(), nullable=False),
    ]
)
"""The contract's columns, the table's date (`None`: undated) and the record's first physical line."""

_SOURCE_NAMES = {"icaoaircrafttype": "icaoaircraftclass", "categorydescription": "category"}
_TEXTS = tuple(c.name for c in AIRCRAFT_DATABASE.columns if c.name not in ("built", "source_table", "updated"))
_WANTED = (*_TEXTS, "built", "timestamp")
_DESCRIBING = tuple(name for name in (*_TEXTS, "built") if name != "icao24")

_NO_MODEL = ("unknow", "unknown")
_NO_TIME = "1970-01-01 01:00:00"  # epoch 0 written in the local time of OpenSky's server
_BUILT = r"^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[ T].*)?)?)?$"
_BUILT_FROM, _BUILT_BEFORE = date(1900, 1, 1), date(2100, 1, 1)
_MONTH_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})-(0[1-9]|1[0-2])(?!\d)")

_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # blanks of a text are none: tab, CR, LF

_CHUNK_RECORDS = 5_000
_BLOCK_BYTES = 4 << 20  # records become Python texts here, so the block is a large part of the memory
_SNIFF_BYTES = 1 << 16
_RAW_BYTES = 1 << 16


class NotAnAircraftTable(ValueError):
    """The object is of no known form of aircraft table."""


@dataclass(frozen=True)
class AircraftTable:
    """One aircraft table, read and checked. `read == records.num_rows + rejects.num_rows` always."""

    key: str
    dialect: Dialect
    records: pa.Table
    """`RECORDS_SCHEMA`, in the table's order; an address may occur more than once."""
    rejects: pa.Table
    """`QUARANTINE.schema`."""
    read: int
    """Logical records."""
    notes: dict[str, int]
    """Column → records kept with a null there, since the value could not be read."""
    other_members: tuple[str, ...] = ()
    """Members of the table's tar that were not read."""


@dataclass(frozen=True)
class MergedAircraft:
    """All aircraft tables as one. For each source table: read = written + quarantined + superseded."""

    table: pa.Table
    """`AIRCRAFT_DATABASE.schema`, sorted by icao24, one row each."""
    written: dict[str, int]
    """Key of a source table → rows of it in `table`."""
    superseded: dict[str, int]
    """Key of a source table → its records that gave way to another one."""


class _Reject(NamedTuple):
    line_number: int
    column: str | None
    reason: str
    raw_line: str


def read_aircraft_table(stream: BinaryIO, key: str) -> AircraftTable:
    """Read one unpacked aircraft table; `key` is where it stands in the source.

    Texts lose the blanks around them; `NULL_TEXTS` and the model `unknow` are null. The operator falls back to its
    ICAO code, its callsign, the owner. `updated` (UTC) is the record's time, else the month in the table's name.
    A bad address, a damaged record, bytes that are not UTF-8 and control characters quarantine a record. A date that
    cannot be read does not: it is null, and `notes` counts it, since an aircraft is worth more than its age.

    Raises `NotAnAircraftTable`.
    """
    blocks = read_blocks(stream, _BLOCK_BYTES)
    first = next(blocks, Block(b"", 1))
    dialect = sniff_dialect(first.data[:_SNIFF_BYTES])
    if dialect is None:
        raise NotAnAircraftTable(f"{key} is not an aircraft table: no icao24 column with aircraft columns beside it")
    columns, records = split_records(_lines(chain([first], blocks)), dialect)
    named = [_SOURCE_NAMES.get(name, name) for name in columns]
    month = _month_in_name(key)

    tables: list[pa.Table] = []
    rejects: list[_Reject] = []
    read, notes = 0, Counter[str]()
    while chunk := list(islice(records, _CHUNK_RECORDS)):
        read += len(chunk)
        damages = [_damage(record) for record in chunk]
        sound = [record for record, damage in zip(chunk, damages, strict=True) if damage is None]
        rejects += [_reject(record, damage) for record, damage in zip(chunk, damages, strict=True) if damage]
        values = _values(_frame(sound, named), key, month)
        rejects += [
            _reject(sound[row], Reason(reason), "icao24")
            for row, reason in enumerate(values["reason"])
            if reason is not None
        ]
        kept = values.filter(pl.col("reason").is_null())
        notes.update({name: int(kept[f"unread_{name}"].sum()) for name in ("built", "updated")})
        tables.append(_to_arrow(kept, RECORDS_SCHEMA))

    table = pa.concat_tables([RECORDS_SCHEMA.empty_table(), *tables])
    return AircraftTable(
        key=key,
        dialect=dialect,
        records=table if month else _dated_by_newest(table),
        rejects=_quarantine(key, rejects),
        read=read,
        notes={name: count for name, count in notes.items() if count},
    )


def merge_aircraft_tables(tables: Iterable[AircraftTable]) -> MergedAircraft:
    """One row an address: the record of the newest table wins, then the newest record, then the fullest.

    An undated table is older than any dated one. Where all is equal the table first by key wins, and in it the last
    line. The result does not depend on the order of `tables`; given a generator, no more than one of them and the
    winners so far are in memory. Raises `ValueError` for a key given twice.
    """
    winners = RECORDS_SCHEMA.empty_table()
    records: dict[str, int] = {}
    for table in tables:
        if table.key in records:
            raise ValueError(f"aircraft table given twice: {table.key}")
        records[table.key] = table.records.num_rows
        winners = _newest_of_each(pa.concat_tables([winners, table.records]))
        del table  # before the next one is read

    counts = {entry["values"]: entry["counts"] for entry in winners["source_table"].value_counts().to_pylist()}
    written = {key: counts.get(key, 0) for key in records}
    return MergedAircraft(
        table=winners.select(AIRCRAFT_DATABASE.schema.names).combine_chunks(),
        written=written,
        superseded={key: records[key] - written[key] for key in records},
    )


def _newest_of_each(records: pa.Table) -> pa.Table:
    """The winning record of each address, sorted by icao24."""
    fullness = [pc.is_valid(records[name]).cast(pa.int8()) for name in _DESCRIBING]
    # Only what decides is sorted, and the winners are fetched by their row: a third of the memory of whole records.
    deciding = records.select(["icao24", "table_date", "updated", "source_table", "line_number"])
    winners = (
        pl.DataFrame(deciding.append_column("fullness", reduce(pc.add, fullness)))
        .with_row_index("row")
        .sort(
            "icao24",
            "table_date",
            "updated",
            "fullness",
            "source_table",
            "line_number",
            descending=[False, True, True, True, False, True],
            nulls_last=True,
        )
        .unique("icao24", keep="first", maintain_order=True)
    )
    return records.take(winners["row"].to_arrow())


def _lines(blocks: Iterable[Block]) -> Iterator[bytes]:
    for block in blocks:
        yield from block.data.removesuffix(b"\n").split(b"\n")


def _damage(record: Record) -> Reason | None:
    """Why no values can be taken from a record."""
    if record.fields is None and len(record.text) >= LONGEST_LINE:
        return Reason.LINE_TOO_LONG
    if not record.text.isprintable():  # quick, and true for almost all
        if _NOT_UTF8.search(record.text):
            return Reason.ENCODING
        if _CONTROL.search(record.text):
            return Reason.CONTROL_CHARACTER
    return Reason.BROKEN_RECORD if record.fields is None else None


def _reject(record: Record, reason: Reason, column: str | None = None) -> _Reject:
    # The cut may fall within a character; what is left of it says as \xNN that it was there.
    raw = record.text.encode("utf-8", "surrogateescape")[:_RAW_BYTES].decode("utf-8", "backslashreplace")
    return _Reject(record.line_number, column, reason.value, raw)


def _quarantine(key: str, rejects: list[_Reject]) -> pa.Table:
    columns = {"line_number": pl.Int64, "column": pl.String, "reason": pl.String, "raw_line": pl.String}
    frame = pl.DataFrame(rejects, columns, orient="row").sort("line_number")
    return _to_arrow(frame.with_columns(pl.lit(key).alias("object")), QUARANTINE.schema)


def _frame(records: list[Record], columns: list[str]) -> pl.DataFrame:
    """The wanted columns as they stand, all text; one that the table lacks is null."""
    by_column = list(zip(*(record.fields or () for record in records), strict=True))
    lines = pl.Series("line_number", [record.line_number for record in records], pl.Int64)
    return pl.DataFrame(
        [
            pl.Series(name, by_column[columns.index(name)] if by_column else [], pl.String)
            if name in columns
            else pl.repeat(None, len(records), dtype=pl.String, eager=True).alias(name)
            for name in _WANTED
        ]
        + [lines]
    )


def _values(raw: pl.DataFrame, key: str, month: date | None) -> pl.DataFrame:
    """Typed values, with `reason` (null: keep) and `unread_…` flags beside them."""
    text = pl.col(*_WANTED).str.strip_chars()
    frame = raw.with_columns(pl.when(~text.is_in(NULL_TEXTS)).then(text)).with_columns(
        pl.col("icao24").str.to_lowercase(),
        pl.when(~pl.col("model").str.to_lowercase().is_in(_NO_MODEL)).then(pl.col("model")),
        pl.when(~pl.col("built", "timestamp").is_in([_NO_TIME])).then(pl.col("built", "timestamp")),
    )
    updated_type = pl.Datetime("us", "UTC")
    icao24, parts = pl.col("icao24"), pl.col("built").str.extract_groups(_BUILT)
    built = pl.concat_str(
        parts.struct.field("1"),
        parts.struct.field("2").fill_null("01"),
        parts.struct.field("3").fill_null("01"),
        separator="-",
    ).str.to_date("%Y-%m-%d", strict=False)
    updated = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC", strict=False)
    typed = frame.with_columns(
        pl.when(built.is_between(_BUILT_FROM, _BUILT_BEFORE, closed="left")).then(built).alias("built_on"),
        updated.alias("updated"),
        pl.coalesce("operator", "operatoricao", "operatorcallsign", "owner").alias("operator"),
        pl.lit(key).alias("source_table"),
        pl.lit(month, pl.Date).alias("table_date"),
        pl.when(icao24.is_null())
        .then(pl.lit(Reason.NULL_KEY.value))
        .when(~icao24.str.contains(ICAO24_PATTERN))
        .then(pl.lit(Reason.BAD_ICAO24.value))
        .when(icao24.is_in(JUNK_ICAO24))
        .then(pl.lit(Reason.JUNK_ICAO24.value))
        .alias("reason"),
    )
    return typed.with_columns(
        (pl.col("built").is_not_null() & pl.col("built_on").is_null()).alias("unread_built"),
        (pl.col("timestamp").is_not_null() & pl.col("updated").is_null()).alias("unread_updated"),
        pl.col("built_on").alias("built"),
        pl.coalesce("updated", pl.col("table_date").cast(updated_type)).alias("updated"),
    )


def _month_in_name(key: str) -> date | None:
    found = _MONTH_IN_NAME.search(key.rsplit("/", 1)[-1])
    return date(int(found[1]), int(found[2]), 1) if found else None


def _dated_by_newest(records: pa.Table) -> pa.Table:
    """Date a table without a month in its name by its newest record, if any record has a time."""
    newest = pc.max(records["updated"]).cast(pa.date32())
    dates = pa.repeat(newest, records.num_rows)
    return records.set_column(RECORDS_SCHEMA.get_field_index("table_date"), RECORDS_SCHEMA.field("table_date"), dates)


def _to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return frame.select(schema.names).to_arrow().cast(schema)
