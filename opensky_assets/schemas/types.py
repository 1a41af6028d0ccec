"""The one map of types: what a column's Arrow type is called in Polars, in each engine and store, and in the docs.

Types of the engines are given as text, so none of them is imported for it. A type without a row here is an error that
names it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl


class Kind(StrEnum):
    """What code that treats types differently tells apart."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    DATE = "date"
    TIME = "time"
    LIST = "list"


@dataclass(frozen=True)
class Type:
    """One type and its names. `bounds` are the smallest and the largest integer that it holds."""

    arrow: pa.DataType
    kind: Kind
    polars: str
    duckdb: str
    spark: str
    postgres: str
    clickhouse: str
    doc: str
    """Its name in the docs and in the terminal."""
    bounds: tuple[int, int] | None = None


class UnknownType(TypeError):
    """A type that the map does not have."""


def type_of(arrow: pa.DataType) -> Type:
    """The names of a type, or of a list of one. Raises `UnknownType`."""
    if pa.types.is_list(arrow):
        item = type_of(arrow.value_type)
        return replace(
            item,
            arrow=arrow,
            kind=Kind.LIST,
            polars="List",
            duckdb=f"{item.duckdb}[]",
            spark=f"array<{item.spark}>",
            postgres=f"{item.postgres}[]",
            clickhouse=f"Array({item.clickhouse})",
            doc=str(arrow),
            bounds=None,
        )
    try:
        return _BY_ARROW[arrow]
    except KeyError:
        known = ", ".join(map(str, _BY_ARROW))
        raise UnknownType(f"a column cannot have the type {arrow}; the types are {known}, and lists of them") from None


def polars_type(arrow: pa.DataType) -> pl.DataType:
    """The type in Polars. Raises `UnknownType`."""
    import polars as pl

    found = type_of(arrow)
    if found.kind == Kind.LIST:
        return pl.List(polars_type(arrow.value_type))
    if found.kind == Kind.TIME:
        return pl.Datetime(arrow.unit, arrow.tz)
    made: pl.DataType = getattr(pl, found.polars)()
    return made


def _integer(arrow: pa.DataType, *names: str) -> Type:
    bits = arrow.bit_width
    bounds = (-(1 << bits - 1), (1 << bits - 1) - 1) if pa.types.is_signed_integer(arrow) else (0, (1 << bits) - 1)
    polars, duckdb, spark, postgres, clickhouse = names
    return Type(arrow, Kind.INTEGER, polars, duckdb, spark, postgres, clickhouse, str(arrow), bounds)


TYPES = (
    Type(pa.string(), Kind.TEXT, "String", "VARCHAR", "string", "text", "String", "text"),
    Type(pa.bool_(), Kind.BOOLEAN, "Boolean", "BOOLEAN", "boolean", "boolean", "Bool", "boolean"),
    _integer(pa.int8(), "Int8", "TINYINT", "tinyint", "smallint", "Int8"),
    _integer(pa.int16(), "Int16", "SMALLINT", "smallint", "smallint", "Int16"),
    _integer(pa.int32(), "Int32", "INTEGER", "int", "integer", "Int32"),
    _integer(pa.int64(), "Int64", "BIGINT", "bigint", "bigint", "Int64"),
    _integer(pa.uint8(), "UInt8", "UTINYINT", "smallint", "smallint", "UInt8"),
    _integer(pa.uint16(), "UInt16", "USMALLINT", "int", "integer", "UInt16"),
    _integer(pa.uint32(), "UInt32", "UINTEGER", "bigint", "bigint", "UInt32"),
    _integer(pa.uint64(), "UInt64", "UBIGINT", "decimal(20,0)", "numeric(20)", "UInt64"),
    Type(pa.float32(), Kind.REAL, "Float32", "FLOAT", "float", "real", "Float32", "float"),
    Type(pa.float64(), Kind.REAL, "Float64", "DOUBLE", "double", "double precision", "Float64", "double"),
    Type(pa.date32(), Kind.DATE, "Date", "DATE", "date", "date", "Date32", "date"),
    Type(
        pa.timestamp("us", tz="UTC"),
        Kind.TIME,
        "Datetime",
        "TIMESTAMP WITH TIME ZONE",
        "timestamp",
        "timestamp with time zone",
        "DateTime64(6, 'UTC')",
        "timestamp",
    ),
    Type(
        pa.timestamp("us"),
        Kind.TIME,
        "Datetime",
        "TIMESTAMP",
        "timestamp_ntz",
        "timestamp without time zone",
        "DateTime64(6)",
        "timestamp without zone",
    ),
)
"""Spark and PostgreSQL have no unsigned integers: the next type that holds all values stands for them."""

_BY_ARROW = {row.arrow: row for row in TYPES}
