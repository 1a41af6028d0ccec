"""What there is to do: the source's objects against the lake's manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from opensky_assets.ingest.aircraft_dialects import sniff_dialect
from opensky_assets.ingest.container import UNPACKING_ERRORS, CountingReader, plain
from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.layout import WrongHeader, read_layout
from opensky_assets.lake import Lake, LakeError, Manifest
from opensky_assets.schemas import AIRCRAFT_DATABASE, FLIGHTS, STATE_VECTORS, Contract
from opensky_assets.settings import FIRST_DAY, Settings
from opensky_assets.sources.keys import OTHER_FORMAT, KeyFacts, Period, is_metadata, may_hold_rows, read_key
from opensky_assets.sources.store import SIMULATED_MARKER, ObjectStore, SourceError, SourceObject

RAW_TABLES: dict[str, Contract] = {contract.name: contract for contract in (FLIGHTS, STATE_VECTORS)}
_HEAD_BYTES = 64 << 10

LAKE_BYTES_PER_SOURCE_BYTE = {FLIGHTS.name: 2.2, STATE_VECTORS.name: 1.2, AIRCRAFT_DATABASE.name: 0.1}
"""With all that is made of them. Measured: of recorded states, raw Parquet takes 0.54 and the enriched table 0.56 of
the gzipped text; of flights, raw, enriched and marts together 2.1; aircraft tables are plain text."""


class Status(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    """Also where a day is over now that was not when the object was read."""
    OUTDATED = "outdated"
    """The object is as it was, but another contract or code wrote its rows; read again on request only."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Planned:
    """One recognised object. `days` are those it gave (unchanged) or may give by its name; `None`: not told by the
    name, so it has to be read to know."""

    source: SourceObject
    table: str
    status: Status
    period: Period
    days: tuple[str, ...] | None

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
    unrecognised: tuple[str, ...]
    outside_calendar: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    """One message for each object whose header was to tell its table, and could not be read now."""
    listed: frozenset[str] = frozenset()
    """The keys of all objects of the source."""

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
        known = {day for o in self.objects if o.table in RAW_TABLES for day in o.days or ()}
        return sorted(day for day in known if first.isoformat() <= day <= last.isoformat())


def lake_bytes(objects: Iterable[Planned]) -> int:
    """What the objects are expected to take in the lake."""
    return round(sum(o.source.size * LAKE_BYTES_PER_SOURCE_BYTE[o.table] for o in objects))


def require_space(lake: Lake, objects: Iterable[Planned]) -> None:
    """Raise `LakeError` where the objects are expected to take more than the lake's disk has free."""
    needed, free = lake_bytes(objects), lake.files.free_bytes()
    if free is not None and needed > free:
        raise LakeError(
            f"reading what is due takes about {needed / 1e9:.2f} GB in the lake {lake}, whose disk has "
            f"{free / 1e9:.2f} GB free: free some, set OPENSKY_LAKE to a larger disk, or take fewer days or a "
            "OPENSKY_FILE_LIMIT at a time"
        )


def days_of(period: Period) -> Iterator[str]:
    """All days of a period."""
    for n in range((period.last - period.first).days + 1):
        yield (period.first + timedelta(days=n)).isoformat()


def stretches(days: Iterable[str]) -> list[tuple[str, str]]:
    """Contiguous runs of days as (first, last)."""
    runs: list[tuple[str, str]] = []
    for day in sorted(days):
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        if runs and runs[-1][1] == before:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def calendar(today: date) -> Period:
    """The days that have a partition: today is not over yet."""
    return Period(FIRST_DAY, today - timedelta(days=1))


def period_of(facts: KeyFacts | None, bounds: Period) -> Period:
    """The days, of those in `bounds`, that an object may hold by its key."""
    return (facts.period if facts and facts.period else bounds).within(bounds)


def make_plan(store: ObjectStore, lake: Lake, settings: Settings, today: date) -> Plan:
    """List the source and compare. Raises `SourceError` where it cannot be listed."""
    tables = [*RAW_TABLES, AIRCRAFT_DATABASE.name]
    manifests = {table: lake.manifests(table) for table in tables}
    planned: list[Planned] = []
    unrecognised: list[str] = []
    outside: list[str] = []
    unreadable: list[str] = []
    seen: set[str] = set()
    for item in store.list():
        seen.add(item.key)
        if is_left_alone(item.key):
            continue
        try:
            found = _recognise(store, item, today, manifests)
        except SourceError as error:
            unreadable.append(str(error))
            continue
        if found is None:
            unrecognised.append(item.key)
        elif found[1].first > found[1].last:
            outside.append(item.key)
        elif found[0] not in RAW_TABLES or _wanted(found[1], settings):
            planned.append(_compare(item, *found, manifests[found[0]].get(item.key)))
    vanished = [m for table in tables for key, m in manifests[table].items() if key not in seen]
    return Plan(
        tuple(planned), tuple(vanished), tuple(unrecognised), tuple(outside), tuple(unreadable), frozenset(seen)
    )


def is_left_alone(key: str) -> bool:
    """Whether an object is known to hold no rows of its own: the marker, and the same hour in another format."""
    return key == SIMULATED_MARKER or OTHER_FORMAT.search(key) is not None


def _wanted(period: Period, settings: Settings) -> bool:
    if settings.year is settings.month is settings.day is None:
        return True
    return any(settings.wants(date.fromisoformat(day)) for day in days_of(period))


def _recognise(
    store: ObjectStore, item: SourceObject, today: date, manifests: dict[str, dict[str, Manifest]]
) -> tuple[str, Period] | None:
    """Table and period of an object: by its key, by what the lake remembers of it, by its header."""
    bounds = calendar(today)
    if facts := read_key(item.key):
        return facts.table, period_of(facts, bounds)
    for table, known in manifests.items():
        if item.key in known and known[item.key].source == item:
            return table, bounds
    if is_metadata(item.key) and (head := _head(store, item)) is not None and sniff_dialect(head):
        return AIRCRAFT_DATABASE.name, bounds
    if may_hold_rows(item.key) and (head := _head(store, item)) is not None:
        for table, wants in (("flights", {"firstseen", "lastseen"}), ("state_vectors", {"time", "lat", "lon"})):
            try:
                layout = read_layout(head.split(b"\n", 1)[0], RAW_TABLES[table])
            except WrongHeader:
                continue
            if wants <= set(layout.fields):
                return table, bounds
    return None


def _head(store: ObjectStore, item: SourceObject) -> bytes | None:
    """The first plain bytes of an object; `None` where it does not unpack. Raises `SourceError`."""
    try:
        with store.open(item) as raw, plain(CountingReader(raw, item.key), item.key, whole=False) as stream:  # type: ignore[arg-type]
            return stream.read(_HEAD_BYTES)
    except UNPACKING_ERRORS:
        return None


def _is_outdated(manifest: Manifest) -> bool:
    contract = RAW_TABLES.get(manifest.table)
    versions = (manifest.contract_version, manifest.code_version)
    return contract is not None and versions != (contract.version, CODE_VERSION)


def _compare(item: SourceObject, table: str, period: Period, manifest: Manifest | None) -> Planned:
    if manifest is None:
        status = Status.NEW
    elif manifest.source != item or manifest.may_give_more(period):
        status = Status.CHANGED
    elif _is_outdated(manifest):
        status = Status.OUTDATED
    else:
        return Planned(item, table, Status.UNCHANGED, period, tuple(manifest.days))
    facts = read_key(item.key)
    named = facts is not None and facts.period is not None
    days = tuple(dict.fromkeys([*days_of(period), *(manifest.days if manifest else ())])) if named else None
    return Planned(item, table, status, period, days)
