"""A day of a table that is made of other tables: what it was made of is recorded, and no older one takes its place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from opensky_assets.lake.lake import Lake, parsed, record_path
from opensky_assets.lake.manifest import DayRecord, Inputs, OutputFile
from opensky_assets.storage.errors import Overtaken
from opensky_assets.storage.files import Sent
from opensky_assets.storage.staging import Staging

InputsNow = Callable[[Iterable[str]], Mapping[str, Inputs]]
"""The versions of the inputs of days as the lake has them now, by day."""


@dataclass(frozen=True)
class NewDay:
    """A day's files to publish, and the versions of the inputs that they were made of. `digests` says, by path, what
    the bytes are; those of files on this machine are computed."""

    inputs: Inputs
    outputs: tuple[OutputFile, ...] = ()
    files: Mapping[str, Path | Sent] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        found = []
        for output in sorted(self.outputs, key=lambda output: output.path):
            staged = self.files[output.path]
            found.append(self.digests[output.path] if isinstance(staged, Sent) else digest_of(staged))
        return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Replaced:
    """What became of days: the records of those that are as they were handed over, which of these have other rows than
    before, and the days that were left since their inputs are others by now."""

    records: Mapping[str, DayRecord]
    changed: frozenset[str]
    overtaken: tuple[str, ...]

    def require_all(self, table: str) -> None:
        """Raise `Overtaken` where days were left: made anew, they are of the inputs as they are now."""
        if self.overtaken:
            days = ", ".join(self.overtaken[:5]) + (" and more" if len(self.overtaken) > 5 else "")
            raise Overtaken(f"{table}: the inputs of {days} changed during the run; run again")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def due_days(lake: Lake, table_path: str, now: Mapping[str, Inputs]) -> list[str]:
    """Those of the days of `now` that are not made of these inputs, or whose files are gone or of another size."""
    records = lake.day_records(table_path, now)
    sizes = {file.path: file.bytes for file in lake.files.walk_folders(table_path, [f"day={day}" for day in records])}
    return [
        day
        for day, inputs in now.items()
        if (record := records.get(day)) is None
        or dict(record.inputs) != dict(inputs)
        or any(sizes.get(file.path) != file.bytes for file in record.files)
    ]


def replace_days(
    lake: Lake, run: Staging, table_path: str, days: Mapping[str, NewDay], inputs_now: InputsNow | None = None
) -> Replaced:
    """Publish whole days of a table. Everything that writes a daily table other than a raw one goes through here.

    A day goes forward only: one that was made of other inputs than the lake has now (`inputs_now`) is left alone,
    unless there is none yet; then its record says so, and it is due again. A day with the rows that it had keeps its
    files. A day without rows has a record and no file. In a folder, this table's lock is held meanwhile; in a bucket,
    each record is replaced only if it is still the one that was read here before the inputs were looked at.
    """
    records: dict[str, DayRecord] = {}
    changed: set[str] = set()
    before: dict[str, tuple[DayRecord | None, str]] = {}

    def look(day: str) -> None:
        text, token = lake.files.read_version(record_path(table_path, day))
        before[day] = parsed(DayRecord.from_json, text), token

    with lake.files.commit_lock(table_path.replace("/", "-")):
        lake.files.together(partial(look, day) for day in days)
        now = inputs_now(days) if inputs_now else {}
        there: dict[str, dict[str, int]] = {day: {} for day in days}
        for file in lake.files.walk_folders(table_path, [f"day={day}" for day in days]):
            if file.path.endswith(".parquet"):
                there[file.path.removeprefix(f"{table_path}/day=").partition("/")[0]][file.path] = file.bytes
        folder = run.folder("records")

        def publish(day: str) -> None:
            record, token = before[day]
            if record is not None and inputs_now and dict(now.get(day, {})) != dict(days[day].inputs):
                return
            made = _publish(lake, folder, table_path, day, days[day], record, token, there[day])
            if made is None:
                return
            records[day] = made
            if record.version != made.version if record else made.files or there[day]:
                changed.add(day)

        lake.files.together(partial(publish, day) for day in days)
    return Replaced(records, frozenset(changed), tuple(day for day in days if day not in records))


def _publish(
    lake: Lake,
    folder: Path,
    table_path: str,
    day: str,
    new: NewDay,
    before: DayRecord | None,
    token: str,
    there: Mapping[str, int],
) -> DayRecord | None:
    """Publish one day; its record, or `None` where another run was quicker. `there` are the day's files and bytes."""
    generation = before.generation + 1 if before else 1
    made = DayRecord(day, new.inputs, new.outputs, new.version, new.counts, generation)
    whole = before is not None and all(there.get(file.path) == file.bytes for file in before.files)
    if before is not None and whole and before.version == made.version:
        made = replace(made, files=before.files)
    kept = {file.path for file in made.files}
    if before is not None and whole and made == before and kept == set(there):
        return before
    new_files = {} if before is not None and made.files is before.files else dict(new.files)
    staged = folder / f"{day}.json"
    staged.write_text(made.to_json())
    lake.publish(new_files)
    try:
        lake.files.swap(staged, record_path(table_path, day), token)
    except Overtaken:
        lake.publish({}, drop=list(new_files))  # their names are this run's own
        return None
    lake.publish({}, drop=[path for path in there if path not in kept])
    return made


def replace_pages(
    lake: Lake, run: Staging, folder: str, pages: Mapping[str, Path], inputs: Inputs, inputs_now: Callable[[], Inputs]
) -> None:
    """Publish the staged `pages` (path in the lake → file) of a report, and remove what else is in its `folder`.

    Pages keep their names, since people link to them. So in a bucket each is replaced only if it is still the one that
    was there before the record of the report was: a page of older `inputs` never takes the place of a newer one. Raises
    `Overtaken`.
    """
    path = f"_manifest/{folder}.json"
    with lake.files.commit_lock("reports"):
        text, token = lake.files.read_version(path)
        before = parsed(DayRecord.from_json, text)
        if before is not None and dict(inputs_now()) != dict(inputs):
            raise Overtaken(f"{folder}: the tables that the report reads changed during the run; run again")
        there = [file.path for file in lake.files.walk(folder)]
        tokens = {page: lake.files.token(page) for page in pages}
        record = run.folder("record") / "record.json"
        generation = before.generation + 1 if before else 1
        record.write_text(DayRecord(folder.rpartition("=")[2], inputs, (), "", {}, generation).to_json())
        lake.files.swap(record, path, token)
        for page, staged in pages.items():
            lake.files.swap(staged, page, tokens[page])
        lake.publish({}, drop=[old for old in there if old not in pages])


@dataclass(frozen=True)
class DayRows:
    """Rows of whole days, ordered by their column `day`, with what each day is made of; a day of `inputs` without rows
    is an empty one. `now` gives the inputs as they are once the rows are through. `require` is told the rows of each
    day before anything is published, and may raise."""

    reader: pa.RecordBatchReader
    inputs: Mapping[str, Inputs]
    now: InputsNow | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    require: Callable[[Mapping[str, int]], None] = lambda rows: None


def new_days(
    staged: Mapping[str, Path],
    outputs: Iterable[OutputFile],
    inputs: Mapping[str, Inputs],
    counts: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, NewDay]:
    """What `DayFiles.close` gives, by day, with the days of `inputs` that have no file."""
    by_day = {output.day: output for output in outputs}
    return {
        day: NewDay(
            of_day,
            (output,) if (output := by_day.get(day)) else (),
            {output.path: staged[output.path]} if output else {},
            (counts or {}).get(day, {}),
        )
        for day, of_day in inputs.items()
    }
