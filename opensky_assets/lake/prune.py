"""What the lake need not keep: found first, so that it can be shown, then removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from opensky_assets.lake.lake import Lake
from opensky_assets.lake.manifest import Held, Manifest


@dataclass(frozen=True)
class Item:
    """A file or folder that may go: its path in the lake, why, and its bytes."""

    path: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What would go. `days`, by table: those that lose rows with vanished objects, so that what is made of them is to
    be made anew."""

    tables: Sequence[str]
    items: Sequence[Item]
    vanished: Sequence[Manifest]
    held: Sequence[Held]
    days: Mapping[str, Sequence[str]]

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)


def find(lake: Lake, tables: Iterable[str], vanished: Iterable[Manifest], gone_held: Iterable[Held]) -> Pruning:
    """Look for what may go: rows of the `vanished` objects, records of objects held back and gone, folders of dead
    runs, and files of `tables` that no manifest names."""
    tables, vanished, gone_held = list(tables), list(vanished), list(gone_held)
    items: dict[str, Item] = {}

    def add(path: Path, why: str) -> None:
        relative = path.relative_to(lake.root).as_posix()
        if path.exists():
            items.setdefault(relative, Item(relative, why, _size(path)))

    days: dict[str, set[str]] = {}
    for manifest in vanished:
        why = f"{manifest.source.key} is gone from the source"
        days.setdefault(manifest.table, set()).update(day for day, counts in manifest.days.items() if counts.written)
        for output in (*manifest.files, *manifest.quarantine_files):
            add(lake.path(output.path), why)
        add(lake.path(f"_manifest/{manifest.table}/{manifest.source.key_hash}.json"), why)
    for held in gone_held:
        why = f"{held.source.key} was held back and is gone from the source"
        if held.quarantine_file:
            add(lake.path(held.quarantine_file.path), why)
        add(lake.path(f"_manifest/{held.table}/{held.source.key_hash}.held.json"), why)
    started = time.time()
    alone = True
    for folder, alive in _staging(lake):
        alone &= not alive
        if not alive:
            add(folder, "left by a run that died")
    if alone:
        for table in tables:
            for path in lake.unnamed(table, started):
                add(path, "no manifest names it")
    return Pruning(
        tables,
        sorted(items.values(), key=lambda item: item.path),
        vanished,
        gone_held,
        {table: sorted(found) for table, found in days.items()},
    )


def remove(lake: Lake, pruning: Pruning) -> None:
    """Remove what was found, but for files that another run has published since. A manifest goes before its files,
    which count no longer from then on."""
    leaving = {m.source.key for m in pruning.vanished}
    with lake.run(), lake.committing():  # the run clears the folders of dead runs
        manifests = (m for table in pruning.tables for m in lake.manifests(table).values())
        named = {f.path for m in manifests if m.source.key not in leaving for f in (*m.files, *m.quarantine_files)}
        paths = [item.path for item in pruning.items if not item.path.startswith("_staging/")]
        chosen = sorted(set(paths) - named, key=lambda path: (not path.startswith("_manifest/"), path))
        lake.publish({}, drop=chosen)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _staging(lake: Lake) -> Iterable[tuple[Path, bool]]:
    """The staging folders of runs, and whether each run is alive."""
    for record in sorted(lake.path("_staging").glob("*.lock")):
        lock = FileLock(record)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield record.with_suffix(""), True
        else:
            lock.release()
            yield record.with_suffix(""), False
