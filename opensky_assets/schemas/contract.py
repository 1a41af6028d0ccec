"""What a table promises. One `Contract` a table drives Arrow types, parsing, checks, Dagster's columns and the docs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from opensky_assets.schemas.reasons import Reason
from opensky_assets.schemas.types import Kind, UnknownType, polars_type, type_of

if TYPE_CHECKING:
    import polars as pl
from opensky_assets.calendar import Partitions

TIMESTAMP = pa.timestamp("us", tz="UTC")

NULL_TEXTS = ("", "NA", "NaN", "nan", "null")
"""Spellings of "no value" met in OpenSky's own files and in files rewritten by R or pandas."""

TRUE_TEXTS = ("true", "True", "TRUE", "1")
FALSE_TEXTS = ("false", "False", "FALSE", "0")

ICAO24_PATTERN = "^[0-9a-f]{6}$"
"""A transponder address: six hexadecimal digits in lower case. It is text: `86e844` and `000123` are not numbers."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `minimum` and `maximum` bound what is *plausible*, in `unit`: a value outside stays in the table and is
    counted by a check. `type`, `pattern` and `nullable` are the contract: a row that breaks them is quarantined.
    Raises `UnknownType` for a type that `schemas/types.py` does not have.
    """

    name: str
    type: pa.DataType
    description: str
    unit: str | None = None
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    """Only for texts: a regular expression that the text has to match, without look-around."""
    pattern_reason: str = Reason.UNEXPECTED_TEXT
    """The reason under which a text that does not match is quarantined."""
    strip: bool = False
    """Blanks around the text are padding, not content."""
    lower: bool = False
    """Upper case means the same as lower case."""
    epoch: bool = False
    """The source writes this time as unix seconds."""
    repeats: bool = False
    """Numbers that come back so often that a list of them, and places in it, are smaller in a file."""
    steps: bool = False
    """Times that come close after each other in the order of the key: a file is smaller with the steps."""
    since: str = ""
    """The version of the contract that brought the column: files of older versions lack it, where it is null."""

    def __post_init__(self) -> None:
        try:
            type_of(self.type)
        except UnknownType as error:
            raise UnknownType(f"{self.name}: {error}") from None

    @cached_property
    def kind(self) -> Kind:
        return type_of(self.type).kind

    @cached_property
    def bounds(self) -> tuple[int, int] | None:
        """The smallest and the largest number that an integer column holds."""
        return type_of(self.type).bounds

    @property
    def polars(self) -> pl.DataType:
        return polars_type(self.type)


@dataclass(frozen=True)
class Contract:
    """A table: where it lives in the lake, its columns, its key and its version.

    `path` is relative to the lake. `day_column` is the column whose UTC day is the partition (`None`: one file,
    no days). `source_only` are columns that the source has and the table does not, since another column says the same.
    """

    name: str
    path: str
    version: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    day_column: str | None = None
    source_only: tuple[Column, ...] = field(default=())
    partitions: Partitions = Partitions.DAY
    """Of a raw table: by day, by year, or none."""

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the published files; `day` is in the path only."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {c.name: c for c in (*self.columns, *self.source_only)}

    @property
    def grown_columns(self) -> tuple[Column, ...]:
        """Columns that files of an older version of the contract lack."""
        return tuple(column for column in self.columns if column.since)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which no row of an object can be read."""
        return tuple(c.name for c in self.columns if not c.nullable)
