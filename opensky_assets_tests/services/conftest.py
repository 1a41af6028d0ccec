"""Real servers on loopback. A test is skipped, saying so, where its server is not installed."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from opensky_assets.extras import require_extra
from opensky_assets_tests.buckets import let_others_in
from opensky_assets_tests.services.kafka import Broker

HERE = Path(__file__).resolve().parent
ACCESS_KEY, SECRET_KEY = "test", "testtest"


@dataclass(frozen=True)
class S3Server:
    """A server that checks signatures, and the environment in which its key is AWS's usual one."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def bucket(self, name: str, folder: Path | None = None, acl: str = "private") -> str:
        """Make a bucket with the files of a folder as objects."""
        client = self.client()
        client.create_bucket(Bucket=name, ACL=acl)
        for path in sorted(folder.rglob("*")) if folder else ():
            if path.is_file():
                key = path.relative_to(folder or path).as_posix()
                client.put_object(Bucket=name, Key=key, Body=path.read_bytes(), ACL=acl)
        return f"s3://{name}"


@dataclass(frozen=True)
class Postgres:
    """A server with one database, and what it said."""

    port: int
    password: str
    log: Path

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://opensky:{self.password}@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A cluster of its own, on loopback only, that asks for a password. As root it runs as the user of Debian's
    package, since PostgreSQL refuses root."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    initdb = shutil.which("initdb", path=os.pathsep.join([*map(str, reversed(installed)), os.environ["PATH"]]))
    if initdb is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    programs = Path(initdb).resolve().parent
    folder = tmp_path_factory.mktemp("postgres")
    user: dict[str, Any] = {"cwd": folder}
    if os.getuid() == 0:
        import pwd

        if not any(entry.pw_name == "postgres" for entry in pwd.getpwall()):
            pytest.skip("no user postgres here to run PostgreSQL as (Debian: apt-get install postgresql)")
        user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        let_others_in(folder)
        shutil.chown(folder, "postgres", "postgres")
    password, data, port = secrets.token_urlsafe(16), folder / "data", free_port()
    pgpass = folder / "password"
    pgpass.write_text(password)
    pgpass.chmod(0o644)
    options = ["fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "unix_socket_directories="]
    made = [str(programs / "initdb"), "-D", str(data), "-U", "opensky", "-A", "scram-sha-256", f"--pwfile={pgpass}"]
    made += ["--encoding=UTF8", "--locale=C"]  # whatever the locale of whoever runs the tests
    subprocess.run(made, check=True, capture_output=True, timeout=120, **user)
    log = folder / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port), *(f"--{option}" for option in options)],
            stdout=said,
            stderr=subprocess.STDOUT,
            **user,
        )
    try:
        until = time.monotonic() + 60
        while "ready to accept connections" not in log.read_text():
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Postgres(port, password, log)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def free_port(how_many: int = 1) -> int:
    """The first of as many ports in a row as nobody listens on. They lie below the range for outgoing connections (from
    32768 on Linux, higher elsewhere): a port of that range may be the local end of one a moment later."""
    for _ in range(100):
        port = random.randrange(16_384, 32_768 - how_many)
        try:
            for number in range(port, port + how_many):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    raise AssertionError(f"no {how_many} free ports in a row from 16384 to 32767")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph's RADOS gateway with its monitor, store (in memory) and manager."""
    if not all(shutil.which(name) for name in ("ceph-mon", "ceph-osd", "ceph-mgr", "ceph", "radosgw", "radosgw-admin")):
        pytest.skip("no Ceph here (Debian: apt-get install ceph-mon ceph-osd ceph-mgr ceph-common radosgw)")
    folder = tmp_path_factory.mktemp("ceph")
    log = folder / "start.log"
    try:
        with log.open("w") as said:  # not a pipe: the daemons would hold it open
            command = ["bash", str(HERE / "ceph-rgw.sh"), str(folder), str(free_port(2))]
            subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, timeout=120, check=False)
        endpoint = log.read_text().strip().splitlines()[-1]
        assert endpoint.startswith("http://127.0.0.1:"), log.read_text()[-3000:]
        yield S3Server(endpoint)
    finally:
        for record in folder.glob("run/*.pid"):
            os.kill(int(record.read_text()), signal.SIGKILL)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests; each has topics of its own."""
    require_extra("live")
    broker = Broker(tmp_path_factory.mktemp("kafka"), free_port(2))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
