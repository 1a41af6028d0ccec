"""What there is to do: the source's objects against the lake's manifests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath

from opensky_assets.calendar import Partitions, Period, calendar, days_of
from opensky_assets.datasets import contracts, dataset_named, recognise, registered
from opensky_assets.ingest.aircraft_dialects import sniff_dialect
from opensky_assets.ingest.answers import is_answer, table_of_answer
from opensky_assets.ingest.container import UNPACKING_ERRORS, CountingReader, plain
from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.layout import WrongHeader, read_layout
from opensky_assets.lake import Lake, LakeError, Manifest
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS, STATE_VECTORS, Contract
from opensky_assets.settings import Settings
from opensky_assets.sources.keys import OTHER_FORMAT, SIMULATED_MARKER, KeyFacts, is_metadata, may_hold_rows
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.landing import LANDING, MARKER, is_landed
from opensky_assets.storage.objects import ObjectStore, SourceObject
from opensky_assets.wording import plural

RAW_TABLES: Mapping[str, Contract] = contracts()
"""The contract of each raw table, also of one that is registered later."""

AIRCRAFT_LAKE_BYTES_PER_SOURCE_BYTE = 0.1
"""Aircraft tables are plain text."""

_HEAD_BYTES = 64 << 10


class Status(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    """Also where a day is over now that was not when the object was read."""
    OUTDATED = "outdated"
    """The object is as it was, but another contract or code wrote its rows; read again on request only."""
    BROKEN = "broken"
    """The object is as it was, but files of it are gone from the lake or have another size: it is read again."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Planned:
    """One recognised object. `days` are those it gave (unchanged) or may give by its name; `None`: not told by the
    name, so it has to be read to know. Of a table by year, or without partitions, they are its partitions. `facts` is
    what the key tells."""

    source: SourceObject
    table: str
    status: Status
    period: Period
    days: tuple[str, ...] | None
    facts: KeyFacts | None = None

    def is_due(self, refresh: bool = False) -> bool:
        """Whether it is to be read; with `refresh`, also where only the contract or the code is newer."""
        return self.status is not Status.UNCHANGED and (refresh or self.status is not Status.OUTDATED)

    def touches(self, days: set[str]) -> bool:
        return self.days is None or not days.isdisjoint(self.days)


@dataclass(frozen=True)
class Plan:
    """The source as it stands against the lake as it stands."""

    objects: tuple[Planned, ...]
    vanished: tuple[Manifest, ...]
    unrecognised: Mapping[str, str]
    """Key → why it is no object of any table."""
    outside_calendar: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    """One message for each object whose header was to tell its table, and could not be read now."""
    listed: frozenset[str] = frozenset()
    """The keys of all objects of the source."""
    other_members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key → members of the object's tar that were not read, where the lake knows."""

    def is_gone(self, key: str) -> bool:
        """Whether no object of the key is to be ingested any more, whatever the filters say."""
        return key not in self.listed or key in self.unrecognised or key in self.outside_calendar

    def of(self, table: str, days: Iterable[str] | None = None) -> list[Planned]:
        """The objects of a table, oldest first, of some days or all."""
        wanted = None if days is None else set(days)
        found = [o for o in self.objects if o.table == table and (wanted is None or o.touches(wanted))]
        return sorted(found, key=lambda o: (o.period.first, o.source.key))

    def days(self, first: date, last: date) -> list[str]:
        """Days in between, both included, for which some raw table has, or may have, rows. Objects whose name does
        not tell their days count only once they were read."""
        daily = set(tables_by(Partitions.DAY))
        known = {day for o in self.objects if o.table in daily for day in o.days or ()}
        return sorted(day for day in known if first.isoformat() <= day <= last.isoformat())

    def other_partitions(self, first: date, last: date, due: Callable[[Planned], bool]) -> dict[str, list[str]]:
        """By raw table that is not by day: the years, or `all`, from `first` to `last` for which it has, or may have,
        rows of objects that are `due`."""
        found = {}
        for table in tables_by(Partitions.YEAR, Partitions.NONE):
            keys = RAW_TABLES[table].partitions.keys_of(Period(first, last))
            objects = [o for o in self.of(table, keys) if due(o)]
            told = {key for o in objects for key in (keys[-1:] if o.days is None else o.days)}
            if partitions := sorted(told.intersection(keys)):
                found[table] = partitions
        return found


def lake_bytes(objects: Iterable[Planned]) -> int:
    """What the objects are expected to take in the lake."""
    return round(sum(o.source.size * lake_bytes_per_source_byte(o.table) for o in objects))


def lake_bytes_per_source_byte(table: str) -> float:
    """Bytes in the lake of a byte of the source, with all that is made of it."""
    dataset = dataset_named(table)
    return dataset.lake_bytes_per_source_byte if dataset else AIRCRAFT_LAKE_BYTES_PER_SOURCE_BYTE


def tables_by(*kinds: Partitions) -> list[str]:
    """The raw tables with partitions of one of these kinds."""
    return [dataset.name for dataset in registered() if dataset.partitions in kinds]


def require_space(lake: Lake, objects: Iterable[Planned]) -> None:
    """Raise `LakeError` where the objects are expected to take more than the lake's disk has free."""
    needed, free = lake_bytes(objects), lake.files.free_bytes()
    if free is not None and needed > free:
        raise LakeError(
            f"the run needs about {needed / 1e9:.2f} GB in the lake {lake}, but its disk has {free / 1e9:.2f} GB free: "
            "free some space, set OPENSKY_LAKE to a larger disk, take fewer days, or set OPENSKY_FILE_LIMIT"
        )


def period_of(facts: KeyFacts | None, bounds: Period) -> Period:
    """The days, of those in `bounds`, that an object may hold by its key."""
    return (facts.period if facts and facts.period else bounds).within(bounds)


def make_plan(store: ObjectStore, lake: Lake, settings: Settings, today: date) -> Plan:
    """List the source and compare. Raises `SourceError` where it cannot be listed, or lists nothing though the lake has
    rows of it."""
    tables = [*RAW_TABLES, AIRCRAFT_DATABASE.name]
    manifests = {table: lake.manifests(table) for table in tables}
    broken = {table: lake.broken_keys(table, found.values()) for table, found in manifests.items()}
    planned: list[Planned] = []
    unrecognised = dict(store.left_out())
    outside: list[str] = []
    unreadable: list[str] = []
    seen: set[str] = set()
    for item in store.list():
        seen.add(item.key)
        if is_left_alone(item.key):
            continue
        try:
            table, period = _recognise(store, item, today, manifests)
        except SourceError as error:
            unreadable.append(str(error))
        except _Unrecognised as reason:
            unrecognised[item.key] = str(reason)
        else:
            if period.first > period.last:
                outside.append(item.key)
            elif table not in RAW_TABLES or is_wanted(period, settings):
                manifest = manifests[table].get(item.key)
                planned.append(_compare(item, table, period, manifest, item.key in broken[table]))
    if all(map(is_landed, seen)):
        require_no_rows(store, of_source(manifests[table] for table in RAW_TABLES))
    known = {key: m for table in tables for key, m in manifests[table].items()}
    return Plan(
        tuple(planned),
        tuple(m for key, m in known.items() if is_vanished(key, seen, unrecognised)),
        unrecognised,
        tuple(outside),
        tuple(unreadable),
        frozenset(seen),
        {key: m.other_members for key, m in known.items() if key in seen and m.other_members},
    )


def require_no_rows(store: ObjectStore, objects: int) -> None:
    """Raise `SourceError` for a source that lists nothing, where the lake has rows of so many of its objects: it is
    more likely not there (a disk that is not mounted) than empty."""
    if objects:
        raise SourceError(
            f"{store.uri} lists no object, but the lake has {plural(objects, 'object')} of it: check OPENSKY_SOURCE, "
            "and that its disk is mounted; if they are gone for good, `prune --vanished --yes` removes their rows"
        )


def of_source(objects: Iterable[Iterable[str]]) -> int:
    """How many of these objects, by their keys, are the source's own and not its landing's."""
    return sum(not is_landed(key) for keys in objects for key in keys)


def is_vanished(key: str, listed: Collection[str], left_out: Collection[str]) -> bool:
    """Whether an object that the lake has was deleted from the source. Not so where its key, or a folder above it, is
    there and only cannot be followed, as a link to a disk that is not mounted."""
    if key in listed or key in left_out:
        return False
    return not any(folder.as_posix() in left_out for folder in PurePosixPath(key).parents)


def is_left_alone(key: str) -> bool:
    """Whether an object is known to hold no rows of its own: markers, and the same hour in another format."""
    if is_landed(key) and key.removeprefix(LANDING) in (MARKER, SIMULATED_MARKER):
        return True
    return key == SIMULATED_MARKER or OTHER_FORMAT.search(key) is not None


def is_wanted(period: Period, settings: Settings) -> bool:
    """Whether the filters of the settings let a day of the period through."""
    if settings.filters.year is settings.filters.month is settings.filters.day is None:
        return True
    return any(settings.filters.wants(date.fromisoformat(day)) for day in days_of(period))


class _Unrecognised(Exception):
    """The object is of no table; the text says why."""


def _recognise(
    store: ObjectStore, item: SourceObject, today: date, manifests: dict[str, dict[str, Manifest]]
) -> tuple[str, Period]:
    """Table and period of an object: by its key, by what the lake remembers of it, by its first bytes. Raises
    `_Unrecognised`."""
    bounds = calendar(today)
    if facts := recognise(item.key):
        return facts.table, period_of(facts, bounds)
    for table, known in manifests.items():
        if item.key in known and known[item.key].source == item:
            return table, bounds
    if is_metadata(item.key):
        head = _head(store, item)
        if sniff_dialect(head):
            return AIRCRAFT_DATABASE.name, bounds
        raise _Unrecognised(f"no icao24 column with aircraft columns beside it; it begins with {_first_line(head)}")
    if may_hold_rows(item.key):
        return _table_of(_head(store, item), item.key), bounds
    raise _Unrecognised("no table has objects of this name")


def _table_of(head: bytes, key: str) -> str:
    """The raw table of an object that begins so. Raises `_Unrecognised`."""
    if not head:
        raise _Unrecognised("is empty")
    if is_answer(head, key):
        try:
            return table_of_answer(head, key)
        except WrongHeader as error:
            raise _Unrecognised(str(error)) from None
    why_not: dict[str, str] = {}
    for dataset in registered():
        if not dataset.header:
            continue
        try:
            layout = read_layout(head.split(b"\n", 1)[0], dataset.contract)
        except WrongHeader as error:
            why_not[dataset.name] = str(error).removeprefix("the header ")
            continue
        missing = sorted(dataset.header - set(layout.fields))
        if not missing:
            return dataset.name
        why_not[dataset.name] = f"lacks {', '.join(missing)}; it begins with {_first_line(head)}"
    raise _Unrecognised(why_not[STATE_VECTORS.name if key.startswith("states/") else FLIGHTS.name])


def _first_line(head: bytes) -> str:
    return repr(head.split(b"\n", 1)[0][:200].decode("utf-8", "backslashreplace").rstrip("\r"))


def _head(store: ObjectStore, item: SourceObject) -> bytes:
    """The first plain bytes of an object. Raises `SourceError`, and `_Unrecognised` where it does not unpack."""
    try:
        with store.open(item) as raw, plain(CountingReader(raw, item.key), item.key, whole=False) as stream:  # type: ignore[arg-type]
            return stream.read(_HEAD_BYTES)
    except UNPACKING_ERRORS as error:
        raise _Unrecognised(f"does not unpack ({error})") from None


def _is_outdated(manifest: Manifest) -> bool:
    contract = RAW_TABLES.get(manifest.table)
    versions = (manifest.contract_version, manifest.code_version)
    return contract is not None and versions != (contract.version, CODE_VERSION)


def _compare(item: SourceObject, table: str, period: Period, manifest: Manifest | None, broken: bool) -> Planned:
    if manifest is None:
        status = Status.NEW
    elif manifest.source != item or manifest.may_give_more(period) or manifest.lacks_api_rows:
        status = Status.CHANGED
    elif broken:
        status = Status.BROKEN
    elif _is_outdated(manifest):
        status = Status.OUTDATED
    else:
        return Planned(item, table, Status.UNCHANGED, period, tuple(manifest.days))
    facts, dataset = recognise(item.key), dataset_named(table)
    days = None
    if dataset and dataset.promises(facts):
        keys = dataset.partitions.keys_of(period)
        days = tuple(dict.fromkeys([*keys, *(manifest.days if manifest else ())]))
    return Planned(item, table, status, period, days, facts)
