"""Webserver, daemon and code server as a user starts them: what the UI asks of them; they come and go as a whole."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import httpx
import psutil
import pytest
import yaml

from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.services.conftest import free_port
from opensky_assets_tests.services.running import Running, place_with, processes_of, service, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

DAYS = ["2022-06-25", "2022-06-26", "2022-06-27"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("service")
    write_aircraft(folder / "bucket")
    for n, day in enumerate(DAYS):
        write_list(folder / "bucket", day, day, [flight(day, hour=6 + hour) for hour in range(2 + n)])
    return place_with(folder / "work", folder / "bucket", run_monitoring={"poll_interval_seconds": 2, "enabled": True})


def test_what_the_ui_materializes_is_in_the_lake(place: Place) -> None:
    with service(place) as running:
        day, *others = DAYS
        chain = ["aircraft_database", "airports", "raw_flights", "flights", "enriched_flights"]
        assert running.end_of(running.launch_day(chain, day)) == "SUCCESS", running.logs()
        assert running.metadata("raw_flights", day)["dagster/partition_row_count"] == 2
        assert running.metadata("enriched_flights", day)["dagster/partition_row_count"] == 2

        backfill = running.backfill(["raw_flights", "flights", "enriched_flights"], others)
        (run,) = wait_for(lambda: by_backfill(running, backfill), "run of the backfill", running.logs)
        assert running.end_of(run["id"]) == "SUCCESS"
        assert {asset["key"]["path"][0] for asset in run["assets"]} == {"raw_flights", "flights", "enriched_flights"}
        assert [running.metadata("raw_flights", day)["dagster/partition_row_count"] for day in others] == [3, 4]
        lake = f"{place.lake}/core/enriched_flights/*/*.parquet"
        query = f"SELECT day, count(), count(operator) FROM read_parquet('{lake}', hive_partitioning = true) GROUP BY 1"
        rows = sorted((str(day), flights, known) for day, flights, known in duckdb.sql(query).fetchall())
        assert rows == [(DAYS[0], 2, 2), (DAYS[1], 3, 3), (DAYS[2], 4, 4)]

        # Links to reports open: beside the UI, the webserver's process serves the pages of the lake.
        page = Path(place.lake) / "reports" / f"day={day}" / "report.html"
        page.parent.mkdir(parents=True)
        page.write_text("<p>the day")
        served = httpx.get(f"http://127.0.0.1:{running.port + 1}/reports/day={day}/report.html", trust_env=False)
        assert (served.status_code, served.text) == (200, "<p>the day")

        status = place.run("status")
        assert status.returncode == 0, status.stdout
        assert place.run("start").stdout.startswith("the service runs already")
        everything = [
            child for part in processes_of(place).values() for child in (part, *part.children(recursive=True))
        ]
        assert {address for process in everything for address in listening(process)} == {"127.0.0.1"}
    assert processes_of(place) == {}
    assert [process for process in everything if process.is_running() and process.status() != "zombie"] == []
    status = place.run("status")
    assert (status.returncode, status.stdout) == (3, f"the service does not run in {place.folder}\n")


def by_backfill(running: Running, backfill: str) -> list[dict[str, object]]:
    return running.runs(tags=[{"key": "dagster/backfill", "value": backfill}])


def listening(process: psutil.Process) -> list[str]:
    """The addresses at which a process listens."""
    found = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    return [one.laddr.ip.removeprefix("::ffff:") for one in found]


def test_a_run_that_was_stopped_with_the_service_runs_again_with_the_next(place: Place) -> None:
    day, other = "2022-06-28", "2022-06-29"
    for one in (day, other):
        write_list(place.source, one, one, [flight(one, hour=1 + n % 20) for n in range(1000)] * 300)
    with service(place, OPENSKY_WORKERS="1") as running:
        run = running.launch_day(["raw_flights"], day)
        wait_for(lambda: running.runs(runIds=[run], statuses=["STARTED"]), "run under way", running.logs)
        for process in running.processes()["code-server"].children(recursive=True):
            process.suspend()  # so that it does not end in the time it is given
        assert place.run("stop").returncode == 0 and processes_of(place) == {}
        again = place.run("start", "--port", str(running.port), OPENSKY_WORKERS="1")
        assert f"run {run} died with an earlier service" in again.stdout, again.stdout
        parent = {"key": "dagster/parent_run_id", "value": run}
        (retried,) = wait_for(lambda: running.runs(tags=[parent]), "retry", running.logs)
        assert running.end_of(retried["id"]) == "SUCCESS", running.logs()
        assert running.metadata("raw_flights", day)["dagster/partition_row_count"] == 300_000

        # What somebody ends is not tried again, nor does it go on.
        run = running.launch_day(["raw_flights", "flights", "enriched_flights"], other)
        wait_for(lambda: running.runs(runIds=[run], statuses=["STARTED"]), "run under way", running.logs)
        running.terminate(run)
        assert running.end_of(run) == "CANCELED"
        assert running.runs(tags=[{"key": "dagster/parent_run_id", "value": run}]) == []
        assert not (place.lake / "core" / "enriched_flights" / f"day={other}").exists()


def test_the_parts_run_one_by_one_and_pass_the_checks_of_the_containers(place: Place) -> None:
    code, web = free_port(), free_port()
    at = ("--code", f"127.0.0.1:{code}")
    log = place.folder / "parts.log"
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    environment = place.environment() | {"DAGSTER_HOME": str(place.home)}
    started = []

    def healthy(part: str) -> bool:
        program, *arguments = compose[part]["healthcheck"]["test"][1:]
        own = [argument.replace("4266", str(code)).replace("3000", str(web)) for argument in arguments]
        command = [Path(sys.executable).with_name(program), *own]
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    with log.open("w") as out:
        try:
            for part, arguments in (
                ("code-server", ("--port", str(code))),
                ("daemon", at),
                ("webserver", ("--port", str(web), *at)),
            ):
                command = [sys.executable, "-m", "opensky_assets.cli", "serve", part, *arguments]
                started.append(
                    subprocess.Popen(command, cwd=place.folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
                )
                wait_for(lambda part=part: healthy(part), f"healthy {part}", log.read_text)
            assert Running(place, web).ask("{ version }") == version("dagster-webserver")
        finally:
            for process in reversed(started):
                process.terminate()
            ended = [process.wait(60) for process in started]
    assert ended == [0, 0, 0], log.read_text()


def test_a_port_in_use_is_told_and_nothing_stays(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        started = place.run("start", "--port", str(taken.getsockname()[1]))
    assert started.returncode == 1 and "is in use" in started.stdout
    assert processes_of(place) == {}


def test_what_lives_and_does_not_answer_is_stopped_before_anything_is_started(place: Place) -> None:
    folder = place.home / "service"
    idle = {part: psutil.Popen(["sleep", "600"]) for part in ("code-server", "daemon", "webserver")}
    try:
        for part, process in idle.items():
            told = {"pid": process.pid, "created": process.create_time(), "port": free_port()}
            (folder / f"{part}.json").write_text(json.dumps(told))
        status = place.run("status")
        assert status.returncode == 1 and status.stdout.count("it does not answer") == 2, status.stdout
        whole = (folder / "daemon.json").read_text()
        (folder / "daemon.json").write_text(whole[:20])  # killed while it was written
        status = place.run("status")
        assert status.returncode == 1 and "was not started" in status.stdout, status.stdout
        (folder / "daemon.json").write_text(whole)
        with socket.socket() as taken:  # so that it does not start anything
            taken.bind(("127.0.0.1", 0))
            started = place.run("start", "--port", str(taken.getsockname()[1]))
        assert started.returncode == 1 and "in use" in started.stdout, started.stdout
        # Of the daemon there may still be signs of life, by the one of the test before.
        assert "stopped first: the code server: it does not answer" in started.stdout
        assert "the webserver: it does not answer" in started.stdout
        assert [process.wait(10) for process in idle.values()] == [-signal.SIGTERM] * 3
    finally:
        for process in idle.values():
            if process.is_running():
                process.kill()


def test_a_part_that_does_not_start_is_told_with_its_log_and_the_others_are_stopped(place: Place) -> None:
    started = place.run("start", OPENSKY_ENV="nowhere")
    assert started.returncode == 1 and "OPENSKY_ENV='nowhere'" in started.stdout
    # Where the service works is where Python looks first.
    broken = place.folder / "dagster_webserver.py"
    broken.write_text("raise RuntimeError('no webserver here')")
    try:
        started = place.run("start", "--port", str(free_port()))
    finally:
        broken.unlink()
    assert started.returncode == 1, started.stdout
    assert "ok      daemon" in started.stdout
    assert "the webserver did not start" in started.stdout and "no webserver here" in started.stdout
    assert processes_of(place) == {}
