"""The files of a lake, in a folder or in a bucket: what both can do, and the folder."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock

from opensky_assets.storage.errors import LakeError
from opensky_assets.storage.names import name_first
from opensky_assets.storage.staging import ATTEMPTS, FOLDER_VANISHED, Staging, dead, is_anybody_alive, staging

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pyarrow.fs import FileSystem


@dataclass(frozen=True, order=True)
class Stored:
    """A file of the lake: its path there, its bytes, when it was last written (unix seconds). `version` changes
    whenever the content does, where that is known."""

    path: str
    bytes: int
    modified: float
    version: str = field(default="", compare=False)


@dataclass(frozen=True)
class Sent:
    """A file that another machine has handed to the lake, and no reader sees yet. `handle` is text that only its
    `Files` understands, so that it can go from process to process."""

    handle: str


class Files(Protocol):
    """The files of one lake. Paths are relative to it, with `/`. Everything raises `LakeError` where the lake cannot
    be reached or written, with what to do about it."""

    @property
    def uri(self) -> str:
        """`file:///…` or `s3://…`, without a slash at the end."""
        ...

    def __str__(self) -> str:
        """The lake as messages name it."""
        ...

    def described(self) -> dict[str, Any]:
        """What `Lake.from_json` opens the same files by."""
        ...

    def address(self, path: str) -> str:
        """Where a file or folder is, for people and for other programs."""
        ...

    def location(self, path: str) -> str:
        """Exactly this file, as DuckDB reads it (see `duckdb_filesystem`): DuckDB takes each path for a pattern."""
        ...

    def pattern(self, pattern: str) -> str:
        """The files whose paths match, as DuckDB reads them. Only `pattern` is one, not what is above the lake."""
        ...

    def arrow(self) -> tuple[FileSystem, str]:
        """PyArrow's file system, and the folder in it that is the lake."""
        ...

    def duckdb_filesystem(self) -> AbstractFileSystem | None:
        """What a DuckDB connection has to have registered before it can read a `location`."""
        ...

    def walk(self, folder: str) -> Iterator[Stored]:
        """Every file below `folder`, by path."""
        ...

    def walk_folders(self, folder: str, names: Iterable[str]) -> Iterator[Stored]:
        """Every file below any of these folders in `folder`, by path."""
        ...

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in `folder`."""
        ...

    def find(self, path: str) -> Stored | None:
        """The file, if it is there."""
        ...

    def read(self, path: str) -> bytes:
        """Its bytes. Raises `FileNotFoundError`."""
        ...

    def read_version(self, path: str) -> tuple[bytes | None, str]:
        """The bytes of a file, `None` where there is none, and the token of this state, for `swap`."""
        ...

    def token(self, path: str) -> str:
        """The token alone."""
        ...

    def fresh(self, name: str) -> str:
        """The name, without its suffix, under which new bytes of a data file are put. In a folder the name itself: a
        rename swaps the old bytes and the new ones. In a bucket a name that no bytes had before or will have: a put or
        delete that arrives late, from a process that was stopped, can then harm no file of another run."""
        ...

    def send(self, staged: Path, path: str) -> Sent:
        """Hand over a staged file that another process is to `put` in place later, maybe on another machine."""
        ...

    def put(self, staged: Path | Sent, path: str) -> None:
        """Put a staged file in place, so that a reader sees the old one or the new one, whole. It may be moved."""
        ...

    def swap(self, staged: Path, path: str, seen: str) -> None:
        """Put a staged file in the place of the state whose token is `seen`. In a folder the caller holds the lock
        under which `seen` was read; in a bucket the store compares. Raises `Overtaken` where the state is another."""
        ...

    def put_first(self, text: str, path: str) -> bool:
        """Write a file only where there is none; whether it was written."""
        ...

    def delete(self, path: str) -> None:
        """Remove the file, if it is there."""
        ...

    def together(self, calls: Iterable[Callable[[], None]]) -> None:
        """Make these calls of `put` or `delete` in any order, several at once where each waits for a server."""
        ...

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock of that name, once nobody else does."""
        ...

    def commit_lock(self, name: str = "commit") -> AbstractContextManager[None]:
        """What keeps others from publishing between `read_version` and `swap`: in a folder a lock of this name; in a
        bucket nothing, since `swap` compares."""
        ...

    def run(self) -> AbstractContextManager[tuple[Staging, float | None]]:
        """A run's staging folder, on this machine, and the time (unix seconds) before which files that no manifest
        names were left by dead runs; `None` where that cannot be told now. Clears what dead runs left unfinished."""
        ...

    def leftovers_before(self) -> float | None:
        """What `run` yields beside the folder, for who does not run."""
        ...

    def unfinished(self) -> Iterator[Stored]:
        """What dead runs left unfinished, and a run would clear."""
        ...

    def free_bytes(self) -> int | None:
        """What is free; `None` where there is no such limit."""
        ...


def _explain(error: OSError, root: Path) -> LakeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LakeError(f"no space left on the disk of the lake {root}; free some or set OPENSKY_LAKE, then run again")
    what = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
    return LakeError(
        f"the lake {root} cannot be written ({what}); give this user the right to write there or set OPENSKY_LAKE"
    )


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Turn what the operating system says of a write into what the user can do about it."""
    try:
        yield
    except (ConnectionError, TimeoutError):  # of a server that the caller's work talks to: transient, and no disk's
        raise
    except OSError as error:
        raise _explain(error, root) from error


def _sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk before anything that follows."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def literal(path: str) -> str:
    """The pattern that matches this path alone, as DuckDB and Python's glob spell it."""
    return re.sub(r"[*?[]", r"[\g<0>]", path)


def require_readable(path: str) -> None:
    """Raise `LakeError` where no lake can be at this path, since readers would take a part of it for something else."""
    for part in path.split("/"):
        if re.match(r"[^=]+=", part):
            raise LakeError(
                f"the lake {path} is below {part!r}, which readers take for a partition column; "
                "set OPENSKY_LAKE to a place without name=value in its path"
            )
    if "\\" in path or ("?" in path and path.startswith("s3://")):
        raise LakeError(
            f"the lake {path} has a backslash or a question mark in its path, which DuckDB does not find there; set "
            "OPENSKY_LAKE to a place without one"
        )


def nearest_folder(path: Path) -> Path:
    """The path, or the first above it that is there: what is to be made in it need not be there yet."""
    while not path.exists():
        path = path.parent
    return path


@dataclass(frozen=True)
class LocalFiles:
    """A folder. Nothing but the lake may be in it."""

    root: Path

    @property
    def uri(self) -> str:
        return self.root.as_uri()

    def __str__(self) -> str:
        return str(self.root)

    def described(self) -> dict[str, Any]:
        return {"folder": str(self.root)}

    def address(self, path: str) -> str:
        return (self.root / path).as_posix()

    def location(self, path: str) -> str:
        return literal(self.address(path))

    def pattern(self, pattern: str) -> str:
        return f"{literal(self.root.as_posix())}/{pattern}"

    def arrow(self) -> tuple[FileSystem, str]:
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), self.root.as_posix()

    def duckdb_filesystem(self) -> None:
        return None

    def _stored(self, path: Path) -> Stored:
        stat = path.stat()
        version = (
            f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"  # each is put by a rename, and so a file of its own
        )
        return Stored(path.relative_to(self.root).as_posix(), stat.st_size, stat.st_mtime, version)

    def walk(self, folder: str) -> Iterator[Stored]:
        found = []
        for parent, _, names in os.walk(self.root / folder, onerror=self._unlisted):
            for name in names:
                with suppress(FileNotFoundError):  # gone since its folder was listed
                    found.append(self._stored(Path(parent, name)))
        return iter(sorted(found))

    def walk_folders(self, folder: str, names: Iterable[str]) -> Iterator[Stored]:
        for name in sorted(set(names)):
            yield from self.walk(f"{folder}/{name}")

    def folders(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.root / folder) if entry.is_dir())
        except OSError as error:
            self._unlisted(error)
        return []

    def _unlisted(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise LakeError(
                f"the lake {self.root}: no permission to read {error.filename} ({error.strerror}); give this user the "
                "right to, or set OPENSKY_LAKE"
            ) from None

    def find(self, path: str) -> Stored | None:
        try:
            return self._stored(self.root / path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _explain(error, self.root) from None

    def read(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _explain(error, self.root) from None

    def read_version(self, path: str) -> tuple[bytes | None, str]:
        try:
            return self.read(path), ""
        except FileNotFoundError:
            return None, ""

    def token(self, path: str) -> str:
        return ""

    def fresh(self, name: str) -> str:
        return name

    def swap(self, staged: Path, path: str, seen: str) -> None:
        self.put(staged, path)

    def send(self, staged: Path, path: str) -> Sent:
        return Sent(str(staged))  # all machines see the folder

    def put(self, staged: Path | Sent, path: str) -> None:
        target = self.root / path
        if isinstance(staged, Sent):
            staged = Path(staged.handle)
        with _writing(self.root):
            _sync(staged)
            for again in range(ATTEMPTS):
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(staged, target)
                    _sync(target.parent)
                    return
                except FOLDER_VANISHED:  # another run removed the day's last file, and its folder, this moment
                    if again == ATTEMPTS - 1 or not staged.exists():
                        raise

    def put_first(self, text: str, path: str) -> bool:
        target = self.root / path
        if target.exists():
            return False
        with self.run() as (run, _), _writing(self.root):
            staged = run.path / "first"
            staged.write_text(text)
            _sync(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not name_first(staged, target):
                return False
            _sync(target.parent)
        return True

    def delete(self, path: str) -> None:
        target = self.root / path
        with _writing(self.root):
            target.unlink(missing_ok=True)
            with suppress(OSError):  # other files are in it
                target.parent.rmdir()

    def together(self, calls: Iterable[Callable[[], None]]) -> None:
        for call in calls:
            call()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        record = self.root / "_manifest" / name
        with _writing(self.root):
            record.parent.mkdir(parents=True, exist_ok=True)
            held = FileLock(record)
            held.acquire()
        try:
            yield
        finally:
            held.release()

    def commit_lock(self, name: str = "commit") -> AbstractContextManager[None]:
        return self.lock(f"{name}.lock")

    @contextmanager
    def run(self) -> Iterator[tuple[Staging, float | None]]:
        started = time.time()
        with _writing(self.root), staging(self.root / "_staging") as (run, alone):
            # Another live run may be about to publish a file, and then the manifest that names it.
            yield run, started if alone else None

    def leftovers_before(self) -> float | None:
        now = time.time()
        return None if is_anybody_alive(self.root / "_staging") else now

    def unfinished(self) -> Iterator[Stored]:
        for folder in dead(self.root / "_staging"):
            files = [path.stat() for path in folder.rglob("*") if path.is_file()]
            yield Stored(
                folder.relative_to(self.root).as_posix(),
                sum(stat.st_size for stat in files),
                max((stat.st_mtime for stat in files), default=0.0),
            )

    def free_bytes(self) -> int:
        return shutil.disk_usage(nearest_folder(self.root)).free
