"""Flights that a flight list has: on its days it is the truth, and the rows of the API's answers give way to it.

The list knows the whole day, typecodes and positions; the API gave its estimate the night after. Keeping both would
count each flight twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from opensky_assets.ingest.runner import Report
from opensky_assets.lake import Counts, Lake, Manifest, Staging
from opensky_assets.schemas import FLIGHTS, Contract
from opensky_assets.sources.keys import is_flight_answer, is_flight_list


def _listed_days(manifests: Iterable[Manifest]) -> set[str]:
    lists = (m for m in manifests if is_flight_list(m.source.key))
    return {day for m in lists for day, counts in m.days.items() if counts.written}


def restored(contract: Contract, lake: Lake) -> set[str]:
    """Keys of answers whose rows gave way to a list that is not in the lake any more: they are to be read again."""
    if contract is not FLIGHTS:
        return set()
    manifests = lake.manifests(contract.name)
    answers = {key: m for key, m in manifests.items() if is_flight_answer(key) and m.total.superseded}
    if not answers:
        return set()
    listed = _listed_days(manifests.values())
    return {
        key
        for key, m in answers.items()
        if any(counts.superseded and day not in listed for day, counts in m.days.items())
    }


def supersede(contract: Contract, lake: Lake, run: Staging, report: Report) -> None:
    """Take the rows of answers away on each day of which the lake has a list; their manifests count them as
    superseded. In whatever order list and answers came, the lake ends the same."""
    if contract is not FLIGHTS:
        return
    manifests = lake.manifests(contract.name)
    answers = [m for key, m in manifests.items() if is_flight_answer(key)]
    listed = _listed_days(manifests.values()) if answers else set()
    gone = 0
    for manifest in answers:
        if not _covered(manifest, listed):
            continue
        with lake.committing(manifest.source):
            for now in lake.manifests_at(contract.name, [manifest.source.key_hash]).values():
                days = _covered(now, listed)
                gone += sum(now.days[day].written for day in days)
                lake.commit(_without(now, days), {}, run)
    if gone:
        report(f"{gone:,} flights of the API are superseded by flight lists of their days")


def _covered(manifest: Manifest, listed: set[str]) -> set[str]:
    """Days of which the object has rows, and a list too."""
    return {day for day, counts in manifest.days.items() if counts.written and day in listed}


def _without(manifest: Manifest, days: set[str]) -> Manifest:
    """The manifest with the rows of these days counted as superseded."""
    return replace(
        manifest,
        days={
            day: Counts(0, counts.quarantined, counts.superseded + counts.written) if day in days else counts
            for day, counts in manifest.days.items()
        },
        files=tuple(f for f in manifest.files if f.day not in days),
    )
