"""What each day of a core table or mart is made of, and in which version: a day whose inputs have changed is due."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from opensky_assets.calendar import days_around
from opensky_assets.lake import Lake, Manifest
from opensky_assets.lake.days import InputsNow, due_days
from opensky_assets.lake.lake import key_hash_in
from opensky_assets.lake.manifest import Inputs
from opensky_assets.lake.tables import snapshot_of
from opensky_assets.schemas import Contract
from opensky_assets.storage.errors import Overtaken

if TYPE_CHECKING:
    from opensky_assets.transforms.enrich import Enrichment

Versions = Mapping[str, str]
"""Day → version of a table's rows on it. A day without rows, or records, is not in it."""


def manifests_of(lake: Lake, contract: Contract, days: Iterable[str]) -> Iterator[Manifest]:
    """The manifests of the objects that have a file, good rows or quarantined, on one of `days`.

    They are found by the names of these files, which end in the hash of the object's key: with years of objects in
    the lake, a day costs no more than its own.
    """
    bases, wanted = (contract.path, f"quarantine/{contract.name}"), list(days)
    paths = (path for base in bases for files in lake.listed_files(base, wanted).values() for path in files)
    return lake.manifests_of(contract.name, {key_hash_in(path) for path in paths})


def raw_versions(lake: Lake, contract: Contract, days: Iterable[str]) -> Versions:
    """Versions of days of a raw table: they change with every object that has a record on the day."""
    found: dict[str, list[str]] = {day: [] for day in days}
    for manifest in manifests_of(lake, contract, found):
        for day in found.keys() & manifest.days.keys():
            found[day].append(manifest.version)
    return {day: combined(sorted(versions)) for day, versions in found.items() if versions}


def made_versions(lake: Lake, contract: Contract, days: Iterable[str]) -> Versions:
    """Versions of days of a table that is made of others, as their records have them; of a day that an older version of
    this package made, by the sizes of its files."""
    wanted = list(days)
    records = lake.day_records(contract.path, wanted)
    old = [day for day in wanted if day not in records]
    sizes: dict[str, list[str]] = {}
    for file in lake.files.walk_folders(contract.path, [f"day={day}" for day in old]):
        sizes.setdefault(file.path.split("/day=", 1)[1][:10], []).append(f"{file.path} {file.bytes} {file.modified}")
    made = {
        day: record.version + (f"-{combined([str(sorted(record.counts.items()))])}" if record.counts else "")
        for day, record in records.items()
    }
    return made | {day: combined(of) for day, of in sizes.items()}


def combined(texts: Iterable[str]) -> str:
    """One version out of several texts."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def versions_of(lake: Lake, contract: Contract, days: Iterable[str]) -> Versions:
    """Versions of days of any daily table, by its contract."""
    return (raw_versions if is_raw(contract) else made_versions)(lake, contract, days)


def is_raw(contract: Contract) -> bool:
    return contract.path.startswith("raw/")


Files = Mapping[str, Sequence[tuple[str, int]]]
"""Day → its files by their paths in the lake, each with its rows."""


def files_of(lake: Lake, contract: Contract, days: Iterable[str]) -> Files:
    """The files that count of those of `days` that have any."""
    if is_raw(contract):
        return lake.committed(contract.name, days)
    listed = lake.day_files(contract.path, days)
    rows = {
        file.path: file.rows for record in lake.day_records(contract.path, listed).values() for file in record.files
    }
    return {
        day: [(path, rows.get(path) or lake.parquet(path).metadata.num_rows) for path in paths]
        for day, paths in listed.items()
    }


@contextmanager
def steady(
    lake: Lake, contract: Contract, files: Files, errors: tuple[type[Exception], ...] = (duckdb.Error, OSError)
) -> Iterator[None]:
    """Where reading `files` fails, with one of these `errors`, since another run has replaced one of them meanwhile,
    raise `Overtaken`."""
    try:
        yield
    except errors as error:
        now = files_of(lake, contract, files)
        broken = is_raw(contract) and lake.broken_keys(contract.name)
        if broken or now != files:
            message = f"{contract.name}: files were replaced while they were read"
            raise Overtaken(f"the lake {lake}: {message}; run again") from error
        raise


@dataclass(frozen=True)
class Work:
    """What a run makes of a table: the days that were asked for and have, or had, rows, and `neighbours` that are made
    anew since rows that came with these days have a part in them. `files` are those it reads."""

    asked: Sequence[str]
    neighbours: Sequence[str]
    inputs: Mapping[str, Inputs]
    files: Files


def inputs_of_enrichment(lake: Lake, what: Enrichment, days: Iterable[str]) -> dict[str, Inputs]:
    """What each of the days of an enriched table is made of; days without raw rows are not in it."""
    there = [reference for reference in what.references if lake.exists(reference.path)]
    references = {reference.name: snapshot_of(lake, reference) for reference in there}
    return {
        day: {what.raw.path: version, **references, "contract": what.result.version}
        for day, version in versions_of(lake, what.raw, days).items()
    }


def states_given(what: Enrichment, work: Work) -> dict[str, dict[str, int]]:
    """The counts of days of state vectors: `inputs`, of which those that are no row were repeated in another object."""
    if not is_raw(what.raw):
        return {}
    return {day: {"inputs": sum(rows for _, rows in files)} for day, files in work.files.items()}


def work_on(
    lake: Lake,
    result: Contract,
    source: Contract,
    inputs_of: InputsNow,
    asked: Sequence[str],
    reach: int = 0,
    read: int = 0,
) -> Work:
    """The work of a run over the days `asked` of `result`, each of which is made of the days of `source` up to `read`
    days around it. Days up to `reach` around them are made anew where they were made before, and are due."""
    around = [day for day in days_around(asked, reach, reach) if day not in set(asked)]
    made = lake.day_records(result.path, around)
    neighbours = due_days(lake, result.path, inputs_of(made)) if made else []
    inputs = dict(inputs_of([*asked, *neighbours]))
    gone = [day for day in (*asked, *neighbours) if day not in inputs]
    inputs |= {day: {} for day in lake.listed_files(result.path, gone)}  # they are to become empty
    files = files_of(lake, source, days_around(inputs, read, read))
    return Work(asked, neighbours, inputs, files)


def work_on_enrichment(lake: Lake, what: Enrichment, asked: Sequence[str]) -> Work:
    """The work of a run over the days `asked` of an enriched table."""
    return work_on(lake, what.result, what.raw, partial(inputs_of_enrichment, lake, what), asked, what.reach)
