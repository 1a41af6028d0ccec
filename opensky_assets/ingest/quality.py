"""What the days of a raw table look like: measured for checks, which say what is worth a warning."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb

from opensky_assets.ingest.sync import DayFacts, day_facts
from opensky_assets.lake import Lake, Manifest
from opensky_assets.schemas import Contract
from opensky_assets.sources.keys import hours_of, is_flight_answer, is_poll

BATCH_ROWS = 4_000_000
"""Rows of one query: a full day of states has twelve times as many, grouped at once they take 1 GB and half as long
again as in slices."""

MEMORY = "1GB"
STALE_S = 15
"""OpenSky's advice: a state whose last contact is older is a repetition of the one before."""

USUAL_DAYS = 14
FEWEST_USUAL_DAYS = 3


@dataclass(frozen=True)
class Files:
    """The files of one day that are there, with all their rows."""

    day: str
    paths: list[str] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True)
class TableDays:
    """Days of a raw table as the manifests tell them; `facts` has the days that have a record."""

    lake: Lake
    contract: Contract
    days: Sequence[str]
    facts: Mapping[str, DayFacts]
    files: Sequence[Files]
    poll_files: Sequence[Files]
    rows: Mapping[str, int]
    """Of every day that the lake has."""
    answered: frozenset[str]
    """Days all rows of which come from answers of the API: they have what was asked for, when it was."""


def read_days(
    lake: Lake, contract: Contract, days: Sequence[str] | None, manifests: Mapping[str, Manifest] | None = None
) -> TableDays:
    """The manifests of a table, read once, or those given; `None` for all its days."""
    manifests = lake.manifests(contract.name) if manifests is None else manifests
    rows: dict[str, int] = {}
    from_files: set[str] = set()
    found: dict[str, list[tuple[str, int, bool]]] = {}
    for key, manifest in manifests.items():
        poll = is_poll(key)
        if not poll and not is_flight_answer(key):
            from_files.update(output.day for output in manifest.files)
        for output in manifest.files:
            day = output.day
            rows[day] = rows.get(day, 0) + output.rows
            found.setdefault(day, []).append((output.path, output.rows, poll))
    chosen = sorted(rows) if days is None else [day for day in days if day in rows]
    there = {day: set(files) for day, files in lake.day_files(contract.path, chosen).items()}

    def files(only_polls: bool) -> list[Files]:
        wanted = {day: [f for f in found[day] if f[0] in there[day] and (f[2] or not only_polls)] for day in there}
        return [
            Files(day, [lake.location(f[0]) for f in fs], sum(f[1] for f in fs)) for day, fs in wanted.items() if fs
        ]

    facts = day_facts(manifests, sorted(rows) if days is None else days)
    return TableDays(lake, contract, chosen, facts, files(False), files(True), rows, frozenset(rows) - from_files)


# --- told by the manifests alone ---------------------------------------------------------------------------------


def quarantined_shares(table: TableDays) -> dict[str, float]:
    """The share of a day's records that is in quarantine, for days that have a record."""
    return {day: f.counts.quarantined / f.counts.read for day, f in table.facts.items() if f.counts.read}


def missing_hours(table: TableDays) -> dict[str, list[int]]:
    """The hours without a file, for days of which the lake has an hourly file."""
    present = {day: hours_of(facts.objects) for day, facts in table.facts.items()}
    return {day: [h for h in range(24) if h not in hours] for day, hours in present.items() if hours}


def usual_rows(table: TableDays) -> dict[str, float]:
    """The median of the `USUAL_DAYS` days before each day that the lake has; not for days with few before them. Days
    of answers of the API are compared with such days, days of files with days of files."""
    kinds = {True: sorted(table.answered), False: sorted(table.rows.keys() - table.answered)}
    found = {}
    for day in table.days:
        known = kinds[day in table.answered]
        at = known.index(day)
        before = known[max(0, at - USUAL_DAYS) : at]
        if len(before) >= FEWEST_USUAL_DAYS:
            found[day] = statistics.median(table.rows[other] for other in before)
    return found


MOST_QUARANTINED = 0.01
MOST_NOTED = 3


@dataclass(frozen=True)
class Notice:
    """A check that warns or fails, as `name of asset`, and what it says of the days."""

    check: str
    text: str


def notices(
    lake: Lake, contract: Contract, first: str, last: str, days: Sequence[str], manifests: Iterable[Manifest]
) -> list[Notice]:
    """What a reader of numbers of the days from `first` to `last` should know of their raw table. `days` are those that
    have rows, `manifests` those of their objects. Rows are looked at only where there are at most `BATCH_ROWS`."""
    assert contract.day_column is not None
    table = read_days(lake, contract, days, {manifest.source.key: manifest for manifest in manifests})
    found = []
    held = [
        h.message
        for h in lake.held(contract.name).values()
        if not h.days or any(first <= day <= last for day in h.days)
    ]
    if held:
        objects = "1 object is" if len(held) == 1 else f"{len(held):,} objects are"
        found.append(("nothing_held_back", f"{objects} held back: {_some(held, '; ')}"))
    shares = {day: share for day, share in quarantined_shares(table).items() if share > MOST_QUARANTINED}
    if shares:
        told = [f"{share:.1%} on {day}".replace("%", " %") for day, share in shares.items()]
        found.append(("quarantine_share", f"more than 1 % of the records are in quarantine: {_some(told)}"))
    missing = {day: hours for day, hours in missing_hours(table).items() if hours}
    if missing:
        told = [f"{day} is without {', '.join(f'{hour:02d}' for hour in hours)}" for day, hours in missing.items()]
        found.append(("hours_present", f"hours without a file (UTC): {_some(told, '; ')}"))
    if sum(f.rows for f in table.files) <= BATCH_ROWS:
        with connection(lake) as duck:
            twice = repeats(duck, table.files, "icao24", contract.day_column)
        if twice:
            told = [f"{rows:,} on {day}" for day, rows in twice.items()]
            found.append(("unique_key", f"rows that repeat another one are counted too: {_some(told)}"))
    return [Notice(f"{check} of raw_{contract.name}", text) for check, text in found]


def _some(texts: Sequence[str], between: str = ", ") -> str:
    more = len(texts) - MOST_NOTED
    return between.join(texts[:MOST_NOTED]) + (f" and {more:,} more" if more > 0 else "")


# --- told by the rows --------------------------------------------------------------------------------------------


@contextmanager
def connection(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over the lake, with its memory bounded; what does not fit goes to the system's temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="opensky-check-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as duck,
    ):
        duck.execute("SET preserve_insertion_order = false")
        yield lake.attach(duck)


_ROWS = "read_parquet(?, hive_partitioning = true, hive_types_autocast = false)"


def repeats(duck: duckdb.DuckDBPyConnection, files: Iterable[Files], key: str, time: str) -> dict[str, int]:
    """Rows beyond the first of each (`key`, `time`), a day, for the days that have any."""
    found: dict[str, int] = {}
    for paths, first, end in _slices(files):
        within = "".join(f' AND "{time}" {sign} ?' for sign, bound in ((">=", first), ("<", end)) if bound)
        query = (
            f'SELECT day, sum(n - 1)::BIGINT FROM (SELECT day, count(*) AS n FROM {_ROWS} WHERE "{time}" IS NOT NULL'
            f'{within} GROUP BY day, "{key}", "{time}" HAVING n > 1) GROUP BY day'
        )
        for day, rows in duck.execute(query, [paths, *(bound for bound in (first, end) if bound)]).fetchall():
            found[day] = found.get(day, 0) + rows
    return dict(sorted(found.items()))


def stale_shares(duck: duckdb.DuckDBPyConnection, files: Iterable[Files]) -> dict[str, float]:
    """The share of a day's states whose last contact is older than `STALE_S`."""
    found: dict[str, float] = {}
    # Differences of timestamps with a time zone go through the calendar, ten times slower than these.
    query = (
        f"SELECT day, avg((epoch_us(time) - epoch_us(lastcontact) > {STALE_S * 1_000_000})::INT) FROM {_ROWS} "
        "GROUP BY day"
    )
    for batch in _batches(files):
        rows = duck.execute(query, [[path for of_day in batch for path in of_day.paths]]).fetchall()
        found |= {day: share for day, share in rows if share is not None}
    return dict(sorted(found.items()))


def _batches(files: Iterable[Files]) -> Iterator[list[Files]]:
    """Days for one query each: as many small ones as have `BATCH_ROWS` rows, or one large one."""
    batch: list[Files] = []
    for of_day in files:
        if batch and sum(f.rows for f in batch) + of_day.rows > BATCH_ROWS:
            yield batch
            batch = []
        batch.append(of_day)
    if batch:
        yield batch


def _slices(files: Iterable[Files]) -> Iterator[tuple[list[str], datetime | None, datetime | None]]:
    """The same, with large days cut by time: paths, first instant, and the one behind the last; `None` is open."""
    for batch in _batches(files):
        paths = [path for of_day in batch for path in of_day.paths]
        parts = -(-sum(f.rows for f in batch) // BATCH_ROWS) if len(batch) == 1 else 1
        start = datetime.fromisoformat(f"{batch[0].day}T00:00:00+00:00")
        bounds = [None, *(start + timedelta(days=1) * part / parts for part in range(1, parts)), None]
        for at in range(parts):
            yield paths, bounds[at], bounds[at + 1]
