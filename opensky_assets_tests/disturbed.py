"""Two syncs, a prune and an enrichment at once over a changing source, each killed with -9 or stopped for longer than
a lease at random moments; and what the lake has to be once nobody is disturbed any more."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

import duckdb

from opensky_assets.checks.raw import broken_laws
from opensky_assets.ingest.plan import RAW_TABLES, make_plan
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import sync_days
from opensky_assets.lake import Lake
from opensky_assets.lake.prune import find, remove
from opensky_assets.schemas import FLIGHTS
from opensky_assets.settings import load_settings
from opensky_assets.storage import s3_files
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT
from opensky_assets.transforms.verify import verify
from opensky_assets_tests.buckets import put
from opensky_assets_tests.flight_lists import HEADER, flight, write_aircraft
from opensky_assets_tests.lakes import publish_airports
from opensky_assets_tests.services.engines import core

DAYS, TODAY = ["2020-01-01", "2020-01-02", "2020-01-03"], date(2020, 2, 1)
PERIODS = [(day, day) for day in DAYS] + [(DAYS[0], DAYS[2])]
ROLES = ("sync", "other-sync", "prune", "enrich")
LEASE_S, STOP_S = 3.0, 4.0
TABLES = ("flights", "enriched_flights")
DONE = "done"
LAST_TRIES = 5
GONE = ("No files found", "No such file", "FileNotFoundError", "Path does not exist", "NoSuchKey")
EXPECTED = ("run again", *GONE, "TProtocolException")
"""What a run may fail of beside others: another was quicker, or has removed, or replaced, what it is reading."""


class ChangingSource:
    """Flight lists that get new versions, vanish and come back. The aircraft of a row tells its object and version."""

    def __init__(self, folder: Path, moments: random.Random) -> None:
        self.folder, self.moments = folder, moments
        self.versions = dict.fromkeys(range(len(PERIODS)), 0)
        write_aircraft(folder)
        for n in self.versions:
            self.write(n, 1)

    def path(self, n: int) -> Path:
        first, last = (day.replace("-", "") for day in PERIODS[n])
        return self.folder / "flights" / f"flightlist_{first}_{last}.csv.gz"

    def write(self, n: int, version: int) -> None:
        rows = random.Random(f"{n} {version}")
        days = [day for day in DAYS if PERIODS[n][0] <= day <= PERIODS[n][1]]
        numbers = range(rows.randrange(5, 40))
        lines = [flight(rows.choice(days), f"{n + 1}{version:03x}{row:02x}", rows.randrange(2, 23)) for row in numbers]
        text = "".join(f"{line}\r\n" for line in (HEADER, *lines))
        key = self.path(n).relative_to(self.folder).as_posix()
        put(self.folder, key, gzip.compress(text.encode(), mtime=0), 1_577_000_000 + version)
        self.versions[n] = version

    def change(self) -> None:
        n = self.moments.randrange(len(PERIODS))
        there = self.path(n).exists()
        if there and self.moments.random() < 0.4:
            self.path(n).unlink()
        else:  # an object that vanished comes back as it was, or in another version
            self.write(n, self.versions[n] + (there or self.moments.random() < 0.5))

    def aircraft(self) -> list[str]:
        """Of every row of the objects that are there now."""
        texts = [gzip.decompress(path.read_bytes()).decode() for path in (self.folder / "flights").glob("*.gz")]
        return sorted(line.split(",")[2] for text in texts for line in text.splitlines()[1:])


# --- who works -----------------------------------------------------------------------------------------------------


def work(role: str, store: LocalStore, lake: Lake) -> None:
    if role.endswith("sync"):
        sync_days(FLIGHTS, DAYS, store, lake, load_settings(), TODAY, lambda text: None)
    elif role == "prune":
        plan = make_plan(store, lake, load_settings(), TODAY)
        remove(lake, find(lake, RAW_TABLES, [m for m in plan.vanished if m.table in RAW_TABLES]))
    else:
        core(lake, DAYS, enrichments=(FLIGHT_ENRICHMENT,))


def work_on_and_on(role: str, bucket: Path, lake: str, end: Path, log: Path, environment: dict[str, str]) -> None:
    """What a process does until a file `end` is there, and then until a run has ended well, at most `LAST_TRIES` times.
    What a run may fail of beside others goes to the log."""
    os.environ.update(environment)
    s3_files.LEFTOVER_S = int(LEASE_S)
    parent = os.getppid()
    last_tries = 0
    while last_tries < LAST_TRIES and os.getppid() == parent:
        last_tries += end.exists()
        try:
            work(role, LocalStore(bucket), Lake.from_json(lake))
            outcome = DONE
        except Exception as error:
            outcome = f"{type(error).__name__}: {' '.join(str(error).split())}"
        with log.open("a") as file:
            file.write(f"{role}: {outcome}\n")
        if last_tries and outcome == DONE:
            break
        time.sleep(0.02)


class Workers:
    """One process of each role."""

    def __init__(self, folder: Path, bucket: Path, lake: Lake, environment: dict[str, str]) -> None:
        self.end, self.log = folder / "end", folder / "errors.log"
        self.given = (bucket, lake.to_json(), self.end, self.log, environment)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([__name__])
        self.running: dict[str, BaseProcess] = {}
        self.stopped: dict[str, float] = {}

    @contextmanager
    def working(self) -> Iterator[None]:
        """All are there; at the end each is let finish what it does."""
        self.end.unlink(missing_ok=True)
        for role in ROLES:
            self.start(role)
        try:
            yield
            self.end.touch()
            for role in list(self.stopped):
                self.go_on(role)
            for role, process in self.running.items():
                process.join(60)
                assert process.exitcode == 0, f"{role} does not end: {process.exitcode}"
        finally:
            for process in self.running.values():
                process.kill()

    def start(self, role: str) -> None:
        process = self.context.Process(target=work_on_and_on, args=(role, *self.given))
        process.start()
        self.running[role] = process

    def kill(self, role: str) -> None:
        self.running[role].kill()
        self.running[role].join()
        self.start(role)

    def stop(self, role: str) -> None:
        os.kill(self.running[role].pid or 0, signal.SIGSTOP)
        self.stopped[role] = time.monotonic() + STOP_S

    def go_on(self, role: str) -> None:
        time.sleep(max(0.0, self.stopped.pop(role) - time.monotonic()))
        os.kill(self.running[role].pid or 0, signal.SIGCONT)

    def continue_those_due(self) -> None:
        for role, until in list(self.stopped.items()):
            if until <= time.monotonic():
                self.go_on(role)


# --- what the lake has to be ---------------------------------------------------------------------------------------


def prepared(store: LocalStore, lake: Lake) -> Lake:
    sync_aircraft(store, lake, load_settings(), TODAY, lambda text: None)
    publish_airports(lake)
    return lake


def assert_settled(lake: Lake, source: ChangingSource, alone: Path) -> None:
    """That, after runs that nobody disturbs, the lake is the one that the source as it is now gives from nothing."""
    store = LocalStore(source.folder)
    kept, s3_files.LEFTOVER_S = s3_files.LEFTOVER_S, -5
    try:
        for role in ("sync", "prune", "enrich"):
            work(role, store, lake)
    finally:
        s3_files.LEFTOVER_S = kept
    manifests = list(lake.manifests(FLIGHTS.name).values())
    assert broken_laws(lake, manifests) == []
    fresh = prepared(store, Lake.at(alone))
    for role in ("sync", "enrich"):
        work(role, store, fresh)
    with duckdb.connect() as connection:
        lake.attach(connection)

        def aircraft(paths: list[str] | str) -> list[str]:
            found = connection.execute("SELECT icao24 FROM read_parquet(?)", [paths]).fetchall() if paths else []
            return sorted(icao24 for (icao24,) in found)

        named = [lake.location(file.path) for manifest in manifests for file in manifest.files]
        assert sum(manifest.total.written for manifest in manifests) == len(source.aircraft())
        assert aircraft(named) == source.aircraft()
        if named:
            assert aircraft(lake.pattern("raw/flights/*/*.parquet")) == source.aircraft()
        for table in TABLES:
            expected = [f"{alone.as_posix()}/core/{table}/*/*.parquet"] if fresh.days(f"core/{table}") else []
            named = lake.locations(f"core/{table}", DAYS)
            every = [lake.pattern(f"core/{table}/*/*.parquet")] if lake.days(f"core/{table}") else []
            for paths in (named, every):
                assert bool(paths) == bool(expected), (table, paths)
                for one, other in ((expected, paths), (paths, expected)) if paths else ():
                    query = "SELECT count(*) FROM (FROM read_parquet(?) EXCEPT ALL FROM read_parquet(?))"
                    assert connection.execute(query, [one, other]).fetchone() == (0,), (table, paths)
    proof = verify(lake)
    due = {path: days for path, days in proof.due.items() if path.split("/")[1] in TABLES}
    assert ([str(problem) for problem in proof.problems], due, proof.strays) == ([], {}, [])
    assert lake.held(FLIGHTS.name) == {}


def check_disturbed(
    folder: Path,
    lake: Lake,
    kills: int,
    stops: int,
    seed: int,
    say: Callable[[str], None],
    environment: dict[str, str] | None = None,
    each_round: int = 10,
    pause_s: float = 0.5,
) -> None:
    """Kill and stop so often; after every `each_round` of these let all end, and look at the lake. Disturbances are at
    most `pause_s` apart: about as long as a run takes."""
    moments = random.Random(seed)
    source = ChangingSource(folder / "source", moments)
    prepared(LocalStore(source.folder), lake)
    workers = Workers(folder, source.folder, lake, environment or {})
    disturbances = ["kill"] * kills + ["stop"] * stops
    moments.shuffle(disturbances)
    for number in range(0, len(disturbances), each_round):
        with workers.working():
            time.sleep(1)  # their first runs
            for disturbance in disturbances[number : number + each_round]:
                source.change()
                time.sleep(moments.uniform(0.02, pause_s))
                workers.continue_those_due()
                role = moments.choice([role for role in ROLES if role not in workers.stopped])
                (workers.kill if disturbance == "kill" else workers.stop)(role)
                while len(workers.stopped) > 2:
                    time.sleep(0.1)
                    workers.continue_those_due()
        assert_settled(lake, source, folder / f"alone{number}")
        say(f"{min(number + each_round, len(disturbances))} of {kills} kills and {stops} stops")
    outcomes = workers.log.read_text().splitlines()
    done = Counter(outcome.partition(":")[0] for outcome in outcomes if outcome.endswith(DONE))
    expected = Counter(why for outcome in outcomes for why in EXPECTED if why in outcome)
    say(f"runs that ended: {dict(done)}; that failed beside others: {dict(expected)}")
    assert set(done) == set(ROLES)
    unexpected = [one for one in outcomes if not one.endswith(DONE) and not any(why in one for why in EXPECTED)]
    assert unexpected == [], "\n".join(unexpected[:20])
