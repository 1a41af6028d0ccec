"""What has arrived: the source's listing against what the listings before it saw, and the days to ask for.

The memory between two listings is a cursor of a few bytes a *slot*, never a byte an object. A slot is what stands and
falls together: a raw table's objects that hold the same days, or the aircraft tables. Only the objects of a slot that
has changed are compared, one by one, with the lake's manifests, which know exactly.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from opensky_assets.calendar import NO_DAY, Period, calendar, period_of_key
from opensky_assets.datasets import dataset_named, recognise, registered
from opensky_assets.ingest.arrival_runs import Asked, Due, add_due, runs
from opensky_assets.ingest.cursor import Memory
from opensky_assets.ingest.plan import RAW_TABLES, is_wanted, of_source, period_of, require_no_rows
from opensky_assets.ingest.slots import AIRCRAFT_SLOT, Slot, slots_of
from opensky_assets.lake import Lake, Manifest
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import ObjectStore, SourceObject

MOST_RUNS = 20
MOST_COMPARED = 50_000
"""Objects of changed slots that one look compares with their manifests, some 0.1 ms each; the next look goes on."""
MOST_UNREAD = 1_000
"""Objects of unknown days that the cursor remembers until they are read; more wait for a later look."""
PATIENCE = timedelta(days=7)
"""For how long an object of unknown days is looked for in the lake after it was asked for."""


@dataclass(frozen=True)
class Arrivals:
    """What a look at the source found. `aircraft` names the run that reads the aircraft tables, where they are new,
    `reference_missing` says that the lake has no reference tables yet; `waiting` slots are left to the next look."""

    asked: tuple[Asked, ...]
    aircraft: str | None
    reference_missing: bool
    objects: int
    waiting: int
    cursor: str


def look(
    store: ObjectStore,
    lake: Lake,
    settings: Settings,
    now: datetime,
    cursor: str | None,
    most_runs: int = MOST_RUNS,
    most_compared: int = MOST_COMPARED,
) -> Arrivals:
    """List the source and say what to ask for. Raises `SourceError` where it cannot be listed, or lists nothing though
    the lake has rows of it: nothing is seen then.

    `cursor` is what the look before gave. An object that the lake has in its listed version is not asked for, unless
    nothing was made of its days yet. Objects of days that are not over are left for tomorrow.
    """
    bounds = calendar(now.date())
    memory = Memory.from_cursor(cursor, hashlib.sha256(store.uri.encode()).hexdigest()[:16], int(now.timestamp()))
    slots, objects, landed = slots_of(store, bounds)
    if objects == landed:
        require_no_rows(store, of_source(lake.manifests(table) for table in RAW_TABLES))
    missing = not all(lake.exists(table.path) for table in (AIRCRAFT_DATABASE, AIRPORTS))
    aircraft = _look_at_aircraft(slots.pop(AIRCRAFT_SLOT, None), memory, lake, bounds, missing)
    memory.forget_slots({*slots, AIRCRAFT_SLOT} if aircraft.is_listed else slots, bounds.last)
    changed = [slots[name] for name in sorted(slots) if memory.slots.get(name) != slots[name].digest]
    changed.sort(key=lambda slot: slot.key.days is None)  # those of unknown days may have to wait for days: last
    chosen = _first(changed, most_compared)
    source = _Source.read(lake, chosen, _unread_in(slots, memory), bounds, settings)
    found = _look_at_slots(chosen, _unread_in(slots, memory), memory, source, now.date())
    asked = _runs_for(found, slots, memory, source, most_runs)
    waiting = len(changed) - len(found.slots)
    return Arrivals(tuple(asked), aircraft.run, missing, objects, waiting, memory.to_cursor())


def _first(changed: list[Slot], most: int) -> list[Slot]:
    """As many slots as have no more objects than that; one at least."""
    chosen: list[Slot] = []
    objects = 0
    for slot in changed:
        objects += len(slot.items)
        if chosen and objects > most:
            break
        chosen.append(slot)
    return chosen


@dataclass(frozen=True)
class _Aircraft:
    """`is_listed`: the source has aircraft tables; `run` names the run that reads them, where they are new."""

    is_listed: bool
    run: str | None = None


def _look_at_aircraft(slot: Slot | None, memory: Memory, lake: Lake, bounds: Period, missing: bool) -> _Aircraft:
    """Whether the aircraft tables are to be read: they have changed, and the lake does not have them as they are."""
    if slot is None:
        return _Aircraft(False)
    if memory.slots.get(AIRCRAFT_SLOT) == slot.digest:
        return _Aircraft(True)
    memory.slots[AIRCRAFT_SLOT] = slot.digest
    there = _Known.read(lake, [slot], bounds)
    if missing or any(there.days(AIRCRAFT_DATABASE.name, item) is None for item in slot.items):
        return _Aircraft(True, memory.look([slot.digest]))
    return _Aircraft(True)


# --- what the lake knows -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """Manifests of some objects, by table and key."""

    manifests: Mapping[str, Mapping[str, Manifest]]
    bounds: Period

    @staticmethod
    def read(lake: Lake, slots: Iterable[Slot], bounds: Period) -> _Known:
        hashes: defaultdict[str, set[str]] = defaultdict(set)
        for slot in slots:
            for table in slot.key.tables:
                hashes[table].update(item.key_hash for item in slot.items)
        return _Known({table: lake.manifests_at(table, names) for table, names in hashes.items()}, bounds)

    def get(self, table: str, item: SourceObject) -> Manifest | None:
        return self.manifests.get(table, {}).get(item.key)

    def days(self, table: str, item: SourceObject) -> list[str] | None:
        """The days of an object that the lake has in this version; `None` where it has not, or not all of them."""
        manifest = self.get(table, item)
        if manifest is None or manifest.source != item:
            return None
        if manifest.later and manifest.may_give_more(period_of(recognise(item.key), self.bounds)):
            return None
        return list(manifest.days)

    def later(self, table: str, item: SourceObject) -> date | None:
        """From which day on the object is to be read again."""
        manifest = self.get(table, item)
        return manifest.later if manifest is not None else None


@dataclass(frozen=True)
class _Source:
    """What the lake knows, of which days marts were made, by table, and which days may be asked for."""

    known: _Known
    followed: Mapping[str, frozenset[str]]
    bounds: Period
    settings: Settings

    @staticmethod
    def read(lake: Lake, chosen: list[Slot], unread: list[Slot], bounds: Period, settings: Settings) -> _Source:
        known = _Known.read(lake, [*unread, *chosen], bounds)
        tables = {table for slot in chosen for table in slot.key.tables}
        paths = {d.name: d.followed_by for d in registered() if d.name in tables and d.followed_by}
        days = {path: frozenset(lake.days(path)) for path in set(paths.values())}
        return _Source(known, {table: days[path] for table, path in paths.items()}, bounds, settings)

    def askable(self, days: Iterable[str]) -> list[str]:
        """Those of `days` that are days, have a partition and are let through by the filters."""
        found = ((day, period_of_key(day, self.bounds)) for day in days if day != NO_DAY)
        return [day for day, period in found if period.first <= period.last and is_wanted(period, self.settings)]

    def unfollowed(self, table: str, days: Iterable[str]) -> list[str]:
        """Of the days that the lake has of a table, those of which nothing was made yet. Where no table would tell,
        something was."""
        if table not in self.followed:
            return []
        return [day for day in self.askable(days) if day not in self.followed[table]]

    def partition_to_read(self, table: str) -> str:
        """The partition that is asked for so that objects of unknown days get read."""
        dataset = dataset_named(table)
        assert dataset is not None
        return dataset.partitions.key_of(self.bounds.last.isoformat())


# --- what a changed slot asks for ----------------------------------------------------------------------------------


@dataclass
class _Look:
    """What the looked-at slots ask for. `slots`: those that are remembered as seen; `before`: their digests in the
    memory of the look before; `name`: of the look."""

    name: str
    before: dict[str, str]
    due: Due = field(default_factory=lambda: Due(set))
    to_read: Due = field(default_factory=lambda: Due(set))
    slots: list[Slot] = field(default_factory=list)


def _look_at_slots(chosen: list[Slot], unread: list[Slot], memory: Memory, source: _Source, today: date) -> _Look:
    """Compare the objects of the chosen slots with their manifests, one by one."""
    found = _Look(memory.look(slot.digest for slot in chosen), dict(memory.slots))
    _settle_unread(memory, unread, source, today, found.due)
    for slot in chosen:
        if slot.key.days is not None:
            _take(slot, source, found.due)
        elif not _take_unknown(slot, memory, source, today, found):
            continue
        memory.slots[slot.name] = slot.digest
        found.slots.append(slot)
    return found


def _take(slot: Slot, source: _Source, due: Due) -> None:
    (table,) = slot.key.tables
    for item in slot.items:
        days = source.known.days(table, item)
        if days is not None:
            add_due(due, source.unfollowed(table, days), table)
        else:  # an older version's days lose their rows
            manifest = source.known.get(table, item)
            add_due(due, source.askable([*(slot.key.days or ()), *(manifest.days if manifest else ())]), table)


def _take_unknown(slot: Slot, memory: Memory, source: _Source, today: date, found: _Look) -> bool:
    """Ask for the reading of objects whose names do not tell their days; whether the cursor could take them all."""
    for item in slot.items:
        days = {table: days for table in slot.key.tables if (days := source.known.days(table, item)) is not None}
        if table := next(iter(days), None):
            if slot.name not in memory.slots:  # later ones are followed since they were asked for
                add_due(found.due, source.unfollowed(table, days[table]), table)
            memory.note_later(slot.name, source.known.later(table, item))
            continue
        if memory.unread.get(item.key_hash, ("", ""))[0] == item.etag:
            continue
        if len(memory.unread) >= MOST_UNREAD:
            return False
        memory.unread[item.key_hash] = (item.etag, today.isoformat())
        for table in slot.key.tables:
            add_due(found.to_read, [source.partition_to_read(table)], table)
    return True


def _unread_in(slots: Mapping[str, Slot], memory: Memory) -> list[Slot]:
    """The slots of unknown days with nothing but their objects that were asked for and not read yet."""
    if not memory.unread:
        return []
    unknown = [slot for slot in slots.values() if slot.key.days is None]
    return [
        Slot(slot.key, items)
        for slot in unknown
        if (items := [item for item in slot.items if item.key_hash in memory.unread])
    ]


def _settle_unread(memory: Memory, unread: list[Slot], source: _Source, today: date, due: Due) -> None:
    """Ask for the days of objects that were read since they were asked for, and forget those that are gone."""
    there = {item.key_hash: (slot, item) for slot in unread for item in slot.items}
    for name, (etag, since) in list(memory.unread.items()):
        if name not in there or there[name][1].etag != etag or today - date.fromisoformat(since) > PATIENCE:
            del memory.unread[name]
            continue
        slot, item = there[name]
        for table in slot.key.tables:
            days = source.known.days(table, item)
            if days is not None:
                add_due(due, source.askable(days), table)
                memory.note_later(slot.name, source.known.later(table, item))
                del memory.unread[name]
                break


# --- few runs ------------------------------------------------------------------------------------------------------


def _runs_for(found: _Look, slots: Mapping[str, Slot], memory: Memory, source: _Source, most_runs: int) -> list[Asked]:
    """The runs for what was found: those of known days first, then those that only read."""
    asked = runs(found.due, found.name, most_runs)
    name = found.name
    if source.settings.filters.file_limit:
        asked = [_cut(run, found, memory, source) for run in asked]
        name = _ask_for_unread(memory, _unread_in(slots, memory), slots, source, found.to_read)
    read_anyway = {table for run in asked for table in run.tables}
    for day, tables in found.to_read.items():
        if not tables <= read_anyway:
            asked.append(Asked(day, day, tuple(sorted(tables)), name, only_read=True))
    return asked


# --- what OPENSKY_FILE_LIMIT leaves to later runs ------------------------------------------------------------------


def _cut(run: Asked, found: _Look, memory: Memory, source: _Source) -> Asked:
    """The run, which reads no more than `OPENSKY_FILE_LIMIT` objects a table. Where more are due, their slots are not
    remembered as seen, so that each look asks again; the run has a new name, and so is a new one, each time that the
    lake got a limit of them. A run that reads nothing keeps its name, and is not asked for again."""
    limit = source.settings.filters.file_limit or 0
    days = set(run.days)
    batches: dict[str, int] = {}
    names: list[str] = []
    for table in run.tables:
        of_table = [slot for slot in found.slots if slot.key.tables == (table,)]
        of_run = [slot for slot in of_table if days.intersection(slot.key.days or ())]
        due = sum(source.known.days(table, item) is None for slot in of_run for item in slot.items)
        if due > limit:
            batches[table] = -(-due // limit)
            names += [f"{slot.name} {slot.digest} {found.before.get(slot.name, '')}" for slot in of_run]
            for slot in of_run:
                memory.slots.pop(slot.name, None)
                if slot.name in found.before:
                    memory.slots[slot.name] = found.before[slot.name]
    return replace(run, name=memory.name([*names, f"{batches}"])) if batches else run


def _ask_for_unread(
    memory: Memory, unread: list[Slot], slots: Mapping[str, Slot], source: _Source, to_read: Due
) -> str:
    """The same for the objects of unknown days: as long as some are not read, with a name for each limit of them."""
    for slot in unread:
        for table in slot.key.tables:
            add_due(to_read, [source.partition_to_read(table)], table)
    objects = sum(len(slot.items) for slot in unread)
    batches = -(-objects // (source.settings.filters.file_limit or 1))
    return memory.name({f"{slot.name} {slots[slot.name].digest}" for slot in unread} | {f"{batches}"})
