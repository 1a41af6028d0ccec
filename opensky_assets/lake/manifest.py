"""The record of one source object in the lake. A manifest *is* the commit: what it names is published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from opensky_assets.calendar import Period, key_in
from opensky_assets.storage.errors import LakeError
from opensky_assets.storage.objects import SourceObject

FORMAT = 2
"""Version of how manifests, and records of held objects and days, are written; without one it is version 1."""

LATER = "later"
"""Note of a manifest: the first day whose records are in quarantine since it was not over."""

OTHER_MEMBERS = "other_members"
"""Note of a manifest: names of the tar's members that are neither the table nor LICENSE or README, and are not read."""


class DamagedRecord(Exception):
    """A manifest, or another record, that cannot be read; the text says why."""


class NewerFormat(LakeError):
    """A record was written by a newer version of this package: it is neither read nor replaced."""


def to_json(record: Any) -> str:
    """A record as it is kept, with the version of its format."""
    return json.dumps({"format_version": FORMAT, **asdict(record)}, indent=1, sort_keys=True)


def fields_of(text: str) -> dict[str, Any]:
    """The fields of a record. Raises `DamagedRecord` or `NewerFormat`."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DamagedRecord(f"it is not JSON ({error})" if text.strip() else "it is empty") from None
    if not isinstance(data, dict):
        raise DamagedRecord("it is not a JSON object")
    version = data.pop("format_version", 1)
    if not isinstance(version, int) or version > FORMAT:
        raise NewerFormat(
            f"the lake has records of format {version}, and this package knows up to {FORMAT}: install the newer "
            "package that wrote them"
        )
    return data


@contextmanager
def reading_fields() -> Iterator[None]:
    """Turn what a field that is missing, or of another type, raises into `DamagedRecord`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedRecord(f"a field is missing or unknown ({error})") from None


@dataclass(frozen=True)
class Counts:
    """Records of one object on one day. The law: read = written + quarantined + superseded."""

    written: int = 0
    quarantined: int = 0
    superseded: int = 0

    @property
    def read(self) -> int:
        return self.written + self.quarantined + self.superseded

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.written + other.written, self.quarantined + other.quarantined, self.superseded + other.superseded
        )


@dataclass(frozen=True)
class OutputFile:
    """A published file: path relative to the lake, rows, bytes."""

    path: str
    rows: int
    bytes: int

    @property
    def day(self) -> str:
        """Of its partition: a day, a year or all."""
        folder = self.path.rsplit("/", 2)[1]
        return key_in(folder) or folder


@dataclass(frozen=True)
class Manifest:
    """What one version of one source object became. `read` is counted before the rows part ways, so that
    `lawful` is a statement and not a definition."""

    table: str
    source: SourceObject
    source_uri: str
    contract_version: str
    code_version: str
    read: int
    days: Mapping[str, Counts]
    reasons: Mapping[str, Mapping[str, int]]
    """By day, then by reason: records in quarantine."""
    files: tuple[OutputFile, ...]
    quarantine_files: tuple[OutputFile, ...]
    notes: Mapping[str, object] = field(default_factory=dict)
    generation: int = field(default=0, compare=False)
    """How often the record was written before. What was read at one generation is not put over another."""

    @property
    def later(self) -> date | None:
        """The first day that was not over when the object was read, where it has records of it."""
        told = self.notes.get(LATER)
        return date.fromisoformat(told) if isinstance(told, str) else None

    @property
    def other_members(self) -> tuple[str, ...]:
        """Members of the object's tar that were not read."""
        names = self.notes.get(OTHER_MEMBERS)
        return tuple(map(str, names)) if isinstance(names, list) else ()

    def may_give_more(self, period: Period) -> bool:
        """Whether the later day is one that the object, as the calendar is now, may hold."""
        return self.later is not None and self.later in period

    @property
    def version(self) -> str:
        """What changes with the rows of the object."""
        return f"{self.source.key} {self.source.etag} {self.contract_version} {self.code_version}\n"

    @property
    def lacks_api_rows(self) -> bool:
        """Whether an older version left rows of the API out where a flight list had their day. They are records like
        others: `flights` decides which of them count."""
        return self.table == "flights" and self.total.superseded > 0

    @property
    def total(self) -> Counts:
        return sum(self.days.values(), Counts())

    @property
    def lawful(self) -> bool:
        """read = written + quarantined + superseded, and the files hold what was counted."""
        return (
            self.read == self.total.read
            and sum(f.rows for f in self.files) == self.total.written
            and sum(f.rows for f in self.quarantine_files) == self.total.quarantined
        )

    def to_json(self) -> str:
        return to_json(self)

    @staticmethod
    def from_json(text: str) -> Manifest:
        """Raises `DamagedRecord`."""
        data = fields_of(text)
        with reading_fields():
            return Manifest(
                **{
                    **data,
                    "source": SourceObject(**data["source"]),
                    "days": {day: Counts(**counts) for day, counts in data["days"].items()},
                    "files": tuple(OutputFile(**f) for f in data["files"]),
                    "quarantine_files": tuple(OutputFile(**f) for f in data["quarantine_files"]),
                }
            )


@dataclass(frozen=True)
class Held:
    """A version of an object that was not let into the lake, and why. `days` are those it would have given.

    `quarantine_file` holds its own record, of line 0, and where it was held back for its records the first of those;
    none of them counts in any manifest. `None` where the object could not even be read.
    """

    table: str
    source: SourceObject
    reason: str
    message: str
    days: tuple[str, ...]
    quarantine_file: OutputFile | None
    generation: int = field(default=0, compare=False)
    """Of the object's manifest when it was held back: once the manifest is newer, this record says nothing."""

    def to_json(self) -> str:
        return to_json(self)

    @staticmethod
    def from_json(text: str) -> Held:
        """Raises `DamagedRecord`."""
        data = fields_of(text)
        with reading_fields():
            return Held(
                **{
                    **data,
                    "source": SourceObject(**data["source"]),
                    "days": tuple(data["days"]),
                    "quarantine_file": OutputFile(**file) if (file := data["quarantine_file"]) else None,
                }
            )


Inputs = Mapping[str, str]
"""What a day is made of: name of an input → its version."""


@dataclass(frozen=True)
class DayRecord:
    """What one day of a table consists of that is made of other tables. `version` changes with its rows; `counts` are
    those of its law, if it has one."""

    day: str
    inputs: Inputs
    files: tuple[OutputFile, ...]
    version: str
    counts: Mapping[str, int] = field(default_factory=dict)
    generation: int = field(default=0, compare=False)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def to_json(self) -> str:
        return to_json(self)

    @staticmethod
    def from_json(text: str) -> DayRecord:
        """Raises `DamagedRecord`."""
        data = fields_of(text)
        with reading_fields():
            return DayRecord(**{**data, "files": tuple(OutputFile(**f) for f in data["files"])})
