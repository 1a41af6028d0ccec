"""What the lake need not keep: found first, so that it can be shown, then removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opensky_assets.calendar import NO_DAY, last_day_of
from opensky_assets.lake.lake import Lake
from opensky_assets.lake.manifest import Held, Manifest
from opensky_assets.progress import advance

UNNAMED = "no manifest names it"


@dataclass(frozen=True)
class Item:
    """A file or folder that may go: its path in the lake, why, and its bytes."""

    path: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What would go, and the manifests that go with it. `days`, by table: those that lose rows with vanished objects,
    so that what is made of them is to be made anew. What was made of expired ones stays."""

    tables: Sequence[str]
    items: Sequence[Item]
    leaving: Sequence[Manifest]
    held: Sequence[Held]
    days: Mapping[str, Sequence[str]]

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)


def past(lake: Lake, tables: Iterable[str], oldest_day: str) -> list[Manifest]:
    """The manifests of objects all of whose days are before `oldest_day`; not of those whose days are not known."""
    found = []
    for manifest in (m for table in tables for m in lake.manifests(table).values()):
        days = [day for day in manifest.days if day != NO_DAY]
        if days and max(map(last_day_of, days)) < oldest_day:
            found.append(manifest)
    return found


def find(
    lake: Lake,
    tables: Iterable[str],
    vanished: Iterable[Manifest] = (),
    gone_held: Iterable[Held] = (),
    expired: Iterable[Manifest] = (),
) -> Pruning:
    """Look for what may go: rows of the `vanished` objects and of the `expired` ones, records of objects held back
    and gone, folders of dead runs, and files of `tables` that no manifest names."""
    tables, vanished, gone_held = list(tables), list(vanished), list(gone_held)
    items: dict[str, Item] = {}

    def add(path: str, why: str) -> None:
        if file := lake.files.find(path):
            items.setdefault(path, Item(path, why, file.bytes))

    days: dict[str, set[str]] = {}
    expired = [manifest for manifest in expired if manifest not in vanished]
    whys = {m.source.key: f"the last day of {m.source.key} is older than the days to keep" for m in expired}
    for manifest in (*vanished, *expired):
        why = whys.get(manifest.source.key, f"{manifest.source.key} was deleted from the source")
        for output in (*manifest.files, *manifest.quarantine_files):
            add(output.path, why)
        add(f"_manifest/{manifest.table}/{manifest.source.key_hash}.json", why)
    for manifest in vanished:
        days.setdefault(manifest.table, set()).update(day for day, counts in manifest.days.items() if counts.written)
    for held in gone_held:
        why = f"{held.source.key} was held back and was deleted from the source"
        if held.quarantine_file:
            add(held.quarantine_file.path, why)
        add(f"_manifest/{held.table}/{held.source.key_hash}.held.json", why)
    for left in lake.files.unfinished():
        items[left.path] = Item(left.path, "left by a run that died", left.bytes)
    before = lake.files.leftovers_before()
    if before is not None:
        for table in tables:
            for file in lake.unnamed(table, before):
                items.setdefault(file.path, Item(file.path, UNNAMED, file.bytes))
    return Pruning(
        tables,
        sorted(items.values(), key=lambda item: item.path),
        [*vanished, *expired],
        gone_held,
        {table: sorted(found) for table, found in days.items()},
    )


def remove(lake: Lake, pruning: Pruning) -> None:
    """Remove what was found, but for what another run has published since. A manifest goes before its files, which
    count no longer from then on."""
    with lake.run() as run:  # which clears what dead runs left unfinished
        for done, manifest in enumerate(pruning.leaving, start=1):
            advance("objects removed", done, len(pruning.leaving))
            with lake.committing(manifest.table, manifest.source) as seen:
                if seen.manifest == manifest and seen.manifest.generation == manifest.generation:
                    lake.forget(manifest, run, seen)
        for held in pruning.held:
            with lake.committing(held.table, held.source) as seen:
                if seen.held == held:
                    lake.release(held)
        for table in pruning.tables:
            below = (f"raw/{table}/", f"quarantine/{table}/")
            lake.sweep(table, [i.path for i in pruning.items if i.why == UNNAMED and i.path.startswith(below)], run)
