"""Some objects of a source, in the order of their days, perhaps several times over: what a scenario reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import BinaryIO

from opensky_assets.ingest.plan import make_plan
from opensky_assets.lake import Lake
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import SIMULATED_MARKER
from opensky_assets.storage.objects import LocalStore, ObjectStore, SourceObject

PROBE_BYTES = 1 << 20
"""One page in so many is asked for whether it is cached."""


@dataclass(frozen=True)
class Selection:
    """A store of nothing but `objects` of `inner`, by the keys they have here, and the marker of simulated data."""

    inner: ObjectStore
    objects: dict[str, SourceObject]

    @property
    def uri(self) -> str:
        return self.inner.uri

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        found = [replace(item, key=key) for key, item in self.objects.items() if key.startswith(prefix)]
        found += [item for item in self.inner.list(SIMULATED_MARKER) if item.key.startswith(prefix)]
        return iter(sorted(found))

    def left_out(self) -> dict[str, str]:
        return {}

    def open(self, item: SourceObject) -> BinaryIO:
        return self.inner.open(self.objects.get(item.key, item))

    def verify(self, item: SourceObject) -> None:
        self.inner.verify(self.objects.get(item.key, item))


def objects_of(store: ObjectStore, table: str, settings: Settings, today: date, scratch: Lake) -> list[SourceObject]:
    """The objects of a raw table whose keys tell their days, oldest first, within the settings' year, month and day.
    `scratch` is an empty lake."""
    plan = make_plan(store, scratch, settings, today)
    return [planned.source for planned in plan.of(table) if planned.days]


def select(store: ObjectStore, objects: Sequence[SourceObject], files: int) -> Selection:
    """The first `files` objects; where there are fewer, all of them again and again, under keys of their own."""
    if isinstance(store, LocalStore):  # Spark's executors work in folders of their own
        store = replace(store, root=store.root.resolve())
    chosen = {}
    for at in range(files):
        again, item = at // len(objects), objects[at % len(objects)]
        chosen[f"again-{again}/{item.key}" if again else item.key] = item
    return Selection(store, chosen)


def fingerprint(objects: Iterable[SourceObject]) -> str:
    """Equal where keys and sizes are equal."""
    told = hashlib.sha256()
    for item in objects:
        told.update(f"{item.key} {item.size}\n".encode())
    return told.hexdigest()[:16]


def local_files(selection: Selection) -> list[Path]:
    """The files behind a selection; none for a bucket."""
    if not isinstance(selection.inner, LocalStore):
        return []
    return [selection.inner.root / item.key for item in dict.fromkeys(selection.objects.values())]


def warm_up(files: Iterable[Path]) -> None:
    """Read the files once, so that they are in the page cache."""
    for path in files:
        with path.open("rb") as file:
            while file.read(PROBE_BYTES):
                pass


def cool_down(files: Iterable[Path]) -> None:
    """Ask the system to drop the files from the page cache. It need not; `cached_share` tells. Only Linux can."""
    if not hasattr(os, "posix_fadvise"):
        raise OSError("this system cannot be asked to drop files from its cache: leave `cold` out")
    for path in files:
        with path.open("rb") as file:
            os.fdatasync(file.fileno())  # pages that are not on the disk yet stay
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached_share(files: Iterable[Path]) -> float | None:
    """Which share of the files' pages, one in each MiB, can be had without waiting for a disk; `None`: no telling."""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    found = asked = 0
    page = bytearray(1)
    for path in files:
        with path.open("rb") as file:
            for at in range(0, os.fstat(file.fileno()).st_size, PROBE_BYTES):
                asked += 1
                try:
                    found += os.preadv(file.fileno(), [page], at, os.RWF_NOWAIT)
                except BlockingIOError:
                    continue
                except OSError:  # a file system that cannot say
                    return None
    return found / asked if asked else None
