"""The lake: hive-partitioned Parquet, manifests, and the one way that anything gets published."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from opensky_assets.calendar import folders_of, key_in
from opensky_assets.lake.manifest import DamagedRecord, DayRecord, Held, Manifest
from opensky_assets.lake.records import Records, read_records, read_texts
from opensky_assets.storage.errors import LakeError, Overtaken
from opensky_assets.storage.files import Files, LocalFiles, Sent, Stored, require_readable
from opensky_assets.storage.objects import SourceObject
from opensky_assets.storage.s3 import S3Place
from opensky_assets.storage.staging import Staging

if TYPE_CHECKING:
    import duckdb
    import pyarrow.parquet as pq

    from opensky_assets.settings import Settings

T = TypeVar("T")

CLAIM = "_manifest/source.json"

HELD = "-held"
"""How the names of files end that hold what is known of an object that was held back."""

FORGOTTEN = "forgotten"
"""Note of a manifest that stands in a bucket for one whose rows were removed."""

KEY_HASH_DIGITS = 16


@dataclass(frozen=True)
class Lake:
    """A lake in a folder or a bucket. Paths are relative to it, with `/`. With `records`, what was read of manifests
    once is read again only where it was replaced."""

    files: Files
    records: Records | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def at(folder: Path) -> Lake:
        """The lake in a folder. Raises `LakeError` where no lake can be there."""
        require_readable(folder.resolve().as_posix())
        return Lake(LocalFiles(folder.resolve()))

    def with_records(self) -> Self:
        """The same lake for one run, which reads each manifest once."""
        return self if self.records is not None else replace(self, records=Records())

    def __str__(self) -> str:
        return str(self.files)

    def to_json(self) -> str:
        """How another process opens the same lake (`from_json`). No secret is in it."""
        return json.dumps(self.files.described())

    @staticmethod
    def from_json(text: str) -> Lake:
        given = json.loads(text)
        if "folder" in given:
            return Lake.at(Path(given["folder"]))
        return lake_in_bucket(S3Place(**given["place"]), given["lease_s"])

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
        """The files of each of the days that has any, in the order of their names: in a bucket, where another version
        may stand beside them for a moment, those that the day's record, or a manifest, names."""
        listed = self.listed_files(table_path, days)
        if isinstance(self.files, LocalFiles):
            return listed
        group, _, table = table_path.partition("/")
        if group in ("raw", "quarantine"):
            paths = [path for files in listed.values() for path in files]
            manifests = list(self.manifests_of(table, {key_hash_in(path) for path in paths}))
            named = {f.path for m in manifests for f in (*m.files, *m.quarantine_files)}
            named |= {path for path in paths if path.removesuffix(".parquet").endswith(HELD)}
            found = {day: [path for path in files if path in named] for day, files in listed.items()}
            return {day: files for day, files in found.items() if files}
        records = self.day_records(table_path, listed)
        found = {
            day: [file.path for file in records[day].files] if day in records else files
            for day, files in listed.items()
        }
        return {day: files for day, files in found.items() if files}

    def listed_files(self, table_path: str, days: Iterable[str]) -> dict[str, list[str]]:
        """All files of each of the days that has any, whether they count or not, in the order of their names."""
        found: dict[str, list[str]] = {day: [] for day in days}
        for file in self.files.walk_folders(table_path, (name for day in found for name in folders_of(day))):
            if file.path.endswith(".parquet"):
                key = key_in(file.path.removeprefix(f"{table_path}/").partition("/")[0])
                found[str(key)].append(file.path)
        return {day: files for day, files in found.items() if files}

    def locations(self, table_path: str, days: Iterable[str]) -> list[str]:
        """The files of all of the days, as DuckDB reads them."""
        return [self.location(path) for paths in self.day_files(table_path, days).values() for path in paths]

    def days(self, table_path: str) -> list[str]:
        """All days, or other partitions, of a table; a day's folder goes with its last file."""
        return sorted(key for name in self.files.folders(table_path) if (key := key_in(name)))

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

    def claim(self, source_uri: str, kind: str, landing_uri: str | None = None) -> None:
        """Record the source, and its landing where there is one, on first use. Raises `LakeError` where the lake
        belongs to others."""
        known = self._claim()
        if known is None:
            landing = {"landing": landing_uri} if landing_uri else {}
            self.files.put_first(json.dumps({"uri": source_uri, "kind": kind, **landing}, indent=1), CLAIM)
            known = self._claim()
        assert known is not None
        self._require(known, source_uri, kind, landing_uri)
        if landing_uri and "landing" not in known:
            self._require(self._claim_landing(landing_uri), source_uri, kind, landing_uri)

    def require_source(self, source_uri: str, kind: str, landing_uri: str | None = None) -> None:
        """Raise `LakeError` where the lake belongs to another source or landing; one that belongs to none stays so."""
        if (known := self._claim()) is not None:
            self._require(known, source_uri, kind, landing_uri)

    def _require(self, known: dict[str, str], source_uri: str, kind: str, landing_uri: str | None) -> None:
        if (known["uri"], known["kind"]) != (source_uri, kind):
            raise LakeError(
                f"the lake {self} holds rows of the {known['kind']} source {known['uri']}, not of the {kind} "
                f"source {source_uri}: set OPENSKY_LAKE to another place (and OPENSKY_WAREHOUSE to another file), "
                "or OPENSKY_SOURCE back"
            )
        if (landing := known.get("landing")) not in (None, landing_uri):
            raise LakeError(
                f"the lake {self} holds rows of the landing {landing}, "
                + (f"not of {landing_uri}" if landing_uri else "which is not there now")
                + ": set OPENSKY_LANDING back, mount its disk, or set OPENSKY_LAKE to another place"
            )

    def _claim_landing(self, landing_uri: str) -> dict[str, str]:
        """Add a landing to the record of the source, where another run has not done so meanwhile; the record then."""
        with self.files.run() as (run, _), self.files.commit_lock():
            text, seen = self.files.read_version(CLAIM)
            claim: dict[str, str] = json.loads(text or "{}")
            if "landing" not in claim:
                claim["landing"] = landing_uri
                record = run.folder("claim") / "source.json"
                record.write_text(json.dumps(claim, indent=1))
                self.files.swap(record, CLAIM, seen)
        return claim

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
        """The manifests of a table by key of the source object. Raises `LakeError` for one that does not read."""
        return {m.source.key: m for m in _that_count(self._read(self._listed(table, held=False), Manifest.from_json))}

    def manifests_of(self, table: str, key_hashes: Collection[str]) -> Iterator[Manifest]:
        """The manifests of objects the hash of whose key is, or begins with, one of `key_hashes`: files that an older
        version named tell its first 8 digits."""
        whole = [f"_manifest/{table}/{name}.json" for name in sorted(key_hashes) if len(name) == KEY_HASH_DIGITS]
        begins = {name for name in key_hashes if len(name) < KEY_HASH_DIGITS}
        if begins:
            listed = [file.path for file in self._listed(table, held=False)]
            whole += [path for path in listed if path.rsplit("/", 1)[1][:8] in begins and path not in whole]
        return iter(_that_count(read_records(self.files, whole, Manifest.from_json)))

    def _read(self, listed: Iterable[Stored], parse: Callable[[str], T]) -> list[T]:
        return (self.records or Records()).read(self.files, listed, parse)

    def manifests_at(self, table: str, key_hashes: Iterable[str]) -> dict[str, Manifest]:
        """The manifests of objects with these hashes of their keys, by key, without listing the others."""
        found = read_records(self.files, [f"_manifest/{table}/{name}.json" for name in key_hashes], Manifest.from_json)
        return {m.source.key: m for m in _that_count(found)}

    def held(self, table: str) -> dict[str, Held]:
        """The objects of a table that were held back, by key. Records older than the object's manifest do not count."""
        found = self._read(self._listed(table, held=True), Held.from_json)
        manifests = self.manifests_at(table, [held.source.key_hash for held in found])
        return {
            held.source.key: held
            for held in found
            if (manifest := manifests.get(held.source.key)) is None or manifest.generation <= held.generation
        }

    def _listed(self, table: str, held: bool) -> list[Stored]:
        files = (file for file in self.files.walk(f"_manifest/{table}") if file.path.endswith(".json"))
        return [file for file in files if file.path.endswith(".held.json") == held]

    def read_texts(self, paths: Iterable[str]) -> list[str | None]:
        """The texts of small files, `None` for those that are not there."""
        return read_texts(self.files, list(paths))

    def committed(self, table: str, days: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
        """The files, with their rows, that the manifests of a raw table name for each of `days` that has any."""
        found: dict[str, list[tuple[str, int]]] = {day: [] for day in days}
        for manifest in self.manifests(table).values():
            for output in manifest.files:
                if output.day in found:
                    found[output.day].append((output.path, output.rows))
        return {day: sorted(files) for day, files in found.items() if files}

    def broken_keys(self, table: str, manifests: Iterable[Manifest] | None = None) -> set[str]:
        """Keys of the objects of a table of which a published file is gone, or has another size than the manifest says;
        of these `manifests`, or of all."""
        found = list(self.manifests(table).values() if manifests is None else manifests)
        named = [(m.source.key, file) for m in found for file in (*m.files, *m.quarantine_files)]
        tops = {"/".join(file.path.split("/")[:-2]) or "reference" for _, file in named}
        sizes = {file.path: file.bytes for top in tops for file in self.files.walk(top)}
        return {key for key, file in named if sizes.get(file.path) != file.bytes}

    def day_records(self, table_path: str, days: Iterable[str]) -> dict[str, DayRecord]:
        """The records of those of `days` of a table that have one; one that does not read counts as missing."""
        wanted = list(days)
        texts = self.read_texts(record_path(table_path, day) for day in wanted)
        found = {day: _parsed_text(DayRecord.from_json, text) for day, text in zip(wanted, texts, strict=True)}
        return {day: record for day, record in found.items() if record is not None}

    def recorded_days(self, table_path: str) -> list[str]:
        """All days of a table that have a record."""
        names = (file.path.rsplit("/", 1)[1] for file in self.files.walk(f"_manifest/{table_path}"))
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def run(self, tables: Iterable[str] = ()) -> Iterator[Staging]:
        """A run that writes: its staging folder, cleared of what dead runs left. For the raw `tables` named, files
        that no manifest names are removed too, where no living run can be about to name them."""
        with self.files.run() as (run, before):
            if before is not None:
                for table in tables:
                    self.sweep(table, [file.path for file in self.unnamed(table, before)], run)
            yield run

    def named(self, table: str) -> set[str]:
        """The files of a raw table, and of its quarantine, that its manifests and records of held objects name."""
        return self._named(self.manifests(table).values(), self.held(table).values())

    @staticmethod
    def _named(manifests: Iterable[Manifest], held: Iterable[Held]) -> set[str]:
        named = {f.path for m in manifests for f in (*m.files, *m.quarantine_files)}
        return named | {h.quarantine_file.path for h in held if h.quarantine_file}

    def unnamed(self, table: str, before: float) -> Iterator[Stored]:
        """Files of a raw table, or of its quarantine, that no manifest names and that were written `before`."""
        listed = [file for base in (f"raw/{table}", f"quarantine/{table}") for file in self.files.walk(base)]
        named = self.named(table)
        for file in listed:
            if file.path.endswith(".parquet") and file.path not in named and file.modified < before:
                yield file

    def sweep(self, table: str, paths: Iterable[str], run: Staging) -> list[str]:
        """Remove files of a raw table that no manifest names; those that were removed. Each is looked at once more
        where nobody can publish at the same time, since a run may have named it by now.

        In a bucket a run may have been stopped between its files and its manifest. So the manifest of the object, or
        one without files where there is none, is written anew first: the one that this run still wants to put is
        refused then.
        """
        by_key: dict[str, list[str]] = {}
        for path in paths:
            by_key.setdefault(key_hash_in(path), []).append(path)
        removed: list[str] = []
        for name, found in by_key.items():
            with self.files.commit_lock(), suppress(Overtaken):  # what was published meanwhile is left to the next run
                manifests = {_record_of(table, m.source): m for m in self.manifests_of(table, [name])}
                held = [h for m in manifests.values() for h in [self.held_at(table, m.source)] if h]
                held += [h for h in [self._held(f"_manifest/{table}/{name}")] if h]
                left = sorted(set(found) - self._named(manifests.values(), held))
                if left and not isinstance(self.files, LocalFiles):
                    own = [f"_manifest/{table}/{name}.json"] if len(name) == KEY_HASH_DIGITS else []
                    for path in {*own, *manifests}:
                        self._fence(table, path, manifests.get(path), run)
                self.publish({}, drop=left)
                removed += left
        return removed

    def _fence(self, table: str, path: str, manifest: Manifest | None, run: Staging) -> None:
        """Write a manifest anew as it is, so that what was to replace the state before is refused. Raises
        `Overtaken` where it is another by now."""
        text, seen = self.files.read_version(path)
        there = parsed(Manifest.from_json, text)
        counts = there if there and FORGOTTEN not in there.notes else None
        if (counts and counts.generation) != (manifest and manifest.generation):
            raise Overtaken(f"the lake {self}: another run has published {path} meanwhile; run again")
        nobody = SourceObject("", 0, "")  # the files tell the hash of the key, and not the key
        fenced = there or Manifest(table, nobody, "", "", "", 0, {}, {}, (), (), {FORGOTTEN: True})
        record = run.folder("fence") / "manifest.json"
        record.write_text(replace(fenced, generation=fenced.generation + 1).to_json())
        self.files.swap(record, path, seen)

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

    @contextmanager
    def committing(self, table: str, item: SourceObject) -> Iterator[Seen]:
        """Hold off other runs, or notice them, so that the files of an object and its manifest come from one run. What
        the caller tests in between, as whether the object is still the same, holds when `commit` is through."""
        with self.files.commit_lock():
            base = _record_of(table, item)
            (text, manifest_token), (held_text, held_token) = (
                self.files.read_version(path) for path in (base, _held_of(table, item))
            )
            yield Seen(parsed(Manifest.from_json, text), manifest_token, parsed(Held.from_json, held_text), held_token)

    def commit(self, manifest: Manifest, staged: Mapping[str, Path], run: Staging, seen: Seen) -> Manifest:
        """Publish the files of one source object and then its manifest, which makes them count; as it was written.
        `seen` is what `committing` gave. Raises `Overtaken`."""
        if not manifest.lawful:
            raise LakeError(
                f"{manifest.source.key}: read {manifest.read} records but {manifest.total.written} written + "
                f"{manifest.total.quarantined} quarantined + {manifest.total.superseded} superseded; nothing of it is "
                "published. This is a defect of the ingest: please report it with the object"
            )
        before, held = seen.manifest, seen.held
        generation = before.generation + (before != manifest) if before else 1
        manifest = replace(manifest, generation=generation)
        old = self._named([before] if before else [], [held] if held else [])
        new = self._named([manifest], [])
        record = run.folder("manifest") / "manifest.json"
        record.write_text(manifest.to_json())
        self.publish(staged)
        self.files.swap(record, _record_of(manifest.table, manifest.source), seen.manifest_token)
        stale = [_held_of(manifest.table, manifest.source)] if held else []
        self.publish({}, drop=[*sorted(old - new), *stale])
        return manifest

    def hold(self, held: Held, staged: Path | None, run: Staging, seen: Seen) -> None:
        """Record that a version of an object was held back. What was published of it before stays. Raises
        `Overtaken`."""
        held = replace(held, generation=seen.manifest.generation if seen.manifest else 0)
        record = run.folder("held") / "held.json"
        record.write_text(held.to_json())
        old, new = seen.held.quarantine_file if seen.held else None, held.quarantine_file
        if new and staged:
            self.publish({new.path: staged})
        self.files.swap(record, _held_of(held.table, held.source), seen.held_token)
        stale = [old.path] if old and (new is None or new.path != old.path) else []
        self.publish({}, drop=stale)

    def _held(self, base: str) -> Held | None:
        found: list[Held | None] = read_records(self.files, [f"{base}.held.json"], Held.from_json)
        return found[0]

    def held_at(self, table: str, item: SourceObject) -> Held | None:
        """What is on record now of an object that was held back."""
        return self._held(f"_manifest/{table}/{item.key_hash}")

    def release(self, held: Held) -> None:
        """Forget that an object was held back, since the source does not have it any more."""
        file = [held.quarantine_file.path] if held.quarantine_file else []
        self.publish({}, drop=[_held_of(held.table, held.source)])
        self.publish({}, drop=file)

    def forget(self, manifest: Manifest, run: Staging, seen: Seen) -> None:
        """Remove the rows of an object, published and quarantined. Its manifest goes first: from then on its files do
        not count. In a bucket a manifest without files stays in its place, since a delete that arrives late would hit
        the one of a run that has read the object again. Raises `Overtaken`."""
        path = _record_of(manifest.table, manifest.source)
        if isinstance(self.files, LocalFiles):
            self.files.delete(path)
        else:
            empty = replace(manifest, read=0, days={}, reasons={}, files=(), quarantine_files=())
            empty = replace(empty, notes={FORGOTTEN: True}, generation=manifest.generation + 1)
            record = run.folder("manifest") / "manifest.json"
            record.write_text(empty.to_json())
            self.files.swap(record, path, seen.manifest_token)
        self.publish({}, drop=[file.path for file in (*manifest.files, *manifest.quarantine_files)])


@dataclass(frozen=True)
class Seen:
    """What the lake has of an object before a commit, and the tokens of this state. A record that does not read
    counts as missing: it is replaced."""

    manifest: Manifest | None
    manifest_token: str
    held: Held | None
    held_token: str


def _that_count(manifests: Iterable[Manifest | None]) -> list[Manifest]:
    """Without those that are not there, or stand for rows that were removed."""
    return [manifest for manifest in manifests if manifest is not None and FORGOTTEN not in manifest.notes]


def parsed(read: Callable[[str], T], text: bytes | None) -> T | None:
    """A record out of its bytes; `None` where there are none, or they do not read."""
    return None if text is None else _parsed_text(read, text.decode(errors="replace"))


def _parsed_text(read: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else read(text)
    except DamagedRecord:
        return None


def record_path(table_path: str, day: str) -> str:
    """Where the record of a day of a table is that is made of other tables."""
    return f"_manifest/{table_path}/{day}.json"


def _record_of(table: str, item: SourceObject) -> str:
    return f"_manifest/{table}/{item.key_hash}.json"


def _held_of(table: str, item: SourceObject) -> str:
    return f"_manifest/{table}/{item.key_hash}.held.json"


def key_hash_in(path: str) -> str:
    """The hash of an object's key in the name of one of its files; of files that an older version named, its first 8
    digits."""
    return path.removesuffix(".parquet").removesuffix(HELD).rsplit("-", 1)[-1].partition("_")[0]


def lake_in_bucket(place: S3Place, lease_s: float | None = None) -> Lake:
    """The lake at a place. Raises `LakeError` where no lake can be there."""
    from opensky_assets.storage.s3_files import S3Files

    require_readable(place.uri)
    return Lake(S3Files(place, lease_s) if lease_s else S3Files(place))


def lake_place(settings: Settings) -> S3Place | Path:
    """Where the lake of the settings is."""
    if settings.lake.uri.startswith("s3://"):
        where = (settings.lake.uri, settings.lake.endpoint, settings.lake.region, settings.lake.profile)
        return S3Place.of(*where, anonymous=False)
    return Path(settings.lake.uri)


def open_lake(settings: Settings) -> Lake:
    """The lake of the settings. Raises `LakeError` where no lake can be there."""
    place = lake_place(settings)
    return Lake.at(place) if isinstance(place, Path) else lake_in_bucket(place)
