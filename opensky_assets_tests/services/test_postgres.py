"""The history in PostgreSQL: many runs at once, one of them killed, and what the tables hold in the end."""

from __future__ import annotations

import gzip
import os
import re
import signal

import dagster as dg
import duckdb
import pytest
from sqlalchemy import create_engine

from opensky_assets_tests.commands import Place
from opensky_assets_tests.flight_lists import HEADER, flight
from opensky_assets_tests.services.conftest import Postgres
from opensky_assets_tests.services.running import place_with, service, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

RUNS = 8
DAYS = [f"2022-06-{day:02d}" for day in range(1, RUNS + 1)]
FLIGHTS = 300_000
"""A day, so that a run takes a few seconds once it has started."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("history")
    (folder / "bucket" / "flights").mkdir(parents=True)
    for day in DAYS:
        lines = "".join(f"{flight(day, hour=1 + n % 20)}\r\n" for n in range(1000)) * (FLIGHTS // 1000)
        packed = gzip.compress(f"{HEADER}\r\n{lines}".encode(), 1, mtime=0)
        name = day.replace("-", "")
        (folder / "bucket" / "flights" / f"flightlist_{name}_{name}.csv.gz").write_bytes(packed)
    return place_with(
        folder / "work",
        folder / "bucket",
        concurrency={"runs": {"max_concurrent_runs": RUNS}},
        # Dagster starts a run only once the process of the one before is up; so all are started at once.
        run_queue={"dequeue_use_threads": True, "dequeue_num_workers": RUNS},
        run_monitoring={"poll_interval_seconds": 2},
    )


def test_eight_runs_at_once_and_one_killed(place: Place, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", postgres.url)
    with service(place, OPENSKY_WORKERS="1", OPENSKY_POSTGRES_URL=postgres.url) as running:
        daemon = running.processes()["daemon"]
        daemon.suspend()  # until all are in the queue
        launched = [running.launch_day(["raw_flights"], day) for day in DAYS]
        daemon.resume()
        home = str(place.home)
        with dg.DagsterInstance.from_config(home) as instance:
            assert "Postgres" in type(instance.run_storage).__name__
            wait_for(lambda: at_once(instance) == RUNS, f"{RUNS} runs at once", running.logs)
            killed = wait_for(lambda: kill_one(instance), "run under way", running.logs)
            wait_for(lambda: instance.get_run_by_id(killed).status is dg.DagsterRunStatus.FAILURE, "failure")
            (retried,) = wait_for(lambda: retries(instance, killed), "retry", running.logs)
            for run in [*launched, retried.run_id]:
                assert running.end_of(run) == ("FAILURE" if run == killed else "SUCCESS"), running.logs()
            events = [entry for run in launched for entry in instance.all_logs(run)]
        told = running.logs() + postgres.log.read_text() + "".join(str(entry.user_message) for entry in events)
        assert not re.findall(r".*(?:deadlock|database is locked|OperationalError|FATAL|PANIC).*", told)
        assert postgres.password not in told
    written = [path for path in place.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if postgres.password.encode() in path.read_bytes()]
    assert not [path for path in written if path.suffix == ".db" and "dagster" in path.parts]

    assert rows_by_day(place) == dict.fromkeys(DAYS, FLIGHTS)


def test_a_run_killed_together_with_its_code_server_is_found_and_retried(
    place: Place, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", postgres.url)
    environment = {"OPENSKY_WORKERS": "1", "OPENSKY_POSTGRES_URL": postgres.url, "OPENSKY_REFRESH": "true"}
    with service(place, **environment) as running:
        run = running.launch_day(["raw_flights"], DAYS[0])
        with dg.DagsterInstance.from_config(str(place.home)) as instance:
            wait_for(lambda: instance.get_run_by_id(run).status is dg.DagsterRunStatus.STARTED, "start", running.logs)
            server = running.processes()["code-server"]
            for process in [server, *server.children(recursive=True)]:
                process.kill()
            status = place.run("status", **environment)
            assert status.returncode == 1 and "its process has ended" in status.stdout, status.stdout
            again = place.run("start", "--port", str(running.port), **environment)
            assert again.returncode == 0, again.stdout
            assert "only daemon and webserver still ran from an earlier start: stopped" in again.stdout
            assert running.end_of(run) == "FAILURE"
            (failure,) = instance.all_logs(run, of_type=dg.DagsterEventType.RUN_FAILURE)
            assert "was started anew and does not know it" in str(failure.message)
            (retried,) = wait_for(lambda: retries(instance, run), "retry", running.logs)
            assert running.end_of(retried.run_id) == "SUCCESS", running.logs()
    assert rows_by_day(place)[DAYS[0]] == FLIGHTS


def test_another_lake_is_refused_in_one_line(place: Place, postgres: Postgres) -> None:
    """From another folder too, which has no copy of the record."""
    own = place.run("doctor", OPENSKY_POSTGRES_URL=postgres.url)
    assert "ok      history" in own.stdout, own.stdout
    other = {"OPENSKY_LAKE": str(place.folder / "another"), "OPENSKY_ROOT": str(place.folder / "root")}
    refused = place.run("start", **other, OPENSKY_POSTGRES_URL=postgres.url)
    assert refused.returncode == 1, refused.stdout
    assert refused.stdout.splitlines()[-1] == (
        "opensky-assets start: the history in PostgreSQL, database postgres at 127.0.0.1 belongs to the lake "
        f"{place.lake}, not to {place.folder}/another: give this lake a database of its own, or set OPENSKY_LAKE back; "
        "if you moved that lake to here, run `opensky-assets home --moved`"
    )
    assert postgres.password not in refused.stdout + own.stdout


def test_a_wrong_password_is_told_in_one_line_without_it(place: Place, postgres: Postgres) -> None:
    wrong = postgres.url.replace(postgres.password, "hunter2")
    for command in ("start", "doctor"):
        done = place.run(command, OPENSKY_POSTGRES_URL=wrong)
        assert done.returncode == 1, done.stdout
        assert "the history cannot be opened" in done.stdout and "password authentication failed" in done.stdout
        assert "hunter2" not in done.stdout and "Traceback" not in done.stdout


def test_a_database_that_cannot_hold_every_text_is_refused(place: Place, postgres: Postgres) -> None:
    """In C's locale, that is what PostgreSQL makes; the first run key with a … would fail every tick."""
    with create_engine(postgres.url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    url = postgres.url.removesuffix("postgres") + "plain"
    for command in ("start", "doctor"):
        done = place.run(command, OPENSKY_POSTGRES_URL=url)
        assert done.returncode == 1, done.stdout
        assert "its database is in SQL_ASCII" in done.stdout and "ENCODING 'UTF8'" in done.stdout
        assert postgres.password not in done.stdout and "Traceback" not in done.stdout


def retries(instance: dg.DagsterInstance, run: str) -> list[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run}))


def rows_by_day(place: Place) -> dict[str, int]:
    files = f"read_parquet('{place.lake}/raw/flights/*/*.parquet', hive_partitioning = true)"
    return {str(day): rows for day, rows in duckdb.sql(f"SELECT day, count() FROM {files} GROUP BY day").fetchall()}


def at_once(instance: dg.DagsterInstance) -> int:
    """How many runs have a process now."""
    busy = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs_count(dg.RunsFilter(statuses=busy))


def kill_one(instance: dg.DagsterInstance) -> str | None:
    """Kill the process of a run that is under way; its id."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START):
            os.kill(entry.dagster_event.pid, signal.SIGKILL)
            return run.run_id
    return None
