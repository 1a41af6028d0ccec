"""deploy/compose.yaml as its own comments say: built, started, fed by S3, asked, stopped, started again."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from opensky_assets.lake import open_lake
from opensky_assets.lake.connect import connect
from opensky_assets.settings import load_settings
from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.services.running import Running, wait_for

pytestmark = pytest.mark.soak

S3 = "http://127.0.0.1:8333"
DAY, NEXT = "2022-06-25", "2022-06-26"


@dataclass(frozen=True)
class Containers:
    """A project of Docker Compose, and the secrets that its `.env` holds."""

    env_file: Path
    secrets: dict[str, str]

    def compose(self, *arguments: str) -> str:
        """What a command of Docker Compose says; one that fails is told with what the containers said."""
        command = ["docker", "compose", "--file", str(ROOT / "deploy" / "compose.yaml")]
        command += ["--project-name", "opensky-assets-test", "--env-file", str(self.env_file)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        if done.returncode:
            logs = subprocess.run([*command, "logs", "--tail", "30"], capture_output=True, text=True).stdout
            raise AssertionError(f"{' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}\n{logs}")
        return done.stdout

    def up(self) -> float:
        """Start all and wait until each is healthy; how many seconds it took."""
        began = time.monotonic()
        self.compose("up", "--detach", "--build", "--wait", "--wait-timeout", "600")
        return time.monotonic() - began

    def inspected(self) -> dict[str, dict[str, Any]]:
        """What Docker tells of each container, by service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def s3(self) -> Any:
        keys = {
            "aws_access_key_id": self.secrets["S3_ACCESS_KEY"],
            "aws_secret_access_key": self.secrets["S3_SECRET_KEY"],
        }
        return boto3.client("s3", endpoint_url=S3, region_name="us-east-1", **keys)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True)
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Docker engine with Compose here")
    made = {name: secrets.token_hex(24) for name in ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY")}
    env_file = tmp_path_factory.mktemp("containers") / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in made.items()))
    running = Containers(env_file, made)
    try:
        yield running
    finally:
        running.compose("down", "--volumes")


KILL_CODE_SERVER = "import psutil; psutil.Process(1).children()[0].kill()"


def test_objects_put_into_s3_become_tables(
    containers: Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"built and healthy after {containers.up():.0f} s")
    found = containers.inspected()
    assert set(found) == {"postgres", "s3", "buckets", "code-server", "daemon", "webserver"}
    for name, one in found.items():
        assert int(one["Config"]["User"].split(":")[0]) > 0, name
        assert one["State"]["Status"] == ("exited" if name == "buckets" else "running"), name
    ports = [port for one in found.values() for port in one["NetworkSettings"]["Ports"].values()]
    assert {bound["HostIp"] for port in ports for bound in port or ()} == {"127.0.0.1"}

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", containers.secrets["S3_ACCESS_KEY"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", containers.secrets["S3_SECRET_KEY"])
    lake = open_lake(load_settings(lake="s3://opensky-lake", lake_endpoint=S3, lake_region="us-east-1"))
    running = Running(Place(tmp_path, tmp_path), 3000)
    put = partial(put_objects, containers.s3(), tmp_path)

    def arrived(day: str, flights: int) -> None:
        """The sensor of arrivals, which runs by itself in production, asks for the day and all that follows."""
        wait_for(lambda: day in lake.days("marts/routes"), f"routes of {day}", lambda: containers.compose("logs"), 600)
        with connect(lake) as sql:
            counted = sql.sql(f"SELECT count(*), count(registration) FROM enriched_flights WHERE day = '{day}'")
            assert counted.fetchall() == [(flights, flights)]

    began = time.monotonic()
    write_aircraft(tmp_path)
    put(DAY, 20)
    arrived(DAY, 20)
    print(f"tables {time.monotonic() - began:.0f} s after the objects")
    wait_for(lambda: running.runs(statuses=["SUCCESS"]), "end of the run")

    containers.compose("exec", "code-server", "python", "-c", KILL_CODE_SERVER)
    put(NEXT, 7)
    arrived(NEXT, 7)
    assert containers.inspected()["code-server"]["RestartCount"] == 1

    wait_for(lambda: not running.runs(statuses=["QUEUED", "STARTING", "STARTED"]), "end of all runs")
    runs = running.runs()
    said = containers.compose("logs")
    for name, secret in containers.secrets.items():
        assert secret not in said, name
    containers.compose("down")
    print(f"again healthy after {containers.up():.0f} s")
    arrived(NEXT, 7)
    assert {run["id"] for run in runs} <= {run["id"] for run in running.runs()}


def put_objects(s3: Any, folder: Path, day: str, flights: int) -> None:
    """Put all that is in `folder`, and a list of so many flights of a day, into the bucket of objects."""
    write_list(folder, day, day, [flight(day, hour=1 + n) for n in range(flights)])
    for path in (path for path in folder.rglob("*") if path.is_file()):
        s3.put_object(Bucket="opensky-source", Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
