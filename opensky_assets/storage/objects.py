"""Where bytes come from: a folder or an S3 bucket, listed and read in one way."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Protocol

from opensky_assets.storage.errors import ObjectGone, Side, SourceError, SourceUnavailable
from opensky_assets.storage.names import name_first
from opensky_assets.storage.telemetry import TimedFile

if TYPE_CHECKING:  # the workers of the pool read objects and no settings: they start without pydantic
    from opensky_assets.settings import Settings

LONGEST_NAME = 80
"""Characters of a key that the names of its files repeat; file systems take 255 bytes in all."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, order=True)
class SourceObject:
    """One object as the listing gives it. `etag` changes whenever the content does (locally: size and mtime_ns)."""

    key: str
    size: int
    etag: str

    @property
    def key_hash(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """The name of the object's files in the lake: the last part of the key up to its first dot, in characters that
        no file system or pattern takes for others, and the hash of the key."""
        name = self.key.rsplit("/", 1)[-1].split(".", 1)[0]
        return f"{_NOT_PLAIN.sub('_', name)[:LONGEST_NAME]}-{self.key_hash}"


class ObjectStore(Protocol):
    """A bucket of objects, to read."""

    @property
    def uri(self) -> str:
        """What names the source for good: a lake belongs to one."""
        ...

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        """All objects whose key starts with `prefix`, in the order of their keys. Raises `SourceError`."""
        ...

    def left_out(self) -> dict[str, str]:
        """What has a key and is no object, with the reason: in a folder, what is no regular file."""
        ...

    def open(self, item: SourceObject) -> BinaryIO:
        """The object's bytes as a stream. Raises `ObjectGone` where it is not what was listed any more."""
        ...

    def verify(self, item: SourceObject) -> None:
        """Raise `ObjectGone` unless the object is still the one that was listed."""
        ...


class WritableStore(ObjectStore, Protocol):
    """A bucket of objects of one's own."""

    @property
    def is_writable(self) -> bool:
        """Whether it is read with credentials, or is a folder."""
        ...

    def put(self, key: str, data: bytes, replaces: SourceObject | None = None) -> bool:
        """Write an object where there is none, or in the place of what `replaces` was when it was listed; whether it
        is there now. The same bytes are not written anew. Raises `SourceError`."""
        ...


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class LocalStore:
    """A folder whose regular files are the objects; keys are paths relative to it, with `/`."""

    root: Path

    @property
    def uri(self) -> str:
        return self.root.resolve().as_uri()

    def _item(self, path: Path, key: str) -> SourceObject:
        found = path.stat()
        return SourceObject(key, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        items = []
        for key, path, why_not in self._walk(prefix):
            if why_not is None:
                with suppress(FileNotFoundError):  # gone since the folder was listed
                    items.append(self._item(path, key))
        return iter(sorted(items))

    def left_out(self) -> dict[str, str]:
        return {key: why_not for key, _, why_not in self._walk() if why_not is not None}

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, Path, str | None]]:
        """Key and path of all that is below the folder and is no folder, and why it is no object (`None`: it is one).

        Links are followed, to folders as to files: an object reached by two keys is two objects, as in a bucket. Only
        a link to a folder that it lies in itself is not, since its objects have a shorter key already.
        """
        if not self.root.is_dir():
            raise SourceError(
                f"the source {self.root} is not a folder: set OPENSKY_SOURCE to a bucket's root, or write a simulated "
                "one with `opensky-assets simulate`"
            )
        folders = [("", self.root, frozenset[tuple[int, int]]())]
        while folders:
            base, folder, above = folders.pop()
            try:
                identity = folder.stat()
                here = above | {(identity.st_dev, identity.st_ino)}
                entries = list(os.scandir(folder))
            except FileNotFoundError:  # gone since the folder above it was listed
                continue
            except OSError as error:
                self._unlisted(error)
            for entry in entries:
                key = base + entry.name
                if not key.startswith(prefix) and not prefix.startswith(f"{key}/"):
                    continue
                self._require_utf8(key)
                path = Path(entry.path)
                try:
                    if entry.is_dir():
                        found = entry.stat()
                        if (found.st_dev, found.st_ino) not in here:
                            folders.append((f"{key}/", path, here))
                        elif key.startswith(prefix):
                            yield key, path, "a symbolic link to a folder above it; not followed"
                    elif key.startswith(prefix):
                        yield key, path, self._why_no_object(entry)
                except OSError as error:
                    self._unlisted(error)

    def _require_utf8(self, key: str) -> None:
        if not key.isascii() and key != key.encode(errors="replace").decode():
            raise SourceError(f"the source {self.root} has a file whose name is not UTF-8, {key!a}: rename it")

    def _why_no_object(self, entry: os.DirEntry[str]) -> str | None:
        if entry.is_file():
            return None
        try:
            kind = stat.S_IFMT(entry.stat().st_mode)
        except FileNotFoundError:
            return "a broken symbolic link" if entry.is_symlink() else None
        return f"{_KINDS.get(kind, 'no regular file')}, not a regular file"

    def _unlisted(self, error: OSError) -> NoReturn:
        """A folder left out silently would make its objects look vanished."""
        raise SourceError(
            f"cannot list {error.filename} of the source ({error.strerror}); check its permissions"
        ) from None

    def open(self, item: SourceObject) -> BinaryIO:
        try:
            file = (self.root / item.key).open("rb", buffering=0)
        except FileNotFoundError:
            raise ObjectGone(f"{item.key}: listed, but gone when it was opened; run again") from None
        except OSError as error:
            raise SourceError(f"{item.key}: cannot be opened ({error.strerror}); check its permissions") from None
        return io.BufferedReader(TimedFile(item.key, file))

    def verify(self, item: SourceObject) -> None:
        try:
            now = self._item(self.root / item.key, item.key)
        except FileNotFoundError:
            now = None
        if now != item:
            raise ObjectGone(f"{item.key}: changed while it was read; run again")

    @property
    def is_writable(self) -> bool:
        return True

    def put(self, key: str, data: bytes, replaces: SourceObject | None = None) -> bool:
        path = self.root / key
        try:
            if path.is_file():
                if path.read_bytes() == data:
                    return True  # written anew, it would count as changed
                if replaces is None or self._item(path, key) != replaces:
                    return False
            elif replaces is not None:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as staged:
                new = Path(staged.name)
            try:
                new.write_bytes(data)
                new.chmod(0o644)
                if replaces is None:
                    return name_first(new, path)
                os.replace(new, path)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise SourceError(f"{path} cannot be written ({error.strerror})") from None
        return True


def open_store(
    setting: str, uri: str, endpoint: str | None, region: str | None, profile: str | None, anonymous: bool
) -> WritableStore:
    """The store at a folder or s3://bucket[/prefix], which `setting` names."""
    if uri.startswith("s3://"):
        from opensky_assets.storage.s3 import S3Place
        from opensky_assets.storage.s3_objects import S3Store

        side = Side(setting, SourceError, SourceUnavailable)
        return S3Store(S3Place.of(uri, endpoint, region, profile, anonymous), side=side)
    if "://" in uri:
        raise SourceError(f"{setting}={uri!r}: must be a folder or s3://bucket[/prefix]")
    return LocalStore(Path(uri))


def open_source(settings: Settings) -> WritableStore:
    """The source of the settings, without its landing."""
    where = settings.source
    return open_store("OPENSKY_SOURCE", where.uri, where.endpoint, where.region, where.profile, where.anonymous)
