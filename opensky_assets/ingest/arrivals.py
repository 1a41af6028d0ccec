"""What has arrived: the source's listing against what the listings before it saw, and the days to ask for.

The memory between two listings is a cursor of a few bytes a *slot*, never a byte an object. A slot is what stands and
falls together: a raw table's objects that hold the same days, or the aircraft tables. Only the objects of a slot that
has changed are compared, one by one, with the lake's manifests, which know exactly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from opensky_assets.calendar import Period, calendar, days_of
from opensky_assets.ingest.plan import RAW_TABLES, is_left_alone, period_of, require_no_rows
from opensky_assets.lake import Lake, Manifest
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS, DATA_QUALITY_DAILY
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import is_metadata, may_hold_rows, read_key
from opensky_assets.storage.objects import ObjectStore, SourceObject

MOST_RUNS = 20
MOST_COMPARED = 50_000
"""Objects of changed slots that one look compares with their manifests, some 0.1 ms each; the next look goes on."""
MOST_UNREAD = 1_000
"""Objects of unknown days that the cursor remembers until they are read; more wait for a later look."""
PATIENCE = timedelta(days=7)
"""For how long an object of unknown days is looked for in the lake after it was asked for."""

AIRCRAFT_SLOT = "a"
_DAY_IN_KEY = re.compile(r"(20\d\d)-?(\d\d)-?\d\d")


@dataclass(frozen=True)
class Asked:
    """One run: the days `first` to `last` (both included) of these raw tables and all that follows from them.

    With `only_read`, nothing follows yet: the run is for objects whose names do not tell their days.
    `name` tells it from every other run, also from one for the same objects in the same versions: that may have
    failed, or its rows may be gone since.
    """

    first: str
    last: str
    tables: tuple[str, ...]
    name: str
    only_read: bool = False

    @property
    def days(self) -> list[str]:
        return list(days_of(Period(date.fromisoformat(self.first), date.fromisoformat(self.last))))


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


@dataclass
class _Memory:
    """What the cursor holds: a digest a slot, and the objects of unknown days that were asked for and not read yet,
    as hash of the key → ETag and the day they were asked for; `later`, the day from which on a slot of such objects has
    more to give, since they hold rows of it, and it was not over. `born`, the unix time at which it began, and the
    number of `looks` since name what a look asks for."""

    source: str
    born: int
    looks: int = 0
    slots: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    unread: dict[str, tuple[str, str]] = field(default_factory=dict)

    @staticmethod
    def from_cursor(cursor: str | None, source: str, now: int) -> _Memory:
        """An empty one where there is no cursor, or one of another source or of before memories were born."""
        known = json.loads(zlib.decompress(base64.b85decode(cursor))) if cursor else {}
        if known.get("source") != source or "born" not in known:
            return _Memory(source, now)
        unread = {name: tuple(facts) for name, facts in known["unread"].items()}
        return _Memory(source, known["born"], known["looks"] + 1, known["slots"], known["later"], unread)

    def look(self, digests: Iterable[str]) -> str:
        """A name that is the same for another look with the same cursor at the same objects."""
        return f"{self.born}.{self.looks}.{hashlib.sha256(''.join(sorted(digests)).encode()).hexdigest()[:8]}"

    def note_later(self, slot: str, day: date | None) -> None:
        if day:
            self.later[slot] = min(day.isoformat(), self.later.get(slot, day.isoformat()))

    def to_cursor(self) -> str:
        text = json.dumps(asdict(self), separators=(",", ":"))
        return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


_Due = defaultdict[str, set[str]]
"""What is asked for: by day, the raw tables."""


def _add(due: _Due, days: Iterable[str], table: str) -> None:
    for day in days:
        due[day].add(table)


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
    today = now.date()
    bounds = calendar(today)
    memory = _Memory.from_cursor(cursor, hashlib.sha256(store.uri.encode()).hexdigest()[:16], int(now.timestamp()))
    slots: defaultdict[str, list[SourceObject]] = defaultdict(list)
    objects = 0
    for item in store.list():
        objects += 1
        if slot := _slot(item.key, bounds):
            slots[slot].append(item)
    if not objects:
        require_no_rows(store, sum(len(lake.manifests(table)) for table in RAW_TABLES))
    digests = {slot: _digest(items) for slot, items in slots.items()}
    missing = not all(lake.exists(table.path) for table in (AIRCRAFT_DATABASE, AIRPORTS))
    aircraft = None
    if AIRCRAFT_SLOT in slots and memory.slots.get(AIRCRAFT_SLOT) != digests[AIRCRAFT_SLOT]:
        dumps = slots[AIRCRAFT_SLOT]
        there = _Known.read(lake, [(AIRCRAFT_DATABASE.name, item) for item in dumps], bounds)
        if missing or any(there.days(AIRCRAFT_DATABASE.name, item) is None for item in dumps):
            aircraft = memory.look([digests[AIRCRAFT_SLOT]])
        memory.slots[AIRCRAFT_SLOT] = digests[AIRCRAFT_SLOT]
    ripe = {slot for slot, day in memory.later.items() if day <= bounds.last.isoformat()}
    memory.later = {slot: day for slot, day in memory.later.items() if slot in slots and slot not in ripe}
    memory.slots = {slot: digest for slot, digest in memory.slots.items() if slot in slots and slot not in ripe}
    changed = sorted(slot for slot, digest in digests.items() if memory.slots.get(slot) != digest)
    chosen = _first(changed, slots, most_compared)
    listed = [(slot, item) for slot in slots if slot.startswith("u") for item in slots[slot]] if memory.unread else []
    unread = [(slot, item) for slot, item in listed if item.key_hash in memory.unread]
    looked_at = [*unread, *((slot, item) for slot in chosen for item in slots[slot])]
    known = _Known.read(lake, [(table, item) for slot, item in looked_at for table in _tables_of(slot)], bounds)
    followed = frozenset(lake.days(DATA_QUALITY_DAILY.path)) if chosen else frozenset[str]()
    source = _Source(known, followed, bounds, settings)
    due, to_read, name = _Due(set), _Due(set), memory.look(digests[slot] for slot in chosen)
    _settle_unread(memory, unread, source, today, due)
    seen_before = dict(memory.slots)
    done = 0
    for slot in chosen:
        before = memory.slots.get(slot, "")
        if slot.startswith("u"):
            if not _take_unknown(slot, slots[slot], before, memory, source, today, due, to_read):
                break
        else:
            _take(slot, slots[slot], source, due)
        memory.slots[slot] = digests[slot]
        done += 1
    asked = runs(due, name, most_runs)
    if settings.file_limit:
        taken = {slot: slots[slot] for slot in chosen[:done] if not slot.startswith("u")}
        asked = [_cut(run, taken, digests, seen_before, memory, source) for run in asked]
        name = _ask_for_unread(memory, slots, source, settings.file_limit, to_read)
    read_anyway = {table for run in asked for table in run.tables}
    for day, tables in to_read.items():
        if not tables <= read_anyway:
            asked.append(Asked(day, day, tuple(sorted(tables)), name, only_read=True))
    return Arrivals(tuple(asked), aircraft, missing, objects, len(changed) - done, memory.to_cursor())


# --- slots ---------------------------------------------------------------------------------------------------------


def _slot(key: str, bounds: Period) -> str | None:
    """The slot of an object: `f`, `s` its table and its days; `u` for unknown days; `None`: not to be asked for."""
    if is_left_alone(key):
        return None
    facts = read_key(key)
    if facts is not None and facts.period is not None:
        inside = facts.period.within(bounds)
        return _dated(facts.table, facts.period.first, inside.last) if inside.first <= inside.last else None
    if facts is not None:
        return _unknown(facts.table, key)
    if is_metadata(key):
        return AIRCRAFT_SLOT
    return _unknown("", key) if may_hold_rows(key) else None


@lru_cache(maxsize=1 << 14)
def _dated(table: str, first: date, last: date) -> str:
    return f"{table[0]}{first:%Y%m%d}" + (f"-{last:%Y%m%d}" if last > first else "")


def _unknown(table: str, key: str) -> str:
    """By the month in the key, else by its folder, of which there may be any number."""
    months = _DAY_IN_KEY.findall(key)
    bucket = "".join(months[-1]) if months else f"{zlib.crc32(key.rpartition('/')[0].encode()) % 64:02d}"
    return f"u{table[:1]}{bucket}"


def _days_of_slot(slot: str, bounds: Period) -> list[str]:
    first, _, last = slot[1:].partition("-")
    period = Period(date.fromisoformat(first), date.fromisoformat(last or first))
    return list(days_of(period.within(bounds)))


_TABLES = {name[0]: name for name in RAW_TABLES}


def _tables_of(slot: str) -> list[str]:
    if not slot.startswith("u"):
        return [_TABLES[slot[0]]]
    return [_TABLES[slot[1]]] if slot[1] in _TABLES else list(RAW_TABLES)


def _digest(items: Iterable[SourceObject]) -> str:
    """48 bits over the objects and their versions, in whatever order they were listed."""
    total = 0
    for item in items:
        told = f"{item.key}\0{item.size}\0{item.etag}".encode()
        total += int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())
    return base64.b85encode((total % (1 << 48)).to_bytes(6)).decode()


def _name(facts: Iterable[str], memory: _Memory) -> str:
    """The same for the same facts as long as the memory lives."""
    return hashlib.sha256("\n".join([str(memory.born), *sorted(facts)]).encode()).hexdigest()[:16]


# --- what a changed slot asks for ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """Manifests of some objects, by table and key."""

    manifests: Mapping[str, Mapping[str, Manifest]]
    bounds: Period

    @staticmethod
    def read(lake: Lake, wanted: Iterable[tuple[str, SourceObject]], bounds: Period) -> _Known:
        hashes: defaultdict[str, set[str]] = defaultdict(set)
        for table, item in wanted:
            hashes[table].add(item.key_hash)
        return _Known({table: lake.manifests_at(table, names) for table, names in hashes.items()}, bounds)

    def get(self, table: str, item: SourceObject) -> Manifest | None:
        return self.manifests.get(table, {}).get(item.key)

    def days(self, table: str, item: SourceObject) -> list[str] | None:
        """The days of an object that the lake has in this version; `None` where it has not, or not all of them."""
        manifest = self.get(table, item)
        if manifest is None or manifest.source != item:
            return None
        if manifest.later and manifest.may_give_more(period_of(read_key(item.key), self.bounds)):
            return None
        return list(manifest.days)

    def later(self, table: str, item: SourceObject) -> date | None:
        """From which day on the object is to be read again."""
        manifest = self.get(table, item)
        return manifest.later if manifest is not None else None


@dataclass(frozen=True)
class _Source:
    """What the lake knows, the days of which marts were made, and which days may be asked for."""

    known: _Known
    followed: frozenset[str]
    bounds: Period
    settings: Settings

    def askable(self, days: Iterable[str]) -> list[str]:
        """Those of `days` that are days, have a partition and are let through by the filters."""
        found = (day for day in days if day[:1].isdigit())
        return [day for day in found if (at := date.fromisoformat(day)) in self.bounds and self.settings.wants(at)]

    def unfollowed(self, days: Iterable[str]) -> list[str]:
        return [day for day in self.askable(days) if day not in self.followed]


def _first(changed: list[str], slots: Mapping[str, list[SourceObject]], most: int) -> list[str]:
    """As many slots as have no more objects than that; one at least."""
    chosen: list[str] = []
    objects = 0
    for slot in changed:
        objects += len(slots[slot])
        if chosen and objects > most:
            break
        chosen.append(slot)
    return chosen


def _take(slot: str, items: list[SourceObject], source: _Source, due: _Due) -> None:
    (table,) = _tables_of(slot)
    named = _days_of_slot(slot, source.bounds)
    for item in items:
        days = source.known.days(table, item)
        if days is not None:
            _add(due, source.unfollowed(days), table)
        else:  # an older version's days lose their rows
            manifest = source.known.get(table, item)
            _add(due, source.askable([*named, *(manifest.days if manifest else ())]), table)


def _take_unknown(
    slot: str,
    items: list[SourceObject],
    before: str,
    memory: _Memory,
    source: _Source,
    today: date,
    due: _Due,
    to_read: _Due,
) -> bool:
    """Ask for the reading of objects whose names do not tell their days; whether the cursor could take them all."""
    tables = _tables_of(slot)
    for item in items:
        table = next((table for table in tables if source.known.days(table, item) is not None), None)
        if table is not None:
            if not before:  # later ones are followed since they were asked for
                _add(due, source.unfollowed(source.known.days(table, item) or ()), table)
            memory.note_later(slot, source.known.later(table, item))
            continue
        asked_for = memory.unread.get(item.key_hash)
        if asked_for is not None and asked_for[0] == item.etag:
            continue
        if len(memory.unread) >= MOST_UNREAD:
            return False
        memory.unread[item.key_hash] = (item.etag, today.isoformat())
        for table in tables:
            _add(to_read, [source.bounds.last.isoformat()], table)
    return True


def _settle_unread(
    memory: _Memory, listed: Iterable[tuple[str, SourceObject]], source: _Source, today: date, due: _Due
) -> None:
    """Ask for the days of objects that were read since they were asked for, and forget those that are gone."""
    there = {item.key_hash: (slot, item) for slot, item in listed}
    for name, (etag, since) in list(memory.unread.items()):
        slot, item = there.get(name, ("", None))
        if item is None or item.etag != etag or today - date.fromisoformat(since) > PATIENCE:
            del memory.unread[name]
            continue
        for table in _tables_of(slot):
            days = source.known.days(table, item)
            if days is not None:
                _add(due, source.askable(days), table)
                memory.note_later(slot, source.known.later(table, item))
                del memory.unread[name]
                break


# --- what OPENSKY_FILE_LIMIT leaves to later runs ------------------------------------------------------------------


def _cut(
    run: Asked,
    taken: Mapping[str, list[SourceObject]],
    digests: Mapping[str, str],
    before: Mapping[str, str],
    memory: _Memory,
    source: _Source,
) -> Asked:
    """The run, which reads no more than `OPENSKY_FILE_LIMIT` objects a table. Where more are due, their slots are not
    remembered as seen, so that each look asks again; the run has a new name, and so is a new one, each time that the
    lake got a limit of them. A run that reads nothing keeps its name, and is not asked for again."""
    limit = source.settings.file_limit or 0
    days = set(run.days)
    batches: dict[str, int] = {}
    names: list[str] = []
    for table in run.tables:
        of_table = [slot for slot in taken if _tables_of(slot) == [table]]
        of_run = [slot for slot in of_table if days.intersection(_days_of_slot(slot, source.bounds))]
        due = [slot for slot in of_run for item in taken[slot] if source.known.days(table, item) is None]
        if len(due) > limit:
            batches[table] = -(-len(due) // limit)
            names += [f"{slot} {digests[slot]} {before.get(slot, '')}" for slot in of_run]
            for slot in of_run:
                memory.slots.pop(slot, None)
                if slot in before:
                    memory.slots[slot] = before[slot]
    return replace(run, name=_name([*names, f"{batches}"], memory)) if batches else run


def _ask_for_unread(
    memory: _Memory, slots: Mapping[str, list[SourceObject]], source: _Source, limit: int, to_read: _Due
) -> str:
    """The same for the objects of unknown days: as long as some are not read, with a name for each limit of them."""
    unread = [
        (slot, item) for slot in slots if slot.startswith("u") for item in slots[slot] if item.key_hash in memory.unread
    ]
    day = source.bounds.last.isoformat()
    for slot, _ in unread:
        to_read[day] |= set(_tables_of(slot))
    return _name({f"{slot} {_digest(slots[slot])}" for slot, _ in unread} | {f"{-(-len(unread) // limit)}"}, memory)


# --- few runs ------------------------------------------------------------------------------------------------------


def runs(tables: Mapping[str, set[str]], name: str, most: int) -> list[Asked]:
    """Runs of contiguous days with the same tables; where they are more than `most`, neighbours are joined over the
    shortest gaps first."""
    spans: list[tuple[date, date, set[str]]] = []
    for text in sorted(tables):
        day = date.fromisoformat(text)
        if spans and spans[-1][1] + timedelta(days=1) == day and spans[-1][2] == tables[text]:
            spans[-1] = (spans[-1][0], day, spans[-1][2])
        else:
            spans.append((day, day, set(tables[text])))
    if len(spans) > most:
        gaps = sorted(range(1, len(spans)), key=lambda at: (spans[at][0] - spans[at - 1][1], at))
        joined = set(gaps[: len(spans) - most])
        kept: list[tuple[date, date, set[str]]] = []
        for at, (first, last, wanted) in enumerate(spans):
            if at in joined:
                kept[-1] = (kept[-1][0], last, kept[-1][2] | wanted)
            else:
                kept.append((first, last, wanted))
        spans = kept
    return [Asked(first.isoformat(), last.isoformat(), tuple(sorted(wanted)), name) for first, last, wanted in spans]
