"""Small buckets in a folder, stores that watch or disturb their reading, and what a lake has on disk."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

from opensky_assets.storage.errors import ObjectGone
from opensky_assets.storage.objects import LocalStore, SourceObject
from opensky_assets_tests.containers import gz
from opensky_assets_tests.mutations import sound_file

TODAY = date(2023, 1, 1)


def put(bucket: Path, key: str, data: bytes, mtime: int | None = None) -> Path:
    """Write an object whole, as a bucket does; with `mtime`, at that second."""
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.part")
    staged.write_bytes(data)
    if mtime is not None:
        os.utime(staged, (mtime, mtime))
    staged.replace(path)
    return path


def write_half_a_year(bucket: Path) -> Path:
    """Flight lists of January to June 2019, 200 flights and a broken line each; that of April is damaged."""
    for month in range(1, 7):
        first = date(2019, month, 1)
        lines = sound_file(random.Random(month), "flights", 200, first, first.replace(day=28))
        key = f"flights/flightlist_2019{month:02d}01_2019{month:02d}28.csv.gz"
        put(bucket, key, gz(b"\n".join([*lines, b"broken"])) if month != 4 else b"damaged")
    return bucket


def let_others_in(path: Path) -> None:
    """Open the folders of pytest that lead to `path`, which are closed to other users."""
    shared = Path(tempfile.gettempdir()).resolve()
    for folder in (path, *path.parents):
        if shared in folder.resolve().parents:
            folder.chmod(folder.stat().st_mode | 0o055)


def files_of(lake: Path, *tops: str) -> dict[str, str]:
    """Path → SHA-256 of every file of the lake, below these folders or all."""
    roots = [lake / top for top in tops] or [lake]
    return {
        path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@dataclass(frozen=True)
class _Wrapped:
    """A folder, as it is."""

    inner: LocalStore

    @property
    def uri(self) -> str:
        return self.inner.uri

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        return self.inner.list(prefix)

    def left_out(self) -> dict[str, str]:
        return self.inner.left_out()

    def verify(self, item: SourceObject) -> None:
        self.inner.verify(item)


@dataclass(frozen=True)
class CountingStore(_Wrapped):
    """A folder that counts which objects are opened."""

    opened: Counter[str] = field(default_factory=Counter)

    def open(self, item: SourceObject) -> BinaryIO:
        self.opened[item.key] += 1
        return self.inner.open(item)


FAULTS = ("reset", "cut", "longer", "gone", "changed", "os_error", "gone_midway", "drops")


@dataclass(frozen=True)
class FaultyStore(_Wrapped):
    """A folder whose reading goes wrong, seeded: each opening of an object draws a fault or none.

    `persistent` objects fail every time; the others only until `faults` are spent.
    """

    seed: int
    faults: int
    share: float = 0.5
    persistent: frozenset[str] = frozenset()
    made: list[tuple[str, str]] = field(default_factory=list)
    _rng: list[random.Random] = field(default_factory=list)

    @property
    def rng(self) -> random.Random:
        if not self._rng:
            self._rng.append(random.Random(self.seed))
        return self._rng[0]

    def open(self, item: SourceObject) -> BinaryIO:
        always = item.key in self.persistent
        if not always and (len(self.made) >= self.faults or self.rng.random() > self.share):
            return self.inner.open(item)
        fault = self.rng.choice([f for f in FAULTS if not always or f != "drops"])
        self.made.append((item.key, fault))
        if fault == "gone":
            raise ObjectGone(f"{item.key}: listed, but gone when it was opened; run again")
        data = self.inner.open(item).read()
        return _FaultyBody(data, fault, self.rng.randrange(len(data) + 1), self.inner.root, item.key)


class _FaultyBody(io.RawIOBase):
    """The bytes of an object with one fault at one place."""

    def __init__(self, data: bytes, fault: str, at: int, root: Path, key: str) -> None:
        self.fault, self.at, self.path, self.key = fault, at, root / key, key
        self.body = io.BytesIO(data + b"surplus" if fault == "longer" else data[:at] if fault == "cut" else data)

    def read(self, size: int = -1) -> bytes:
        if self.fault == "drops":
            return self.body.read(min(size, 13) if size >= 0 else 13)
        if self.fault in ("cut", "longer"):
            return self.body.read(size)
        left = self.at - self.body.tell()
        if left > 0:
            return self.body.read(min(size, left) if size >= 0 else left)
        if self.fault == "reset":
            raise ConnectionResetError(104, "Connection reset by peer")
        if self.fault == "os_error":
            raise OSError(5, "Input/output error")
        if self.fault == "gone_midway":
            raise ObjectGone(f"{self.key}: gone while it was read")
        if self.fault == "changed":  # and changed back: the content is the same, the version is another
            self.fault = "none"
            stat = self.path.stat()
            os.utime(self.path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        return self.body.read(size)


def copy_bucket(bucket: Path, to: Path) -> Path:
    """A copy with the same modification times, so with the same ETags."""
    return Path(shutil.copytree(bucket, to, copy_function=shutil.copy2))
