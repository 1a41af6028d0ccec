"""What stands beside every measurement: the machine, the code, the libraries."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.runner import cores

LIBRARIES = ("polars", "pyarrow", "isal", "duckdb", "pyspark")


def describe_machine() -> dict[str, str | None]:
    """The last fields of a row of the history, from `machine` on. `commit` is `None` outside a checkout."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "machine": f"{_processor()}, {cores()} cores, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "version": f"{version('opensky-assets')}, ingest {CODE_VERSION}",
        "commit": commit(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    """Its name, where the system tells it; else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str | None:
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    described = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(described, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
