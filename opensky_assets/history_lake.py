"""Which lake a history of Dagster is of: a history belongs to one lake, so that demo days and real days never mix.

The history itself records its lake, in SQLite or in PostgreSQL, and every command and every run looks at that record.
Its folder has a copy (`lake.json`), by which the folder of a lake is found and people see what is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from opensky_assets.schemas.tables import tables
from opensky_assets.settings import Settings, SettingsError
from opensky_assets.storage.names import name_first

if TYPE_CHECKING:
    from dagster import DagsterInstance

RECORD = "lake.json"
KEY = "opensky_assets/lake"
"""Under which the history has its record."""


@dataclass(frozen=True)
class HistoryLake:
    """The lake of a history, as it is recorded. Holds no secret."""

    uri: str
    """An absolute folder, or s3://bucket[/prefix]."""
    server: str | None = ""
    """Host and port of a lake on an S3 server of one's own, where two servers can have a bucket of the same name; empty
    for AWS and for a folder, None where it is unknown."""
    below_root: str = ""
    """The lake's path from OPENSKY_ROOT where both it and the history are below: they can be moved together."""

    def __str__(self) -> str:
        return f"{self.uri} at {self.server}" if self.server else self.uri

    @property
    def digest(self) -> str:
        """Names the folder of the lake's history."""
        return hashlib.sha256((self.below_root or str(self)).encode()).hexdigest()[:12]

    def is_same(self, other: HistoryLake) -> bool:
        if self.below_root and self.below_root == other.below_root:
            return True
        return self.uri == other.uri and (self.server == other.server or None in (self.server, other.server))

    def in_home(self, home: Path, settings: Settings) -> HistoryLake:
        """The lake as a history in this folder records it."""
        moves_along = home.is_relative_to(settings.root.resolve()) and settings.postgres_url is None
        return self if moves_along else replace(self, below_root="")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> HistoryLake:
        return HistoryLake(**json.loads(text))


def lake_of(settings: Settings) -> HistoryLake:
    """The lake of the settings."""
    uri = settings.lake.uri
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return HistoryLake(f"s3://{bucket}/{prefix.strip('/')}".rstrip("/"), _server(settings.lake.endpoint))
    return _folder(Path(uri), settings)


def _server(endpoint: str | None) -> str:
    """Without user and password, which an address can hold too."""
    parts = urlsplit(endpoint or "")
    host = parts.hostname or ""
    if not host or host.endswith(".amazonaws.com"):
        return ""
    return f"{host}:{parts.port}" if parts.port else host


def _folder(path: Path, settings: Settings) -> HistoryLake:
    folder, root = path.resolve(), settings.root.resolve()
    below = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else ""
    return HistoryLake(str(folder), below_root=below)


def recorded_in(home: Path) -> HistoryLake | None:
    """What the copy of the record in a history's folder says."""
    try:
        return HistoryLake.from_json((home / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError):
        raise SettingsError(f"{home / RECORD} cannot be read: delete it; the history has the same record") from None


def record_in(home: Path, lake: HistoryLake) -> HistoryLake:
    """Record the lake in a history's folder where it has no record; the one that it has now."""
    if known := recorded_in(home):
        return known
    staged = home / f"{RECORD}.{os.getpid()}"
    staged.write_text(lake.to_json())
    name_first(staged, home / RECORD)
    staged.unlink(missing_ok=True)
    return recorded_in(home) or lake


def claim(instance: DagsterInstance, lake: HistoryLake, place: str) -> None:
    """Record the lake in a history that has no record. Raises `SettingsError` where it is the history of another lake;
    `place` says where the history is.

    One that is older than these records is of the lake that its newest run names, or else of this one.
    """
    from opensky_assets.dagster_private import keep_first

    recorded = instance.run_storage.get_cursor_values({KEY}).get(KEY)
    if recorded is None:
        recorded = keep_first(instance, KEY, (lake_of_runs(instance, lake) or lake).to_json())
    require_same(HistoryLake.from_json(recorded), lake, place)


def record_anew(instance: DagsterInstance, home: Path, lake: HistoryLake) -> None:
    """Make the history in a folder that of this lake, whichever it was of. The copy in the folder comes last."""
    instance.run_storage.set_cursor_values({KEY: lake.to_json()})
    staged = home / f"{RECORD}.{os.getpid()}"
    staged.write_text(lake.to_json())
    os.replace(staged, home / RECORD)


def require_same(recorded: HistoryLake, lake: HistoryLake, place: str) -> None:
    """Raise `SettingsError` where a history is of another lake."""
    if not recorded.is_same(lake):
        own = "give this lake a database of its own" if place.startswith("PostgreSQL") else "unset DAGSTER_HOME"
        raise SettingsError(
            f"the history in {place} belongs to the lake {recorded}, not to {lake}: {own}, or set OPENSKY_LAKE back; "
            "if you moved that lake to here, run `opensky-assets home --moved`"
        )


def lake_of_runs(instance: DagsterInstance, lake: HistoryLake) -> HistoryLake | None:
    """The lake that the newest materialization names; None where none names one that is there. `lake` is the one of the
    settings, which is known better than by its address alone."""
    newest = max(_named(instance), default=None)
    if newest is None:
        return None
    uri = newest[1]
    if uri.startswith("file:"):
        uri = str(Path(url2pathname(urlsplit(uri).path)).resolve())
        if not Path(uri).is_dir():
            return None
    return lake if uri == lake.uri else HistoryLake(uri, server=None if uri.startswith("s3://") else "")


def _named(instance: DagsterInstance) -> Iterator[tuple[float, str]]:
    """When an asset of each table was last materialized, and the address of the lake that it was put into."""
    from dagster import AssetKey

    own = (table for table in tables() if table.group != "quarantine" and not table.asset)
    paths = {AssetKey(table.name): table.path for table in own}
    for key, entry in instance.get_latest_materialization_events(list(paths)).items():
        facts = entry.asset_materialization.metadata if entry and entry.asset_materialization else {}
        if entry and "dagster/uri" in facts:
            lake, path, _ = str(facts["dagster/uri"].value).rpartition(f"/{paths[key]}")
            if path:
                yield entry.timestamp, lake
