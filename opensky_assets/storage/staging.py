"""Folders for unfinished work: one a run, known to be alive by the lock its process holds."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

ATTEMPTS = 100

FOLDER_VANISHED = (FileNotFoundError, FileExistsError)
"""What making a folder, or a file in it, raises where somebody removes the folder at the same time: pathlib's `mkdir`
says that it exists when it is gone by the time it looks whether it is a folder."""


@dataclass(frozen=True)
class Staging:
    """The staging folder of one run. Nothing in it is published; all of it goes when the run ends or has died."""

    path: Path

    def folder(self, name: str) -> Path:
        """A fresh folder below the run's own. Raises `FileNotFoundError` where the run has ended: a task of it that
        lives on, on a machine that lost touch, leaves nothing behind and commits nothing."""
        folder = self.path / f"{name}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        return folder


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)


@contextmanager
def staging(root: Path) -> Iterator[tuple[Staging, bool]]:
    """Open a run's staging folder below `root` and clear those of dead runs.

    Yields the folder and whether this is the only live run. The run holds an operating system's lock on a file beside
    its folder: the system lets go of it when the process dies, however it dies, so no time-out has to be waited for.
    """
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    own = FileLock(root / f"{name}.lock")
    for again in range(ATTEMPTS):
        try:
            root.mkdir(parents=True, exist_ok=True)
            own.acquire()
            break
        except FOLDER_VANISHED:  # another run ended this moment and removed the empty folder
            if again == ATTEMPTS - 1:
                raise
    try:
        alone = True
        for lock in sorted(root.glob("*.lock")):
            if lock.stem == name:
                continue
            other = FileLock(lock)
            try:
                other.acquire(timeout=0)
            except Timeout:
                alone = False
                continue
            try:
                _remove(root / lock.stem, lock)
            finally:
                other.release()
        for left in root.iterdir():  # a folder whose run ended while a task of it was writing there
            if left.is_dir() and not left.with_name(f"{left.name}.lock").exists():
                shutil.rmtree(left, ignore_errors=True)
        folder = root / name
        folder.mkdir()
        yield Staging(folder), alone
    finally:
        own.release()
        _remove(root / name, root / f"{name}.lock")
        with suppress(OSError):  # another run's folder is in it
            root.rmdir()


def dead(root: Path) -> Iterator[Path]:
    """The folders below `root` whose run has died."""
    for record in sorted(root.glob("*.lock")):
        lock = FileLock(record)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        lock.release()
        yield record.with_suffix("")


def is_anybody_alive(root: Path) -> bool:
    """Whether a run holds its folder below `root`."""
    return len(list(root.glob("*.lock"))) > len(list(dead(root)))
