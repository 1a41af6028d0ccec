"""Bring days of a raw table into the lake, and say for each day what became of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from opensky_assets.ingest.kernel import Task
from opensky_assets.ingest.plan import Planned, make_plan, require_space
from opensky_assets.ingest.runner import Outcome, Report, Runner, ingest_objects
from opensky_assets.lake import Counts, Held, Lake, Manifest
from opensky_assets.schemas import Contract
from opensky_assets.settings import Settings
from opensky_assets.sources.claims import claim
from opensky_assets.storage.objects import ObjectStore
from opensky_assets.wording import plural

logger = logging.getLogger(__name__)


@dataclass
class DayFacts:
    """One day of a raw table as the lake's manifests tell it."""

    counts: Counts = field(default_factory=Counts)
    reasons: dict[str, int] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Objects that may hold rows of the day and are not in the lake, since the file limit cut them."""


@dataclass(frozen=True)
class SyncReport:
    """`days`: what the lake has now of the days asked for. `holes`: asked for, and no object read has rows of them.
    `failed`: days that an object, named with its message, would have given."""

    table: str
    days: dict[str, DayFacts]
    holes: list[str]
    failed: dict[str, list[str]]
    messages: list[str]
    read: list[Manifest]
    unchanged: int
    data_version: str

    @property
    def good_days(self) -> list[str]:
        return [day for day in self.days if day not in self.failed]

    def summary(self) -> str:
        total = sum((m.total for m in self.read), Counts())
        read = f"{plural(len(self.read), 'object')} with {plural(total.read, 'record')}" if self.read else "no object"
        parts = [
            f"{self.table}: read {read} ({self.unchanged} unchanged and not opened)",
            f"written {total.written:,}, quarantined {total.quarantined:,}",
            f"days {len(self.days)}, without objects {len(self.holes)}, failed {len(self.failed)}",
        ]
        return "; ".join(parts)


def sync_days(
    contract: Contract,
    days: Sequence[str],
    store: ObjectStore,
    lake: Lake,
    settings: Settings,
    today: date,
    report: Report,
    runner: Runner = ingest_objects,
) -> SyncReport:
    """Let `runner` ingest every new or changed object that may hold rows of `days`; each whole, with all its days."""
    lake = lake.with_records()
    claim(lake, store)
    with lake.run([contract.name]) as run:
        plan = make_plan(store, lake, settings, today)
        for manifest in plan.vanished:
            if manifest.table == contract.name:
                logger.warning(f"{manifest.source.key} was deleted from the source; its rows stay in the lake")
        for message in plan.unreadable:
            logger.warning(f"{message}; it is left out of this run")
        for key, held in lake.held(contract.name).items():
            if plan.is_gone(key):
                lake.release(held)
        concerned = plan.of(contract.name, days)
        waiting = [o for o in concerned if o.is_due(settings.refresh)]
        chosen = waiting[: settings.filters.file_limit]
        outcomes: list[Outcome] = []
        if len(waiting) > len(chosen):
            left = len(waiting) - len(chosen)
            logger.warning(f"OPENSKY_FILE_LIMIT leaves {plural(left, 'object')} of these days to later runs")
        if chosen:
            require_space(lake, chosen)
            report(f"{plural(len(chosen), 'object')} to read, {sum(o.source.size for o in chosen) / 1e6:.1f} MB")
            tasks = [task_of(o, contract, settings) for o in chosen]
            outcomes = runner(tasks, store, lake, run, settings.workers, report)
    return _report(contract, days, lake, waiting[len(chosen) :], outcomes, len(concerned) - len(waiting))


def task_of(planned: Planned, contract: Contract, settings: Settings) -> Task:
    """What the kernel has to know of an object: it asks no registry, since it also works in other processes."""
    return Task(planned.source, contract, planned.period, planned.days, settings.quarantine_limit, facts=planned.facts)


def _report(
    contract: Contract,
    days: Sequence[str],
    lake: Lake,
    cut: list[Planned],
    outcomes: Sequence[Outcome],
    unchanged: int,
) -> SyncReport:
    manifests = lake.manifests(contract.name)
    facts = day_facts(manifests, days)
    for planned in cut:
        for day in planned.days or ():
            if day in facts:
                facts[day].waiting.append(planned.source.key)
    failed: dict[str, list[str]] = {}
    asked = set(days)
    troubles = [outcome for outcome in outcomes if isinstance(outcome, Held)]
    for trouble in troubles:
        for day in asked.intersection(trouble.days):
            failed.setdefault(day, []).append(trouble.message)
    version = hashlib.sha256()
    for _, manifest in sorted(manifests.items()):
        if any(day in facts for day in manifest.days):
            version.update(manifest.version.encode())
    return SyncReport(
        contract.name,
        facts,
        [day for day in days if day not in facts and day not in failed],
        failed,
        [trouble.message for trouble in troubles],
        [o for o in outcomes if isinstance(o, Manifest)],
        unchanged,
        version.hexdigest()[:16],
    )


def day_facts(manifests: Mapping[str, Manifest], days: Sequence[str]) -> dict[str, DayFacts]:
    """What the manifests say of `days`; days of which no object has a record are not in the answer."""
    wanted = set(days)
    facts: dict[str, DayFacts] = {}
    for key, manifest in manifests.items():
        for day, counts in manifest.days.items():
            if day in wanted:
                fact = facts.setdefault(day, DayFacts())
                fact.counts += counts
                fact.objects.append(key)
                for reason, count in manifest.reasons.get(day, {}).items():
                    fact.reasons[reason] = fact.reasons.get(reason, 0) + count
    return {day: facts[day] for day in sorted(facts)}
