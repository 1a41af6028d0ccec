"""What an object's header says: which column of the contract stands where."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from opensky_assets.ingest.values import read_type
from opensky_assets.schemas import Contract
from opensky_assets.schemas.contract import Column


class WrongHeader(Exception):
    """The header lacks a column without which no row can be read, or names one twice."""


@dataclass(frozen=True)
class Layout:
    """The fields of an object in their order, by the contract's names; what the contract lacks is an extra."""

    contract: Contract
    fields: tuple[str, ...]
    extra: tuple[str, ...]
    missing: tuple[str, ...]
    time: float | None = None
    """Unix seconds of all records that tell no time of their own, as those of a poll."""

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns that the object has, in the contract's order, the source-only ones last."""
        return tuple(c for name, c in self.contract.by_name.items() if name in self.fields)

    @cached_property
    def names(self) -> list[str]:
        """Names for the parser, all different, extras out of the contract's way."""
        known = self.contract.by_name
        return [name if name in known else f"__extra_{at}" for at, name in enumerate(self.fields)]

    @cached_property
    def text_schema(self) -> dict[str, pl.DataType]:
        return {name: pl.String() for name in self.names}

    @cached_property
    def typed_schema(self) -> dict[str, pl.DataType]:
        """What the parser reads each column as, extras as texts."""
        by_name = self.contract.by_name
        return {name: read_type(by_name[name]) if name in by_name else pl.String() for name in self.names}


def read_layout(line: bytes, contract: Contract) -> Layout:
    """Read a header line. Raises `WrongHeader` with what is missing and what was found."""
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise WrongHeader("the header is not UTF-8 text") from None
    try:
        fields = tuple(name.strip().lower() for name in next(csv.reader([text]), []))
    except csv.Error as error:
        raise WrongHeader(f"the header is not a line of CSV ({error}); it begins with {text[:200]!r}") from None
    missing = [name for name in contract.required if name not in fields]
    doubled = sorted({name for name in fields if name in contract.by_name and fields.count(name) > 1})
    if missing or doubled:
        problem = f"lacks {', '.join(missing)}" if missing else f"names {', '.join(doubled)} twice"
        raise WrongHeader(f"the header {problem}; it begins with {text[:200]!r}")
    return Layout(
        contract,
        fields,
        extra=tuple(name for name in fields if name not in contract.by_name),
        missing=tuple(column.name for column in contract.columns if column.name not in fields),
    )
