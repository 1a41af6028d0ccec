"""What the checks of a command's runs found, a line each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from opensky_assets.wording import plural

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, DagsterInstance

MOST_DAYS = 5
MOST_REASONS = 3
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PAGE = 50
OUTSIDE = "outside/"
"""How the measures of the check of plausible values begin; a column's name follows."""


def newest_run(instance: DagsterInstance) -> int:
    """A mark in the history: the storage id of its newest run, 0 where it has none."""
    return max((record.storage_id for record in instance.get_run_records(limit=1)), default=0)


def check_lines(instance: DagsterInstance, mark: int) -> Iterator[str]:
    """Each check that did not pass in this process's runs since `mark`, once, with its days and counts over all of
    them; else how many passed. Nothing where no check ran."""
    found: dict[tuple[str, str], list[AssetCheckEvaluation]] = {}
    for evaluation in _evaluations(instance, mark):
        found.setdefault((evaluation.asset_key.to_user_string(), evaluation.check_name), []).append(evaluation)
    bad = {key: failed for key, all_of in found.items() if (failed := [e for e in all_of if not e.passed])}
    for (asset, check), failed in sorted(bad.items()):
        verb = "fails" if any(e.severity.value == "ERROR" for e in failed) else "warns"
        reason = _reason(found[asset, check], failed)
        yield f"check  {check} of {asset} {verb}" + (f": {reason}" if reason else "")
    if found and not bad:
        yield f"all {len(found)} checks passed"


def _evaluations(instance: DagsterInstance, mark: int) -> Iterator[AssetCheckEvaluation]:
    """Of the runs that this process started, oldest first: other commands and the daemon share the history."""
    from dagster import DagsterEventType

    records: list = []
    while True:
        cursor = records[-1].dagster_run.run_id if records else None
        page = instance.get_run_records(limit=_PAGE, cursor=cursor)
        records += [record for record in page if record.storage_id > mark]
        if len(page) < _PAGE or page[-1].storage_id <= mark:
            break
    for record in reversed(records):
        run_id = record.dagster_run.run_id
        starts = instance.all_logs(run_id, of_type=DagsterEventType.RUN_START)
        if os.getpid() not in {entry.dagster_event.pid for entry in starts if entry.dagster_event}:
            continue
        for entry in instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
            if entry.dagster_event is not None:
                yield entry.dagster_event.asset_check_evaluation_data


def _reason(all_of: Sequence[AssetCheckEvaluation], failed: Sequence[AssetCheckEvaluation]) -> str:
    """Days with what is odd about them, as the checks of days give it; else what the failed ones give, counts added."""
    days: dict[str, object] = {}
    others: dict[str, object] = {}
    for evaluation in failed:
        for name, entry in evaluation.metadata.items():
            value = entry.value
            if _DAY.fullmatch(name):
                days[name] = value
            elif isinstance(value, int | float) and isinstance(before := others.get(name, 0), int | float):
                others[name] = before + value
            elif value:
                others[name] = f"{before}, {_text(value)}" if (before := others.get(name)) else _text(value)
    if any(name.startswith(OUTSIDE) for name in others):
        return _implausible(others)
    if "odd_days" in others:
        looked_at, odd = _sum(all_of, "days"), _sum(failed, "odd_days")
        told = [f"{day} {text}" for day, text in sorted(days.items())]
        return f"{odd:,} of {plural(looked_at, 'day')} unusual: {_listed(told, MOST_DAYS, odd)}"
    return "; ".join(
        f"{_name(name)} {value:,}" if isinstance(value, int | float) else f"{_name(name)}: {value}"
        for name, value in others.items()
    )


def _implausible(others: Mapping[str, object]) -> str:
    """The check warns by design: what is implausible is kept, and counted here."""
    counts = [
        f"{name.removeprefix(OUTSIDE)} of {plural(count, 'row')}"
        for name, count in others.items()
        if name.startswith(OUTSIDE) and isinstance(count, int)
    ]
    rows = f"; as {others['rows']}" if "rows" in others else ""
    return f"by design, implausible values stay in the table: {', '.join(counts)}{rows}"


def _name(name: str) -> str:
    """`outside/altitude_1` names a column, and `held_back` says something."""
    kind, sign, column = name.rpartition("/")
    return f"{kind} {column}:" if sign else name.replace("_", " ")


def _sum(evaluations: Iterable[AssetCheckEvaluation], name: str) -> int:
    values = [e.metadata[name].value for e in evaluations if name in e.metadata]
    return sum(value for value in values if isinstance(value, int))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return _listed([str(item) for item in value], MOST_REASONS, len(value))
    return " ".join(str(value).split())


def _listed(texts: Iterable[str], most: int, number: int) -> str:
    shown = list(texts)[:most]
    return ", ".join(shown) + (f" and {number - len(shown):,} more" if number > len(shown) else "")
