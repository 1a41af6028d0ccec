"""The registry: OpenSky's raw tables, and those that a user registers. Everything asks here which there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from opensky_assets.calendar import Partitions
from opensky_assets.datasets.dataset import FORMATS, Dataset
from opensky_assets.datasets.opensky import OPENSKY
from opensky_assets.schemas import AIRCRAFT_DATABASE, Contract
from opensky_assets.schemas.tables import add_table, drop_table, table_named, tables
from opensky_assets.sources.keys import KeyFacts

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
RESERVED = frozenset({AIRCRAFT_DATABASE.name, "core", "marts", "reports", "live", "cdc", "metrics", "benchmark"})
"""Names that the lake has a use for of its own, below `_manifest/` or `quarantine/`."""

_DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in OPENSKY}
_CONTRACTS: dict[str, Contract] = {dataset.name: dataset.contract for dataset in OPENSKY}


def registered() -> list[Dataset]:
    """All raw tables, OpenSky's first, then in the order in which they were registered."""
    return list(_DATASETS.values())


def dataset_names() -> list[str]:
    return list(_DATASETS)


def dataset_named(name: str) -> Dataset | None:
    return _DATASETS.get(name)


def contracts() -> Mapping[str, Contract]:
    """The contract of each raw table by its name: a view that a later registration shows up in."""
    return MappingProxyType(_CONTRACTS)


def daily_contracts() -> list[Contract]:
    """The contracts of the raw tables with a partition a day."""
    return [dataset.contract for dataset in registered() if dataset.partitions is Partitions.DAY]


def register(dataset: Dataset) -> Dataset:
    """Add a raw table. The same one again changes nothing. Raises `ValueError` with what is wrong with it."""
    if (known := _DATASETS.get(dataset.name)) == dataset:
        return known
    if problem := _problem(dataset):
        raise ValueError(f"dataset {dataset.name}: {problem}")
    add_table(dataset.table)
    add_table(dataset.quarantine)
    _DATASETS[dataset.name] = dataset
    _CONTRACTS[dataset.name] = dataset.contract
    return dataset


def _problem(dataset: Dataset) -> str | None:
    """What is wrong with a dataset, by what the lake and the kernel can do."""
    contract, name = dataset.contract, dataset.name
    missing = sorted({*contract.key, *dataset.header, *filter(None, [contract.day_column])} - set(contract.by_name))
    tests: list[tuple[bool, str]] = [
        (not NAME.fullmatch(name), "a name is lower case letters, digits and _, as metar_daily"),
        (name in RESERVED, f"the name is taken; others that are: {', '.join(sorted(RESERVED))}"),
        (name in _DATASETS, "another dataset of this name is registered"),
        (any(table_named(t.name) for t in (dataset.table, dataset.quarantine)), f"there is a table {dataset.asset}"),
        (contract.path != f"raw/{name}", f"its path must be raw/{name}, got {contract.path}"),
        (dataset.format not in FORMATS, f"format {dataset.format!r} is unknown; use one of {', '.join(FORMATS)}"),
        (bool(missing), f"no column {', '.join(missing)}; there are {', '.join(contract.by_name)}"),
        (
            dataset.partitions is Partitions.DAY and contract.day_column is None,
            "a table by day needs the column whose UTC day is the partition",
        ),
        (
            dataset.partitions is Partitions.NONE and contract.day_column is not None,
            "a table without partitions has no day column",
        ),
    ]
    return next((text for wrong, text in tests if wrong), None)


def recognise(key: str) -> KeyFacts | None:
    """The raw table and the period of an object by its key; `None` where no key of a dataset tells. OpenSky's own keys
    go first."""
    for read_key in dict.fromkeys(dataset.read_key for dataset in _DATASETS.values()):
        if facts := read_key(key):
            return facts
    return None


@contextmanager
def registered_within() -> Iterator[None]:
    """What is registered within, datasets and tables, is forgotten at the end: for tests, and to try a table."""
    before, tables_before = list(_DATASETS), {table.name for table in tables()}
    try:
        yield
    finally:
        for name in [name for name in _DATASETS if name not in before]:
            del _DATASETS[name], _CONTRACTS[name]
        for table in tables():
            if table.name not in tables_before:
                drop_table(table.name)
