"""Bring the reference tables into the lake: aircraft from the source, airports from their package."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from polars.exceptions import PanicException

from opensky_assets.calendar import NO_DAY
from opensky_assets.ingest.aircraft import AircraftTable, NotAnAircraftTable, merge_aircraft_tables, read_aircraft_table
from opensky_assets.ingest.container import UNPACKING_ERRORS, CountingReader, plain
from opensky_assets.ingest.kernel import CODE_VERSION, require_whole
from opensky_assets.ingest.plan import Status, make_plan
from opensky_assets.ingest.refused import Refused, failed, held_back
from opensky_assets.ingest.runner import NOT_AN_OBJECTS_TROUBLE, Report, persistently
from opensky_assets.lake import Counts, Held, Lake, Manifest, OutputFile, Staging
from opensky_assets.lake.manifest import OTHER_MEMBERS
from opensky_assets.lake.tables import snapshot_of
from opensky_assets.schemas import AIRCRAFT_DATABASE, Reason
from opensky_assets.settings import Settings
from opensky_assets.sources.claims import claim
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import ObjectStore, SourceObject

logger = logging.getLogger(__name__)

PLACEHOLDERS = (Reason.JUNK_ICAO24, Reason.NULL_KEY)
"""Sound records of no aircraft: they are quarantined, and say nothing about whether the table is damaged."""


@dataclass(frozen=True)
class ReferenceReport:
    """What the aircraft database is made of now. `messages`: one a table that was held back."""

    manifests: dict[str, Manifest]
    read: int
    messages: list[str]
    rows: int
    snapshot: str

    @property
    def total(self) -> Counts:
        return sum((m.total for m in self.manifests.values()), Counts())


def sync_aircraft(store: ObjectStore, lake: Lake, settings: Settings, today: date, report: Report) -> ReferenceReport:
    """Read every aircraft table of the source and publish the newest record of each aircraft.

    Nothing is read where no table is new, changed or gone. A table that cannot be read is held back; where it is in
    the lake already, the whole database stays as it is. Where the source has no table that can be read, and the lake
    has none, an empty database is published, so that flights are enriched without aircraft until there is one.
    """
    lake = lake.with_records()
    claim(lake, store)
    with lake.files.lock("aircraft.lock"), lake.run([AIRCRAFT_DATABASE.name]) as run:
        plan = make_plan(store, lake, settings, today)
        planned = plan.of(AIRCRAFT_DATABASE.name)
        vanished = [m.source.key for m in plan.vanished if m.table == AIRCRAFT_DATABASE.name]
        for key in vanished:
            logger.warning(
                f"{key} was deleted from the source; its aircraft stay in the lake until another table changes"
            )
        read = 0
        messages: list[str] = []
        if not lake.exists(AIRCRAFT_DATABASE.path) or any(o.status is not Status.UNCHANGED for o in planned):
            read, messages = _rebuild([o.source for o in planned], store, lake, run, settings, report)
        if not lake.exists(AIRCRAFT_DATABASE.path):
            why = "could be read" if planned else "is there, under metadata/ or at the source's root"
            logger.warning(
                f"no aircraft table {why}: flights and states are enriched without aircraft "
                "(aircraft_matched is false) until there is one"
            )
            staged = run.folder("aircraft") / "aircraft_database.parquet"
            pq.write_table(AIRCRAFT_DATABASE.schema.empty_table(), staged, compression="zstd")
            lake.files.swap(staged, AIRCRAFT_DATABASE.path, "")
    manifests = lake.manifests(AIRCRAFT_DATABASE.name)
    rows = lake.parquet(AIRCRAFT_DATABASE.path).metadata.num_rows
    return ReferenceReport(manifests, read, messages, rows, snapshot_of(lake, AIRCRAFT_DATABASE))


def _rebuild(
    sources: list[SourceObject], store: ObjectStore, lake: Lake, run: Staging, settings: Settings, report: Report
) -> tuple[int, list[str]]:
    tables: dict[str, AircraftTable] = {}
    messages: list[str] = []
    token = lake.files.token(AIRCRAFT_DATABASE.path)

    def hold(source: SourceObject, held: Held, staged: Path | None) -> None:
        with lake.committing(AIRCRAFT_DATABASE.name, source) as seen:
            lake.hold(held, staged, run, seen)

    def readable() -> Iterator[AircraftTable]:
        for source in sources:
            try:
                table = persistently(partial(_read, source, store, settings.quarantine_limit))
            except SourceError as error:
                messages.append(str(error))
                hold(source, Held(AIRCRAFT_DATABASE.name, source, Reason.UNREADABLE, str(error), (), None), None)
                continue
            except NOT_AN_OBJECTS_TROUBLE:
                raise
            except (Exception, PanicException) as error:
                refused = error if isinstance(error, Refused) else failed(error)
                messages.append(f"{source.key}: {refused}")
                name = lake.files.fresh(source.stem)
                hold(source, *held_back(AIRCRAFT_DATABASE.name, source, refused, (), run, name))
                continue
            report(f"{source.key}: {table.read:,} records, {table.rejects.num_rows:,} quarantined")
            tables[source.key] = replace(table, records=table.records.slice(0, 0))
            yield table

    merged = merge_aircraft_tables(readable())
    known = lake.manifests(AIRCRAFT_DATABASE.name)
    lost = [source.key for source in sources if source.key in known and source.key not in tables]
    if lost or not tables:
        messages.append(
            f"the aircraft database stays as it is, since it holds aircraft of {', '.join(lost)}" if lost else ""
        )
        return len(tables), [message for message in messages if message]
    staged = run.folder("aircraft") / "aircraft_database.parquet"
    pq.write_table(merged.table, staged, compression="zstd")
    size = staged.stat().st_size
    lake.files.swap(staged, AIRCRAFT_DATABASE.path, token)
    for source in sources:
        if source.key in tables:
            table = tables[source.key]
            counts = Counts(merged.written[source.key], table.rejects.num_rows, merged.superseded[source.key])
            _commit(source, store.uri, table, counts, size, lake, run)
    return len(tables), messages


def _read(source: SourceObject, store: ObjectStore, limit: float) -> AircraftTable:
    other_members: list[str] = []
    with store.open(source) as raw:
        counting = CountingReader(raw, source.key)
        try:
            with plain(counting, source.key, other_members=other_members) as stream:  # type: ignore[arg-type]
                table = read_aircraft_table(stream, source.key)
            require_whole(counting, source)
        except UNPACKING_ERRORS as error:
            require_whole(counting, source)
            raise Refused(Reason.DAMAGED_CONTAINER, f"does not unpack ({error})") from None
        except NotAnAircraftTable as error:
            require_whole(counting, source)
            raise Refused(Reason.WRONG_HEADER, str(error)) from None
    store.verify(source)
    reasons = Counter(table.rejects["reason"].to_pylist())
    broken = sum(count for reason, count in reasons.items() if reason not in PLACEHOLDERS)
    if broken > table.read * limit:
        raise Refused(
            Reason.OVER_QUARANTINE_LIMIT,
            f"{broken:,} of {table.read:,} records break the contract, more than OPENSKY_QUARANTINE_LIMIT={limit:g}; "
            "raise it to let them pass",
            table.rejects,
        )
    return replace(table, other_members=tuple(other_members))


def _commit(
    source: SourceObject, uri: str, table: AircraftTable, counts: Counts, size: int, lake: Lake, run: Staging
) -> None:
    staged: dict[str, Path] = {}
    quarantine: tuple[OutputFile, ...] = ()
    if table.rejects.num_rows:
        path = f"quarantine/{AIRCRAFT_DATABASE.name}/day={NO_DAY}/{lake.files.fresh(source.stem)}.parquet"
        staged[path] = run.folder("rejects") / "rejects.parquet"
        pq.write_table(table.rejects, staged[path], compression="zstd")
        quarantine = (OutputFile(path, table.rejects.num_rows, staged[path].stat().st_size),)
    manifest = Manifest(
        table=AIRCRAFT_DATABASE.name,
        source=source,
        source_uri=uri,
        contract_version=AIRCRAFT_DATABASE.version,
        code_version=CODE_VERSION,
        read=table.read,
        days={NO_DAY: counts},
        reasons={NO_DAY: dict(sorted(Counter(table.rejects["reason"].to_pylist()).items()))},
        files=(OutputFile(AIRCRAFT_DATABASE.path, counts.written, size),),
        quarantine_files=quarantine,
        notes={
            "dialect": str(table.dialect),
            "unread_values": table.notes,
            **({OTHER_MEMBERS: list(table.other_members)} if table.other_members else {}),
        },
    )
    with lake.committing(manifest.table, source) as seen:
        lake.commit(manifest, staged, run, seen)
