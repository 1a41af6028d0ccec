"""Slots: what stands and falls together in a listing. A raw table's objects that hold the same days, the objects of
unknown days of one month or folder, or the aircraft tables."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache

from opensky_assets.calendar import Partitions, Period
from opensky_assets.datasets import Dataset, dataset_named, recognise, registered
from opensky_assets.ingest.plan import is_left_alone, period_of
from opensky_assets.schemas import AIRCRAFT_DATABASE
from opensky_assets.sources.keys import is_metadata, may_hold_rows
from opensky_assets.storage.landing import is_landed
from opensky_assets.storage.objects import ObjectStore, SourceObject

AIRCRAFT_SLOT = "a"
_UNKNOWN = "u"
_DAY_IN_KEY = re.compile(r"(20\d\d)-?(\d\d)-?\d\d")


@dataclass(frozen=True)
class SlotKey:
    """A slot by its name. `tables`: those its objects can be of. `days` are those that all its objects share by their
    names; `None`: their names do not tell."""

    name: str
    tables: tuple[str, ...]
    days: tuple[str, ...] | None


@dataclass
class Slot:
    """The objects of a slot that the source lists now."""

    key: SlotKey
    items: list[SourceObject] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.key.name

    @cached_property
    def digest(self) -> str:
        """48 bits over the objects and their versions, in whatever order they were listed."""
        total = 0
        for item in self.items:
            told = f"{item.key}\0{item.size}\0{item.etag}".encode()
            total += int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())
        return base64.b85encode((total % (1 << 48)).to_bytes(6)).decode()


def slots_of(store: ObjectStore, bounds: Period) -> tuple[dict[str, Slot], int, int]:
    """The slots of all objects that can be asked for, how many objects are listed, and how many of them are landed."""
    slots: dict[str, Slot] = {}
    objects = landed = 0
    for item in store.list():
        objects += 1
        landed += is_landed(item.key)
        if key := slot_of(item.key, bounds):
            if key.name not in slots:
                slots[key.name] = Slot(key)
            slots[key.name].items.append(item)
    return slots, objects, landed


def slot_of(key: str, bounds: Period) -> SlotKey | None:
    """The slot of an object; `None`: not to be asked for."""
    if is_left_alone(key):
        return None
    if facts := recognise(key):
        dataset = dataset_named(facts.table)
        assert dataset is not None
        if not dataset.promises(facts):
            return _unknown(dataset, key)
        inside = period_of(facts, bounds)
        first = facts.period.first if facts.period else inside.first
        if inside.first > inside.last:
            return None
        return _dated(dataset.name, dataset.slots, dataset.partitions, first, inside)
    if is_metadata(key):
        return SlotKey(AIRCRAFT_SLOT, (AIRCRAFT_DATABASE.name,), None)
    return _unknown(None, key) if may_hold_rows(key) else None


@lru_cache(maxsize=1 << 14)
def _dated(table: str, slots: str, partitions: Partitions, first: date, inside: Period) -> SlotKey:
    """The slot of objects whose names tell the days `inside`, beginning with `first`, be it outside the calendar. It
    has another name each day as long as the last of its days is not over."""
    days = tuple(partitions.keys_of(inside))
    if partitions is Partitions.NONE:
        return SlotKey(slots, (table,), days)
    until = f"-{inside.last:%Y%m%d}" if inside.last > first else ""
    return SlotKey(f"{slots}{first:%Y%m%d}{until}", (table,), days)


def _unknown(dataset: Dataset | None, key: str) -> SlotKey:
    """A slot by the month in the key, else by its folder, of which there may be any number. Without a dataset, the
    objects can be of any table whose objects are told by their first bytes."""
    months = _DAY_IN_KEY.findall(key)
    bucket = "".join(months[-1]) if months else f"{zlib.crc32(key.rpartition('/')[0].encode()) % 64:02d}"
    if dataset is not None:
        return SlotKey(f"{_UNKNOWN}{dataset.slots}{bucket}", (dataset.name,), None)
    return SlotKey(f"{_UNKNOWN}{bucket}", tuple(d.name for d in registered() if d.header or d.answers), None)
