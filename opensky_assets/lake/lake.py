"""The lake: hive-partitioned Parquet, manifests, and the one way that anything gets published."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.lake.files import Files, LakeError, LocalFiles, Sent, Stored, require_readable
from opensky_assets.lake.manifest import Held, Manifest, OutputFile
from opensky_assets.lake.staging import Staging
from opensky_assets.sources.s3 import S3Place
from opensky_assets.sources.store import SourceObject

if TYPE_CHECKING:
    import duckdb
    import pyarrow.parquet as pq

    from opensky_assets.settings import Settings

CLAIM = "_manifest/source.json"

READS_AT_ONCE = 16
"""Manifests are small: over a network, nearly all of their time is waiting."""


@dataclass(frozen=True)
class Lake:
    """A lake in a folder or a bucket. Paths are relative to it, with `/`."""

    files: Files

    @staticmethod
    def at(folder: Path) -> Lake:
        """The lake in a folder. Raises `LakeError` where no lake can be there."""
        require_readable(folder.resolve().as_posix())
        return Lake(LocalFiles(folder.resolve()))

    def __str__(self) -> str:
        return str(self.files)

    def to_json(self) -> str:
        """How another process opens the same lake (`from_json`). No secret is in it."""
        return json.dumps(self.files.described())

    @staticmethod
    def from_json(text: str) -> Lake:
        given = json.loads(text)
        return Lake.at(Path(given["folder"])) if "folder" in given else _in_bucket(S3Place(**given["place"]))

    # --- paths -------------------------------------------------------------------------------------------------

    def uri(self, path: str) -> str:
        return f"{self.files.uri}/{path}"

    def address(self, path: str) -> str:
        """Where a file or folder is, for people and for other programs."""
        return self.files.address(path)

    def location(self, path: str) -> str:
        """Exactly this file, as a DuckDB connection of `attach` reads it."""
        return self.files.location(path)

    def pattern(self, pattern: str) -> str:
        """The files whose paths match, as a DuckDB connection of `attach` reads them."""
        return self.files.pattern(pattern)

    def exists(self, path: str) -> bool:
        return self.files.find(path) is not None

    def day_files(self, table_path: str, days: Iterable[str]) -> dict[str, list[str]]:
        """The files of each of the days that has any, in the order of their names."""
        found: dict[str, list[str]] = {day: [] for day in days}
        for file in self.files.walk_folders(table_path, (f"day={day}" for day in found)):
            if file.path.endswith(".parquet"):
                found[file.path.removeprefix(f"{table_path}/day=").partition("/")[0]].append(file.path)
        return {day: files for day, files in found.items() if files}

    def locations(self, table_path: str, days: Iterable[str]) -> list[str]:
        """The files of all of the days, as DuckDB reads them."""
        return [self.location(path) for paths in self.day_files(table_path, days).values() for path in paths]

    def days(self, table_path: str) -> list[str]:
        """All days of a table; a day's folder goes with its last file."""
        names = self.files.folders(table_path)
        return sorted(name.removeprefix("day=") for name in names if name.startswith("day="))

    # --- reading -------------------------------------------------------------------------------------------------

    def attach(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """Let a DuckDB connection read the lake's `location`s, and show times in UTC."""
        if filesystem := self.files.duckdb_filesystem():
            connection.register_filesystem(filesystem)
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def parquet(self, path: str) -> pq.ParquetFile:
        """A Parquet file of the lake, open. Raises `FileNotFoundError`."""
        import pyarrow.parquet as pq

        filesystem, folder = self.files.arrow()
        return pq.ParquetFile(filesystem.open_input_file(f"{folder}/{path}"))

    # --- whose lake it is ----------------------------------------------------------------------------------------

    def claim(self, source_uri: str, kind: str) -> None:
        """Record the source on first use. Raises `LakeError` where the lake belongs to another one."""
        known = self._claim()
        if known is None:
            self.files.put_first(json.dumps({"uri": source_uri, "kind": kind}, indent=1), CLAIM)
            known = self._claim()
        assert known is not None
        if (known["uri"], known["kind"]) != (source_uri, kind):
            raise LakeError(
                f"the lake {self} holds rows of the {known['kind']} source {known['uri']}, not of the {kind} "
                f"source {source_uri}: set OPENSKY_LAKE to another place (and OPENSKY_WAREHOUSE to another file), "
                "or OPENSKY_SOURCE back"
            )

    def _claim(self) -> dict[str, str] | None:
        try:
            claim: dict[str, str] = json.loads(self.files.read(CLAIM))
        except FileNotFoundError:
            return None
        return claim

    @property
    def kind(self) -> str | None:
        """`real`, `simulated`, or `None` for a lake that is still empty."""
        claim = self._claim()
        return claim["kind"] if claim else None

    # --- manifests -----------------------------------------------------------------------------------------------

    def manifests(self, table: str) -> dict[str, Manifest]:
        """The manifests of a table by key of the source object."""
        paths = self._records(table, held=False)
        return {m.source.key: m for m in (Manifest.from_json(text) for text in self._read_all(paths))}

    def manifests_of(self, table: str, key_hashes: Collection[str]) -> Iterator[Manifest]:
        """The manifests of objects the hash of whose key begins with one of `key_hashes` (8 digits)."""
        paths = [path for path in self._records(table, held=False) if path.rsplit("/", 1)[1][:8] in key_hashes]
        return (Manifest.from_json(text) for text in self._read_all(paths))

    def manifests_at(self, table: str, key_hashes: Iterable[str]) -> dict[str, Manifest]:
        """The manifests of objects with these hashes of their keys, by key, without listing the others."""
        paths = [f"_manifest/{table}/{name}.json" for name in key_hashes]
        return {m.source.key: m for m in (Manifest.from_json(text) for text in self._read_all(paths))}

    def held(self, table: str) -> dict[str, Held]:
        """The objects of a table that were held back, by key."""
        found = (Held.from_json(text) for text in self._read_all(self._records(table, held=True)))
        return {held.source.key: held for held in found}

    def _records(self, table: str, held: bool) -> list[str]:
        paths = (file.path for file in self.files.walk(f"_manifest/{table}"))
        return [path for path in paths if path.endswith(".json") and path.endswith(".held.json") == held]

    def _read_all(self, paths: Sequence[str]) -> Iterator[str]:
        """The texts of small files. One that is gone since it was listed is left out."""

        def read(path: str) -> str | None:
            try:
                return self.files.read(path).decode()
            except FileNotFoundError:
                return None

        if isinstance(self.files, LocalFiles):
            texts: Iterable[str | None] = map(read, paths)
        else:
            with ThreadPoolExecutor(READS_AT_ONCE) as pool:
                texts = list(pool.map(read, paths))
        return (text for text in texts if text is not None)

    def committed(self, table: str, days: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
        """The files, with their rows, that the manifests of a raw table name for each of `days` that has any."""
        found: dict[str, list[tuple[str, int]]] = {day: [] for day in days}
        for manifest in self.manifests(table).values():
            for output in manifest.files:
                if output.day in found:
                    found[output.day].append((output.path, output.rows))
        return {day: sorted(files) for day, files in found.items() if files}

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def run(self, tables: Iterable[str] = ()) -> Iterator[Staging]:
        """A run that writes: its staging folder, cleared of what dead runs left. For the raw `tables` named, files
        that no manifest names are removed too, where no living run can be about to name them."""
        with self.files.run() as (run, before):
            if before is not None:
                for table in tables:
                    for file in list(self.unnamed(table, before)):
                        self.files.delete(file.path)
            yield run

    def named(self, table: str) -> set[str]:
        """The files of a raw table, and of its quarantine, that its manifests and records of held objects name."""
        named = {f.path for m in self.manifests(table).values() for f in (*m.files, *m.quarantine_files)}
        return named | {held.quarantine_file.path for held in self.held(table).values() if held.quarantine_file}

    def unnamed(self, table: str, before: float) -> Iterator[Stored]:
        """Files of a raw table, or of its quarantine, that no manifest names and that were written `before`."""
        listed = [file for base in (f"raw/{table}", f"quarantine/{table}") for file in self.files.walk(base)]
        named = self.named(table)
        for file in listed:
            if file.path.endswith(".parquet") and file.path not in named and file.modified < before:
                yield file

    @contextmanager
    def task(self, run: Staging) -> Iterator[Staging]:
        """Where a task of `run` stages, on whatever machine it is: with the run, below a lake in a folder, which all
        see; else on its own machine."""
        if isinstance(self.files, LocalFiles):
            yield run
        else:
            with tempfile.TemporaryDirectory(prefix="opensky-") as folder:
                yield Staging(Path(folder))

    def publish(self, files: Mapping[str, Path | Sent], drop: Iterable[str] = ()) -> None:
        """Publish staged `files` under their paths in the lake, each at once, then remove those of `drop`; neither in
        any order.

        Everything that anybody writes to the lake goes through here, or through `commit`, which ends in here.
        A reader sees each file whole, old or new.
        """
        self.files.together(partial(self.files.put, staged, path) for path, staged in files.items())
        self.files.together(partial(self.files.delete, path) for path in drop if path not in files)

    def committing(self, item: SourceObject) -> AbstractContextManager[None]:
        """Hold off other runs, so that the files of an object and its manifest come from one of them."""
        return self.files.commit_lock(item.key_hash)

    def commit(self, manifest: Manifest, staged: Mapping[str, Path], run: Staging) -> None:
        """Publish the files of one source object and then its manifest, which makes them count."""
        if not manifest.lawful:
            raise LakeError(
                f"{manifest.source.key}: read {manifest.read} records but {manifest.total.written} written + "
                f"{manifest.total.quarantined} quarantined + {manifest.total.superseded} superseded; nothing of it is "
                "published. This is a defect of the ingest: please report it with the object"
            )
        base = f"_manifest/{manifest.table}/{manifest.source.key_hash}"
        old: set[str] = set()
        for text in self._read_all([f"{base}.json"]):
            before = Manifest.from_json(text)
            old |= {f.path for f in (*before.files, *before.quarantine_files)}
        held = self._held(base)
        if held and held.quarantine_file:
            old.add(held.quarantine_file.path)
        new = {f.path for f in (*manifest.files, *manifest.quarantine_files)}
        record = run.folder("manifest") / "manifest.json"
        record.write_text(manifest.to_json())
        self.publish(staged)
        self.publish({f"{base}.json": record}, drop=[*sorted(old - new), *([f"{base}.held.json"] if held else [])])

    def hold(self, held: Held, staged: Path | None, run: Staging) -> None:
        """Record that a version of an object was held back. What was published of it before stays."""
        base = f"_manifest/{held.table}/{held.source.key_hash}"
        record = run.folder("held") / "held.json"
        record.write_text(held.to_json())
        before = self._held(base)
        old, new = before.quarantine_file if before else None, held.quarantine_file
        if new and staged:
            self.publish({new.path: staged})
        stale = [old.path] if old and (new is None or new.path != old.path) else []
        self.publish({f"{base}.held.json": record}, drop=stale)

    def _held(self, base: str) -> Held | None:
        return next((Held.from_json(text) for text in self._read_all([f"{base}.held.json"])), None)

    def held_at(self, held: Held) -> Held | None:
        """What is on record now of an object that was held back."""
        return self._held(f"_manifest/{held.table}/{held.source.key_hash}")

    def release(self, held: Held) -> None:
        """Forget that an object was held back, since the source does not have it any more."""
        self._drop_record(f"_manifest/{held.table}/{held.source.key_hash}.held.json", [held.quarantine_file])

    def forget(self, manifest: Manifest) -> None:
        """Remove the rows of an object, published and quarantined."""
        record = f"_manifest/{manifest.table}/{manifest.source.key_hash}.json"
        self._drop_record(record, [*manifest.files, *manifest.quarantine_files])

    def _drop_record(self, record: str, files: Iterable[OutputFile | None]) -> None:
        """The record goes first: from then on its files do not count."""
        self.publish({}, drop=[record])
        self.publish({}, drop=[file.path for file in files if file])


def _in_bucket(place: S3Place) -> Lake:
    from opensky_assets.lake.s3 import S3Files

    require_readable(place.uri)
    return Lake(S3Files(place))


def lake_place(settings: Settings) -> S3Place | Path:
    """Where the lake of the settings is."""
    if settings.lake.startswith("s3://"):
        where = (settings.lake, settings.lake_endpoint, settings.lake_region, settings.lake_profile)
        return S3Place.of(*where, anonymous=False)
    return Path(settings.lake)


def open_lake(settings: Settings) -> Lake:
    """The lake of the settings. Raises `LakeError` where no lake can be there."""
    place = lake_place(settings)
    return Lake.at(place) if isinstance(place, Path) else _in_bucket(place)
