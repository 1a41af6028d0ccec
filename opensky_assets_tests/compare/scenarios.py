"""What both checkouts do, step by step, and what is compared after each."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from opensky_assets_tests.buckets import put
from opensky_assets_tests.compare import sources
from opensky_assets_tests.compare.checkouts import Checkout, CompareError, Output, Place
from opensky_assets_tests.compare.differences import (
    Comparison,
    compare_bytes,
    compare_pages,
    compare_records,
    compare_rows,
    compare_texts,
    compare_values,
    files_below,
    own_lines,
)

T = TypeVar("T")

TABLES = ("raw", "quarantine", "core", "marts", "reference")
"""Folders of a lake that hold tables."""
QUERY = "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY ALL"
NOTHING_DUE = re.compile(r"0 new, 0 changed, 0 outdated, 0 broken")
NO_RUNS = re.compile(r"0 of them are missing: 0 runs")

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "local": {},
    "production": {"OPENSKY_ENV": "production", "OPENSKY_CLIENT_ID": "x", "OPENSKY_CLIENT_SECRET": "x"},
    "on Spark": {"OPENSKY_ENGINE": "spark"},
}


@dataclass
class Pair:
    """Both checkouts in folders of their own over one source, and the comparisons so far."""

    name: str
    before: Place
    after: Place
    say: Callable[[str], None]
    comparisons: list[Comparison] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def note(self, comparison: Comparison) -> None:
        named = replace(comparison, name=f"{self.name}: {comparison.name}")
        self.comparisons.append(named)
        for line in named.lines():
            self.say(line)

    def progress(self, text: str) -> None:
        self.say(f"  {time.monotonic() - self.began:4.0f} s  {self.name}: {text}")

    def both(self, do: Callable[[Place], T]) -> tuple[T, T]:
        """The same with both, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            before, after = pool.map(do, (self.before, self.after))
        return before, after

    def command(self, name: str, *arguments: str, **settings: str) -> tuple[Output, Output]:
        """Run a command in both folders, compare what it prints and its exit code."""
        self.progress(f"{name}: {' '.join(arguments)[:100]}")
        old, new = self.both(lambda place: place.run(*arguments, **settings))
        self.note(compare_values(f"{name}: exit code of {arguments[0]}", old.code, new.code))
        self.note(compare_texts(f"{name}: output of {arguments[0]}", own_lines(old.text), own_lines(new.text)))
        return old, new

    def lakes(self, name: str) -> None:
        """Compare the files of both lakes."""
        old, new = self.before.lake, self.after.lake
        same_bytes = True
        for top in TABLES:
            self.note(compare_rows(f"{name}: rows of {top}", old, new, top))
            bytes_ = compare_bytes(f"{name}: bytes of {top}", old, new, top)
            same_bytes = same_bytes and bytes_.is_equal
            self.note(bytes_)
        without = "" if same_bytes else ", without what follows from other bytes"
        self.note(compare_records(f"{name}: manifests and records{without}", old, new, same_bytes))
        self.note(compare_pages(f"{name}: report pages", old, new, (self.before.folders, self.after.folders)))

    def history(self, name: str) -> None:
        """Compare what Dagster knows of runs and materializations."""
        self.progress(f"{name}: history")
        old, new = self.both(lambda place: place.ask([{"do": "history"}])[0])
        for part in ("statuses", "assets"):
            self.note(compare_values(f"{name}: {part} in the history", old[part], new[part]))

    def looks(self, name: str, cursor: str | None, own: str | None, **settings: str) -> tuple[str, str]:
        """Compare what a look of the sensor asks for: from BEFORE's cursor by the same run keys; from none, and AFTER
        from its own, but for the time at which a cursor began. Gives the new cursors of BEFORE and AFTER."""
        self.progress(f"{name}: looks of the sensor")
        limited = {"environment": {"OPENSKY_FILE_LIMIT": "2"}}
        from_before: dict[str, Any] = {"do": "look", "cursor": cursor}
        tasks = [from_before, {**from_before, **limited}, {"do": "look"}]
        old, new = self.both(
            lambda place: place.ask(
                [*tasks, *([{"do": "look", "cursor": own}] if place is self.after else [])], **settings
            )
        )
        for at, text in enumerate(("from BEFORE's cursor", "from BEFORE's cursor with OPENSKY_FILE_LIMIT=2")):
            self.note(compare_values(f"{name}: what a look asks for, {text}", asked(old[at]), asked(new[at])))
        self.note(
            compare_values(f"{name}: what a look asks for, without a cursor", asked(old[2], True), asked(new[2], True))
        )
        self.note(
            compare_values(
                f"{name}: what a look asks for, from its own cursor", asked(old[0], True), asked(new[3], True)
            )
        )
        return old[0]["cursor"], new[3]["cursor"]


def asked(look: Mapping[str, Any], from_any_cursor: bool = False) -> dict[str, Any]:
    """What a look asks for. A run key has the unix time at which the cursor began, and how many looks it has seen; two
    cursors differ in these."""
    requests = [dict(request) for request in look["requests"]]
    if from_any_cursor:
        requests = [{**r, "run_key": re.sub(r"\b1\d{9}\.\d+\.", "BORN.LOOKS.", r["run_key"] or "")} for r in requests]
    return {"requests": requests, "skip": look["skip"]}


def definitions(before: Checkout, after: Checkout, work: Path, say: Callable[[str], None]) -> list[Comparison]:
    """Compare the definitions of each environment, kind by kind."""
    pair = _pair("definitions", before, after, work, say)
    tasks = [{"do": "definitions", "environment": settings} for settings in ENVIRONMENTS.values()]
    pair.progress("loading")
    old, new = pair.both(lambda place: place.ask(tasks))
    for at, name in enumerate(ENVIRONMENTS):
        for kind in old[at]:
            pair.note(compare_values(f"{name}: {kind}", old[at][kind], new[at].get(kind)))
    return pair.comparisons


def simulated(before: Checkout, after: Checkout, work: Path, say: Callable[[str], None]) -> list[Comparison]:
    """Three rounds over a simulated bucket, then AFTER takes BEFORE's folder over."""
    pair = _pair("simulated", before, after, work, say)
    bucket = pair.before.source
    first, last = sources.SIMULATED_DAYS
    days = ("--from", first, "--to", last)
    pair.progress("the bucket")
    made, truth = pair.before.folder / "simulated", pair.before.folder / "simulated.truth"
    simulation = pair.before.run(*sources.SIMULATE, "--out", str(made))
    if simulation.code:
        raise CompareError(f"BEFORE cannot simulate a bucket: {simulation.text}")
    sources.add_first_round(made, truth)
    cursor, own = _first_looks(pair)
    shutil.copytree(made, bucket, copy_function=shutil.copy2, dirs_exist_ok=True)
    pair.command("round 1", "plan")
    cursor, own = pair.looks("round 1", cursor, own)
    pair.command("round 1", "materialize", *days)
    pair.lakes("round 1")
    pair.command("round 1", "verify")

    sources.make_second_round(bucket, truth)
    pair.command("round 2", "plan", *days)
    cursor, own = pair.looks("round 2", cursor, own)
    pair.command("round 2", "backfill", *days, "--chunk", "3")
    pair.lakes("round 2")

    sources.make_third_round(bucket)
    lifted = {"OPENSKY_QUARANTINE_LIMIT": "0.5"}
    pair.command("round 3", "prune", "--vanished", "--dry-run", **lifted)
    pair.command("round 3", "prune", "--vanished", **lifted)
    pair.command("round 3", "replay-quarantine", **lifted)
    pair.command("round 3", "backfill", *days, **lifted)
    pair.command("round 3", "prune", "--keep-days", "30", "--dry-run", **lifted)
    pair.lakes("round 3")
    cursor, _ = pair.looks("round 3", cursor, own, **lifted)
    pair.history("round 3")
    old, _ = pair.command("round 3", "plan", *days, **lifted)
    _read_only(pair)
    _take_over(pair, cursor, days, old, lifted, all_is_read=True)
    return pair.comparisons


def recorded(
    before: Checkout, after: Checkout, work: Path, say: Callable[[str], None], shared: Path
) -> list[Comparison]:
    """The recorded data, each range of its days once, then AFTER takes BEFORE's folder over."""
    pair = _pair("recorded", before, after, work, say)
    cursor, own = _first_looks(pair)
    pair.progress(f"{sources.copy_recorded(shared, pair.before.source)} objects")
    pair.command("all", "plan")
    cursor, _ = pair.looks("all", cursor, own)
    for first, last in sources.RECORDED_DAYS:
        pair.command(first, "backfill", "--from", first, "--to", last)
    pair.lakes("all")
    pair.history("all")
    first, last = sources.RECORDED_DAYS[1]
    days = ("--from", first, "--to", last)
    old, _ = pair.command("all", "plan", *days)
    _read_only(pair)
    _take_over(pair, cursor, days, old, {}, all_is_read=False)  # objects that are held back stay due
    return pair.comparisons


def _first_looks(pair: Pair) -> tuple[str, str]:
    """Cursors of a source without tables. From BEFORE's, both have the same memory, and so must give the same keys."""
    put(pair.before.source, "notes.txt", b"no table")
    return pair.looks("no table", None, None)


def _read_only(pair: Pair) -> None:
    """Compare commands that only read."""
    pair.command("at last", "verify")
    pair.command("at last", "tables")
    pair.command("at last", "tables", "enriched_flights")
    pair.command("at last", "tables", "--markdown")
    pair.command("at last", "sql", QUERY, "--format", "csv")


def _take_over(
    pair: Pair, cursor: str, days: tuple[str, ...], plan: Output, settings: Mapping[str, str], all_is_read: bool
) -> None:
    """AFTER goes on in BEFORE's folder, with its lake, its history and its cursor: it does what BEFORE would do, which
    is nothing where all is read."""
    pair.progress("upgrade: AFTER takes BEFORE's folder over")
    taken = replace(pair.before, checkout=pair.after.checkout)
    shutil.copytree(taken.lake, kept := taken.folder / "lake-before-upgrade", copy_function=shutil.copy2)
    before = pair.before.ask([{"do": "history"}, {"do": "look", "cursor": cursor}], **settings)
    look = taken.ask([{"do": "look", "cursor": cursor}], **settings)[0]
    pair.note(compare_values("upgrade: what a look of the sensor asks for", asked(before[1]), asked(look)))
    new_plan = taken.run("plan", *days, **settings)
    pair.note(compare_texts("upgrade: output of plan", own_lines(plan.text), own_lines(new_plan.text)))
    if all_is_read:
        pair.note(compare_values("upgrade: a look of the sensor asks for nothing", [], look["requests"]))
        tables = [line for line in new_plan.text.splitlines() if re.search(r" objects? \(", line)]
        due = tuple(line.strip() for line in tables if not NOTHING_DUE.search(line))
        pair.note(Comparison("upgrade: all objects are unchanged", len(tables), due))
        backfill = taken.run("backfill", *days, **settings)
        found = () if backfill.code == 0 and NO_RUNS.search(backfill.text) else (f"{backfill.code}: {backfill.text}",)
        pair.note(Comparison("upgrade: backfill has nothing to run", 1, found))
    after = taken.ask([{"do": "history"}], **settings)[0]
    pair.note(compare_values("upgrade: no run is added to the history", before[0]["runs"], after["runs"]))
    pair.note(compare_values("upgrade: the history is read as before", before[0]["assets"], after["assets"]))
    verify = taken.run("verify", **settings)
    clean = () if verify.code == 0 and ": 0 problems" in verify.text else (f"{verify.code}: {verify.text}",)
    pair.note(Comparison("upgrade: verify is clean", 1, clean))
    tops = ("_manifest", *TABLES, "reports")
    changed = [text for top in tops for text in compare_bytes(top, kept, taken.lake, top).differences]
    pair.note(Comparison("upgrade: the lake is as it was", len(files_below(kept, "")), tuple(changed)))


def _pair(name: str, before: Checkout, after: Checkout, work: Path, say: Callable[[str], None]) -> Pair:
    source = work / name / "bucket"
    source.mkdir(parents=True)
    places = [Place(checkout, work / name / checkout.name.lower(), source) for checkout in (before, after)]
    for place in places:
        place.make()
    return Pair(name, places[0], places[1], say)
