"""The lake on a file system: hive-partitioned Parquet, manifests, and the one way that anything gets published."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from opensky_assets.lake.manifest import Held, Manifest
from opensky_assets.lake.staging import ATTEMPTS, FOLDER_VANISHED, Staging, staging


class LakeError(Exception):
    """The lake cannot be written or read; the text says what to do."""


def _explain(error: OSError, root: Path) -> LakeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LakeError(f"no space left on the disk of the lake {root}; free some or set OPENSKY_LAKE, then run again")
    what = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
    return LakeError(
        f"the lake {root} cannot be written ({what}); give this user the right to write there or set OPENSKY_LAKE"
    )


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what the operating system says of a write into what the user can do about it."""
    try:
        yield
    except OSError as error:
        raise _explain(error, root) from error


@dataclass(frozen=True)
class Lake:
    """A lake in a folder. Paths are relative to it, with `/`."""

    root: Path

    # --- paths -------------------------------------------------------------------------------------------------

    def path(self, relative: str) -> Path:
        return self.root / relative

    def day_paths(self, table_path: str, days: Iterable[str]) -> dict[str, list[Path]]:
        """The files of each of the days that has any, in the order of their names."""
        found = {}
        for day in days:
            folder = self.root / table_path / f"day={day}"
            if folder.is_dir() and (files := sorted(folder.glob("*.parquet"))):
                found[day] = files
        return found

    def days(self, table_path: str) -> list[str]:
        """All days of a table that have a file."""
        folders = (self.root / table_path).glob("day=*")
        return sorted(f.name.removeprefix("day=") for f in folders if any(f.glob("*.parquet")))

    # --- whose lake it is ----------------------------------------------------------------------------------------

    def claim(self, source_uri: str, kind: str) -> None:
        """Record the source on first use. Raises `LakeError` where the lake belongs to another one."""
        record = self.root / "_manifest" / "source.json"
        if record.exists():
            known = json.loads(record.read_text())
            if (known["uri"], known["kind"]) != (source_uri, kind):
                raise LakeError(
                    f"the lake {self.root} holds rows of the {known['kind']} source {known['uri']}, not of the {kind} "
                    f"source {source_uri}: set OPENSKY_LAKE to another folder (and OPENSKY_WAREHOUSE to another file), "
                    "or OPENSKY_SOURCE back"
                )
            return
        with writing(self.root), staging(self.root / "_staging") as (run, _):
            staged = run.path / "source.json"
            staged.write_text(json.dumps({"uri": source_uri, "kind": kind}, indent=1))
            self._put(staged, "_manifest/source.json")

    @property
    def kind(self) -> str | None:
        """`real`, `simulated`, or `None` for a lake that is still empty."""
        record = self.root / "_manifest" / "source.json"
        return json.loads(record.read_text())["kind"] if record.exists() else None

    # --- manifests -----------------------------------------------------------------------------------------------

    def manifests(self, table: str) -> dict[str, Manifest]:
        """The manifests of a table by key of the source object."""
        found = (
            Manifest.from_json(path.read_text())
            for path in sorted((self.root / "_manifest" / table).glob("*.json"))
            if not path.name.endswith(".held.json")
        )
        return {manifest.source.key: manifest for manifest in found}

    def held(self, table: str) -> dict[str, Held]:
        """The objects of a table that were held back, by key."""
        paths = sorted((self.root / "_manifest" / table).glob("*.held.json"))
        return {held.source.key: held for held in (Held.from_json(path.read_text()) for path in paths)}

    def committed(self, table: str, days: Iterable[str]) -> dict[str, list[tuple[Path, int]]]:
        """The files, with their rows, that the manifests of a raw table name for each of `days` that has any."""
        found: dict[str, list[tuple[Path, int]]] = {day: [] for day in days}
        for manifest in self.manifests(table).values():
            for output in manifest.files:
                day = output.path.rsplit("/", 2)[1].removeprefix("day=")
                if day in found:
                    found[day].append((self.root / output.path, output.rows))
        return {day: sorted(files) for day, files in found.items() if files}

    def free_bytes(self) -> int:
        """What is free on the lake's disk; the lake's folder need not be there yet."""
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def run(self, tables: Iterable[str] = ()) -> Iterator[Staging]:
        """A run that writes: its staging folder, cleared of what dead runs left. For the raw `tables` named, files
        that no manifest names are removed too, where no other run is alive to publish them this moment."""
        started = time.time()
        with writing(self.root), staging(self.root / "_staging") as (run, alone):
            if alone:
                for table in tables:
                    self._sweep(table, started)
            yield run

    def _sweep(self, table: str, before: float) -> None:
        for path in self.unnamed(table, before):
            self._drop(path)

    def unnamed(self, table: str, before: float) -> Iterator[Path]:
        """Files of a raw table, or of its quarantine, that no manifest names and that were written `before`."""
        named = {f.path for m in self.manifests(table).values() for f in (*m.files, *m.quarantine_files)}
        named |= {held.quarantine_file.path for held in self.held(table).values() if held.quarantine_file}
        for base in (f"raw/{table}", f"quarantine/{table}"):
            for path in sorted((self.root / base).glob("day=*/*.parquet")):
                if path.relative_to(self.root).as_posix() not in named and path.stat().st_mtime < before:
                    yield path

    def _put(self, staged: Path, relative: str) -> None:
        target = self.root / relative
        for again in range(ATTEMPTS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged, target)
                return
            except FOLDER_VANISHED:  # another run removed the day's last file, and its folder, this moment
                if again == ATTEMPTS - 1 or not staged.exists():
                    raise

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other files are in it
            path.parent.rmdir()

    def publish(self, files: Mapping[str, Path], drop: Iterable[str] = ()) -> None:
        """Publish staged `files` under their paths in the lake, each by one rename, then remove those of `drop`.

        Everything that anybody writes to the lake goes through here, or through `commit`, which ends in here.
        A reader sees each file whole, old or new.
        """
        with writing(self.root):
            for relative, staged in files.items():
                self._put(staged, relative)
            for relative in drop:
                if relative not in files:
                    self._drop(self.root / relative)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Hold off other runs, so that the files of an object and its manifest come from one of them."""
        record = self.root / "_manifest" / "commit.lock"
        with writing(self.root):
            record.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(record)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def commit(self, manifest: Manifest, staged: Mapping[str, Path], run: Staging) -> None:
        """Publish the files of one source object and then its manifest, which makes them count."""
        if not manifest.lawful:
            raise LakeError(
                f"{manifest.source.key}: read {manifest.read} records but {manifest.total.written} written + "
                f"{manifest.total.quarantined} quarantined + {manifest.total.superseded} superseded; nothing of it is "
                "published. This is a defect of the ingest: please report it with the object"
            )
        base = f"_manifest/{manifest.table}/{manifest.source.key_hash}"
        record, held = self.root / f"{base}.json", self.root / f"{base}.held.json"
        old: set[str] = set()
        if record.exists():
            before = Manifest.from_json(record.read_text())
            old = {f.path for f in (*before.files, *before.quarantine_files)}
        if held.exists() and (file := Held.from_json(held.read_text()).quarantine_file):
            old.add(file.path)
        new = {f.path for f in (*manifest.files, *manifest.quarantine_files)}
        text = run.folder("manifest") / "manifest.json"
        text.write_text(manifest.to_json())
        self.publish(staged)
        self.publish({f"{base}.json": text}, drop=[*sorted(old - new), f"{base}.held.json"])

    def hold(self, held: Held, staged: Path | None, run: Staging) -> None:
        """Record that a version of an object was held back. What was published of it before stays."""
        base = f"_manifest/{held.table}/{held.source.key_hash}"
        text = run.folder("held") / "held.json"
        text.write_text(held.to_json())
        record = self.root / f"{base}.held.json"
        old = Held.from_json(record.read_text()).quarantine_file if record.exists() else None
        new = held.quarantine_file
        if new and staged:
            self.publish({new.path: staged})
        stale = [old.path] if old and (new is None or new.path != old.path) else []
        self.publish({f"{base}.held.json": text}, drop=stale)

    def release(self, held: Held) -> None:
        """Forget that an object was held back, since the source does not have it any more."""
        files = [held.quarantine_file.path] if held.quarantine_file else []
        self.publish({}, drop=[*files, f"_manifest/{held.table}/{held.source.key_hash}.held.json"])
