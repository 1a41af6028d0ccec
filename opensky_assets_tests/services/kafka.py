"""A real Kafka: one node in KRaft mode on loopback, from jars that Maven fetches once into a cache."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opensky_assets.settings import KafkaSettings

POM = Path(__file__).resolve().parent / "kafka-pom.xml"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=3
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

_LOG = """\
Configuration:
  status: WARN
  Appenders: {Console: {name: S, target: SYSTEM_OUT, PatternLayout: {pattern: "%d %p %c{1} %m%n"}}}
  Loggers: {Root: {level: warn, AppenderRef: [{ref: S}]}}
"""


def jars() -> Path:
    """The folder of Kafka's jars, fetched where it is not there. Skips the test where Maven is missing or
    cannot fetch them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "opensky-assets" / "kafka-4.4.0"
    if not cache.is_dir():
        if shutil.which("mvn") is None:
            pytest.skip("no Maven here to fetch Kafka with (Debian: apt-get install maven)")
        fetched = cache.with_name(f"{cache.name}.{os.getpid()}.part")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
        try:
            subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Maven cannot fetch Kafka here: {error}")
        try:
            fetched.rename(cache)
        except OSError:  # another run was quicker
            shutil.rmtree(fetched)
    return cache


@dataclass
class Broker:
    """A node in a folder; it keeps its messages when it is killed and started again."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def settings(self, **options: str) -> KafkaSettings:
        """With topics that no other test has."""
        given = {"kafka_brokers": self.address, "kafka_topic_prefix": f"t{uuid.uuid4().hex[:8]}-", **options}
        return KafkaSettings(**given)  # type: ignore[arg-type]

    def start(self) -> None:
        if shutil.which("java") is None:
            pytest.skip("no Java here to run Kafka with (Debian: apt-get install openjdk-17-jre-headless)")
        libs, data = jars(), self.folder / "data"
        configured = self.folder / "server.properties"
        configured.write_text(_PROPERTIES.format(port=self.port, controller=self.port + 1, data=data))
        logged = self.folder / "log4j2.yaml"
        logged.write_text(_LOG)
        options = [
            "-Xms64m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={logged}",
            "-cp",
            f"{libs}/*",
        ]
        if not (data / "meta.properties").is_file():
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            command = ["java", *options, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(configured)]
            subprocess.run(command, check=True, timeout=120, capture_output=True)
        with (self.folder / "kafka.log").open("ab") as log:
            command = ["java", *options, "kafka.Kafka", str(configured)]
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < until, (self.folder / "kafka.log").read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """As a machine does that loses its power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
            self._process = None
