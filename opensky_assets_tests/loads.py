"""Known loads, as processes whose usage the system tells when they are over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from opensky_assets.storage.objects import ObjectStore


def burn(seconds: float) -> None:
    """Keep one core busy for so much of its time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(range(10_000))


def hold(megabytes: int, seconds: float) -> None:
    """Fill memory and keep it for a while."""
    held = bytearray(os.urandom(1 << 20)) * megabytes
    time.sleep(seconds)
    del held


def write(megabytes: int, path: Path) -> None:
    """Write a file through to the disk."""
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def download(store: ObjectStore, keys: Iterable[str]) -> int:
    """Read objects to their ends; the bytes that came."""
    came = 0
    for item in store.list():
        if item.key in keys:
            with store.open(item) as body:
                while data := body.read(1 << 20):
                    came += len(data)
    return came


def start(load: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A load of this module in a process of its own."""
    given = ", ".join(repr(argument) for argument in arguments)
    code = f"from opensky_assets_tests.loads import *; from pathlib import *; {load}({given})"
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[1])


def through_a_child(load: str, *arguments: object) -> None:
    """The load in a child of this process, which is waited for."""
    if start(load, *arguments).wait():
        raise RuntimeError(f"{load} failed")
