"""Read again the objects that have records in quarantine, or were held back: after a fix, or under another limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from opensky_assets.calendar import NO_DAY
from opensky_assets.ingest.plan import RAW_TABLES, make_plan, require_space
from opensky_assets.ingest.runner import Report, ingest_objects
from opensky_assets.ingest.sync import task_of
from opensky_assets.lake import Held, Lake, Manifest
from opensky_assets.settings import Settings
from opensky_assets.sources.claims import claim
from opensky_assets.storage.objects import ObjectStore


@dataclass(frozen=True)
class Replayed:
    """One object before and after. `*_reasons` are its records in quarantine, or one for an object held back."""

    key: str
    table: str
    written_before: int
    written: int
    reasons_before: Counter[str]
    reasons: Counter[str]
    days: frozenset[str]


@dataclass(frozen=True)
class Replay:
    """`gone`: objects that were to be read again and are not in the source any more. `changed_days`, by table: those of
    which the lake now has other rows, so that what is made of them is to be made anew."""

    objects: list[Replayed]
    gone: list[str]

    @property
    def changed_days(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for done in self.objects:
            if (done.written, done.reasons) != (done.written_before, done.reasons_before):
                found.setdefault(done.table, set()).update(done.days - {NO_DAY})
        return {table: sorted(days) for table, days in found.items()}


def replay(
    store: ObjectStore,
    lake: Lake,
    settings: Settings,
    today: date,
    report: Report,
    tables: Collection[str] | None = None,
    reasons: Collection[str] = (),
) -> Replay:
    """Read again what has a record of one of `reasons` (or of any), whole, under the settings of now; by default of
    all raw tables."""
    tables = list(RAW_TABLES) if tables is None else tables
    claim(lake, store)
    done: list[Replayed] = []
    gone: list[str] = []
    with lake.run(tables) as run:
        plan = make_plan(store, lake, settings, today)
        planned = {(o.table, o.source.key): o for o in plan.objects}
        for table in tables:
            manifests, held = lake.manifests(table), lake.held(table)
            keys = [key for key in sorted({*manifests, *held}) if _is_meant(manifests.get(key), held.get(key), reasons)]
            gone += [key for key in keys if (table, key) not in planned]
            chosen = [planned[table, key] for key in keys if (table, key) in planned]
            require_space(lake, chosen)
            tasks = [task_of(o, RAW_TABLES[table], settings) for o in chosen]
            for outcome in ingest_objects(tasks, store, lake, run, settings.workers, report) if tasks else ():
                key = outcome.source.key
                before = manifests.get(key)
                now = outcome if isinstance(outcome, Manifest) else before
                done.append(
                    Replayed(
                        key,
                        table,
                        before.total.written if before else 0,
                        now.total.written if now else 0,
                        _reasons(before, held.get(key)),
                        _reasons(now, outcome if isinstance(outcome, Held) else None),
                        frozenset(day for m in (before, now) if m for day in m.days),
                    )
                )
    return Replay(sorted(done, key=lambda o: (o.table, o.key)), gone)


def _reasons(manifest: Manifest | None, held: Held | None) -> Counter[str]:
    found: Counter[str] = Counter()
    for counts in manifest.reasons.values() if manifest else ():
        found.update(counts)
    if held:
        found[held.reason] += 1
    return found


def _is_meant(manifest: Manifest | None, held: Held | None, reasons: Collection[str]) -> bool:
    found = _reasons(manifest, held)
    return any(not reasons or reason in reasons for reason in found)
