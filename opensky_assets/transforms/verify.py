"""Prove a whole lake: every record reads, every file it names is there with its bytes and rows, the counts add up, and
what is made of other tables is made of what the lake has now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from opensky_assets.datasets import dataset_names
from opensky_assets.lake import Lake, LakeError
from opensky_assets.lake.lake import record_path
from opensky_assets.lake.manifest import DamagedRecord, DayRecord, Held, Manifest, OutputFile
from opensky_assets.progress import advance
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS
from opensky_assets.transforms.due import derived_tables, due_by_table
from opensky_assets.transforms.flights import require_lawful
from opensky_assets.wording import plural

AT_ONCE = 8


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of the lake. `record` is the record whose removal makes its object, or day, due again;
    `None` where it is due already."""

    path: str
    what: str
    record: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong. `due`: days by table that were made of other inputs than the lake has now.
    `strays`: files that no record names; they do not count."""

    objects: int
    days: int
    files: int
    rows: int
    problems: Sequence[Problem]
    due: dict[str, list[str]]
    strays: Sequence[str]


def verify(lake: Lake, report: Callable[[str], None] = lambda text: None) -> Verified:
    """Look at every record, and every file by its footer. Reads no rows."""
    problems: list[Problem] = []
    named: dict[str, OutputFile] = {}
    owner: dict[str, str | None] = {}
    sizes = {file.path: file.bytes for top in ("raw", "core", "marts", "quarantine") for file in lake.files.walk(top)}
    sizes |= {file.path: file.bytes for file in lake.files.walk("reference")}
    objects = days = 0
    for table in (*dataset_names(), AIRCRAFT_DATABASE.name):
        for path, manifest in _records(lake, f"_manifest/{table}", Manifest.from_json, problems, held=False):
            objects += 1
            if not manifest.lawful and table != AIRCRAFT_DATABASE.name:
                problems.append(Problem(path, f"read {manifest.read:,}, accounted for {manifest.total.read:,}", path))
            shared = table == AIRCRAFT_DATABASE.name  # all aircraft tables name the one file, with their own rows
            for file in (*(() if shared else manifest.files), *manifest.quarantine_files):
                named[file.path], owner[file.path] = file, None
        for _, held in _records(lake, f"_manifest/{table}", Held.from_json, problems, held=True):
            if held.quarantine_file:
                named[held.quarantine_file.path], owner[held.quarantine_file.path] = held.quarantine_file, None
        report(f"{table} checked, {plural(objects, 'object')} so far")
    recorded: dict[str, list[str]] = {}
    for contract, _ in derived_tables():
        for path, record in _records(lake, f"_manifest/{contract.path}", DayRecord.from_json, problems, held=False):
            days += 1
            recorded.setdefault(contract.path, []).append(record.day)
            for file in record.files:
                named[file.path], owner[file.path] = file, path
    problems += _of_files(lake, named, owner, sizes)
    days_made = sorted({day for of in recorded.values() for day in of})
    damaged = any(problem.path == problem.record for problem in problems)  # then nobody can tell what a day is made of
    due = {} if damaged else due_by_table(lake, days_made)
    due = {path: made for path, of in due.items() if (made := [day for day in of if day in recorded.get(path, ())])}
    if not damaged:
        problems += _broken_laws(lake, recorded.get("core/flights", ()), due)
    unrecorded = _without_record(sizes, recorded)
    strays = sorted(path for path in sizes if path not in named and path not in unrecorded and "reference/" not in path)
    rows = sum(file.rows for file in named.values())
    return Verified(objects, days, len(named), rows, sorted(problems, key=str), due, strays)


def repair(lake: Lake, found: Verified) -> list[str]:
    """Make due what is broken and would not be otherwise: records that do not read, or that name broken files of a
    day, are removed; those that were."""
    records = sorted({problem.record for problem in found.problems if problem.record})
    with lake.run():
        lake.publish({}, drop=records)
    return records


def _records(
    lake: Lake, folder: str, read: Callable[[str], Any], problems: list[Problem], held: bool
) -> Iterator[tuple[str, Any]]:
    paths = [file.path for file in lake.files.walk(folder) if file.path.endswith(".json")]
    paths = [path for path in paths if path.endswith(".held.json") == held]
    for path, text in zip(paths, lake.read_texts(paths), strict=True):
        if text is None:
            continue
        try:
            yield path, read(text)
        except DamagedRecord as error:
            problems.append(Problem(path, str(error), path))


def _of_files(
    lake: Lake, named: dict[str, OutputFile], owner: dict[str, str | None], sizes: dict[str, int]
) -> Iterator[Problem]:
    def look(file: OutputFile) -> Problem | None:
        size = sizes.get(file.path)
        if size is None:
            return Problem(file.path, "is gone", owner[file.path])
        if size != file.bytes:
            return Problem(file.path, f"has {size:,} bytes instead of {file.bytes:,}", owner[file.path])
        try:
            rows = lake.parquet(file.path).metadata.num_rows
        except (OSError, ValueError) as error:
            return Problem(file.path, f"is not readable Parquet ({error})", owner[file.path])
        if rows != file.rows:
            return Problem(file.path, f"has {rows:,} rows instead of {file.rows:,}", owner[file.path])
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, problem in enumerate(pool.map(look, named.values()), start=1):
            advance("files", done, len(named))
            if problem:
                yield problem


def _broken_laws(lake: Lake, days: Iterable[str], due: dict[str, list[str]]) -> Iterator[Problem]:
    """Days of `flights` whose counts do not add up; of those that are due, nothing is known."""
    settled = [day for day in days if day not in {d for of in due.values() for d in of}]
    raw = {day: sum(rows for _, rows in files) for day, files in lake.committed(FLIGHTS.name, settled).items()}
    gone = lake.day_records("core/superseded_flights", settled)
    for day, record in lake.day_records("core/flights", settled).items():
        try:
            superseded = gone[day].rows if day in gone else 0
            require_lawful(day, record.counts, record.rows, superseded, raw.get(day, 0))
        except LakeError as error:
            path = record_path("core/flights", day)
            yield Problem(path, str(error), path)


def _without_record(sizes: Iterable[str], recorded: dict[str, list[str]]) -> set[str]:
    """Files of days that an older version of this package made, which kept no records of days."""
    found = set()
    for path in sizes:
        table, _, rest = path.partition("/day=")
        if table.startswith(("core/", "marts/")) and rest[:10] not in recorded.get(table, ()):
            found.add(path)
    return found
