"""A standalone Spark cluster of processes on loopback: a master and its workers, out of pyspark's own jars."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from opensky_assets.engines.spark.session import find_java

STARTED = 90
"""Seconds until a process of the cluster must have said where it listens."""


@dataclass
class Cluster:
    master: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill(self, number: int) -> None:
        """Kill a worker and its executors at once, as a machine that loses its power."""
        found = psutil.Process(self.workers[number].pid)
        for process in [found, *found.children(recursive=True)]:
            process.kill()


@contextmanager
def cluster(folder: Path, workers: int = 2, cores: int = 1) -> Iterator[Cluster]:
    """Start it, with logs in `folder`; all its processes end with the block."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        master, log = _start("master.Master", folder / "master.log", "--port", "0", "--webui-port", "0")
        started.append(master)
        found = Cluster(_wait(log, r"Starting Spark master at (spark://\S+)"))
        for number in range(workers):
            place = ["--work-dir", str(folder / f"work-{number}"), "--cores", str(cores), "--memory", "2g"]
            worker, log = _start(
                "worker.Worker", folder / f"worker-{number}.log", "--webui-port", "0", *place, found.master
            )
            started.append(worker)
            found.workers.append(worker)
            _wait(log, r"Successfully registered with (master)")
        yield found
    finally:
        for process in started:
            if process.poll() is None:
                for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                    one.kill()
            process.wait()


def _start(name: str, log: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
    import pyspark

    home = Path(pyspark.__file__).parent
    java = find_java()
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"}
    if java is not None:
        environment["JAVA_HOME"] = str(java)
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment)
    return process, log


def _wait(log: Path, said: str) -> str:
    until = time.monotonic() + STARTED
    while time.monotonic() < until:
        if found := re.search(said, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(f"{log.name} does not say {said!r}: {log.read_text(errors='replace')[-2000:]}")
