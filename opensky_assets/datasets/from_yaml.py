"""Raw tables that a YAML file describes. One document a table; docs/sources.md shows one."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from opensky_assets.calendar import Partitions
from opensky_assets.datasets.dataset import FORMATS, GROUPS_OF_A_PERIOD, Dataset, KeyPatterns
from opensky_assets.datasets.registry import register
from opensky_assets.schemas import types
from opensky_assets.schemas.contract import Column, Contract
from opensky_assets.schemas.reasons import Reason
from opensky_assets.settings import SettingsError

TYPES: dict[str, pa.DataType] = {kind.doc: kind.arrow for kind in types.TYPES}
"""The type of a column by its name in YAML."""

DATASET_FIELDS = frozenset(
    {
        *("name", "description", "origin", "version", "columns", "key"),
        *("keys", "header", "format", "partitions", "day", "lake_bytes_per_source_byte"),
    }
)
COLUMN_FIELDS = frozenset(
    {
        *("type", "description", "unit", "nullable", "minimum", "maximum"),
        *("pattern", "pattern_reason", "strip", "lower", "epoch", "repeats", "steps"),
    }
)


class DatasetError(SettingsError):
    """A dataset cannot be read; the text names the file, the entry, the value and what is allowed."""


@dataclass(frozen=True)
class _Entry:
    """A mapping of a file, with where it stands."""

    file: str
    path: str
    values: Mapping[str, Any]

    def error(self, name: str, must: str) -> DatasetError:
        given = f"{self.values[name]!r} " if name in self.values else ""
        return DatasetError(f"{self.file}: {self.path}{name}: {given}{must}")

    def require_known(self, allowed: Collection[str]) -> None:
        for name in self.values:
            if name not in allowed:
                raise DatasetError(
                    f"{self.file}: {self.path}{name}: unknown entry; allowed are {', '.join(sorted(allowed))}"
                )

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty; one that is missing only where there is a `default`."""
        value = self.values.get(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and name == "version":
            value = str(value)
        if not isinstance(value, str) or (not value and default is None):
            raise self.error(name, "must be a text" if name in self.values else "is missing")
        return value

    def one_of(self, name: str, allowed: Collection[str], default: str | None = None) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self.error(name, f"must be one of {', '.join(allowed)}" if name in self.values else "is missing")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self.values.get(name, default)
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self.error(name, "must be a list of texts" if name in self.values else "is missing")
        return tuple(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return value

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.error(name, "must be a number")
        return value

    def within(self, name: str, path: str) -> _Entry:
        value = self.values.get(name)
        if not isinstance(value, dict) or not value or not all(isinstance(key, str) for key in value):
            raise self.error(name, "must be a mapping of names" if name in self.values else "is missing")
        return _Entry(self.file, path, value)


def read_dataset(entry: Mapping[str, Any], file: str = "") -> Dataset:
    """The dataset that an entry of YAML, as Python holds it, describes. Raises `DatasetError`."""
    given = _Entry(file, "", entry)
    given.require_known(DATASET_FIELDS)
    name = given.text("name")
    partitions = Partitions(given.one_of("partitions", [str(kind) for kind in Partitions], "day"))
    columns = given.within("columns", "columns.")
    contract = Contract(
        name=name,
        path=f"raw/{name}",
        version=given.text("version", "1"),
        description=given.text("description"),
        columns=tuple(_column(columns.within(column, f"columns.{column}."), column) for column in columns.values),
        key=given.texts("key"),
        day_column=given.text("day", "") or None,
        partitions=partitions,
    )
    _require_a_day(given, contract)
    patterns = given.texts("keys", ())
    for pattern in patterns:
        _require_pattern(given, pattern, contract)
    header = given.texts("header", ())
    if not patterns and not header:
        raise DatasetError(f"{file}: keys: and header: are both missing, so no object of the table can be recognised")
    return Dataset(
        contract,
        given.text("origin", f"objects of {name}"),
        KeyPatterns(name, patterns),
        header=frozenset(header),
        format=given.one_of("format", FORMATS, "csv"),
        lake_bytes_per_source_byte=given.number("lake_bytes_per_source_byte") or 2.0,
    )


def _column(given: _Entry, name: str) -> Column:
    given.require_known(COLUMN_FIELDS)
    kind = TYPES[given.one_of("type", TYPES)]
    pattern = given.text("pattern", "") or None
    if pattern:
        _require_column_pattern(given, pattern, kind)
    return Column(
        name,
        kind,
        given.text("description"),
        unit=given.text("unit", "") or None,
        nullable=given.flag("nullable", True),
        minimum=given.number("minimum"),
        maximum=given.number("maximum"),
        pattern=pattern,
        pattern_reason=given.text("pattern_reason", Reason.UNEXPECTED_TEXT),
        strip=given.flag("strip", False),
        lower=given.flag("lower", False),
        epoch=given.flag("epoch", False),
        repeats=given.flag("repeats", False),
        steps=given.flag("steps", False),
    )


def _require_column_pattern(given: _Entry, pattern: str, kind: pa.DataType) -> None:
    import polars as pl

    if not pa.types.is_string(kind):
        raise given.error("pattern", "is for columns of type text only")
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        told = " ".join(str(error).split())
        raise given.error("pattern", f"is not a regular expression that Polars accepts ({told})") from None


def _require_a_day(given: _Entry, contract: Contract) -> None:
    """The day column must be a time that each row has."""
    if contract.day_column is None:
        return
    column = contract.by_name.get(contract.day_column)
    if column is None:
        raise given.error("day", f"is not a column; the columns are {', '.join(contract.by_name)}")
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)) or column.nullable:
        raise given.error("day", "must be a column of type timestamp or date with nullable: false")


def _require_pattern(given: _Entry, pattern: str, contract: Contract) -> None:
    try:
        groups = frozenset(re.compile(pattern).groupindex)
    except re.error as error:
        raise given.error("keys", f"has no regular expression in {pattern!r} ({error})") from None
    if groups not in GROUPS_OF_A_PERIOD:
        allowed = "; ".join(" and ".join(sorted(names)) for names in GROUPS_OF_A_PERIOD if names)
        raise given.error(
            "keys", f"has the groups {', '.join(sorted(groups))} in {pattern!r}; they can be none, or {allowed}"
        )
    if contract.partitions is Partitions.NONE and groups:
        raise given.error("keys", f"names days in {pattern!r}, and a table without partitions has none")
    if contract.partitions is Partitions.YEAR and contract.day_column is None and "year" not in groups:
        raise given.error("keys", f"must tell the year by a group (?P<year>…) in {pattern!r}, where no day column does")


def datasets_in(file: Path) -> Iterator[Dataset]:
    """The datasets of a file. Raises `DatasetError`."""
    import yaml

    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror}); OPENSKY_DATASETS names it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: is not YAML ({' '.join(str(error).split())})") from None
    for document in documents:
        if not isinstance(document, dict):
            raise DatasetError(f"{file}: must be a mapping with name, columns and so on, got {document!r}")
        yield read_dataset(document, str(file))


def load_datasets(text: str) -> list[Dataset]:
    """Register the datasets of `OPENSKY_DATASETS`: YAML files, or folders of them, separated as in PATH. Raises
    `DatasetError`."""
    loaded = []
    for place in filter(None, text.split(os.pathsep)):
        path = Path(place)
        files = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        for file in files:
            for dataset in datasets_in(file):
                try:
                    loaded.append(register(dataset))
                except ValueError as error:
                    raise DatasetError(f"{file}: {error}") from None
    return loaded
