"""What whoever works on this code runs from a checkout: set-up, tests, lint, pins, clean.

Standard library only: it calls the tools as programs of the environment that bootstrap.py made.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from opensky_assets import bootstrap

# Made by running and testing the code. `data/` (buckets, lakes, run history) is never removed.
LEFTOVERS = (
    bootstrap.VENV,
    bootstrap.VENV + ".lock",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "build",
    "dist",
    "opensky_assets.egg-info",
    "dbt_project/logs",
    "dbt_project/target",
)


WHOLE_TIER = ("--dist", "loadfile", "--no-loadscope-reorder", "--durations", "20", "--durations-min", "5")
"""In the order of conftest.py, which has the longest files first, not by how many tests a file has; and what of them
takes long, since each tier has its bound."""


def setup(root: Path, arguments: list[str]) -> int:
    print(f"{root / bootstrap.VENV} is set up.")
    return 0


def test(root: Path, arguments: list[str]) -> int:
    """The whole suite, one worker a core; with arguments, pytest with just these."""
    if not arguments:
        arguments = ["-n", str(min(4, _cores())), *WHOLE_TIER]
    return _pytest(root, arguments)


def test_services(root: Path, arguments: list[str]) -> int:
    """The tests that need a real server; those whose server is not installed are skipped, saying so."""
    if not arguments:
        arguments = ["-n", "2", *WHOLE_TIER]  # S3 beside Spark
    return _pytest(root, ["-m", "services and not soak", "--timeout", "600", *arguments])


def soak(root: Path, arguments: list[str]) -> int:
    """The big counts. What they say is kept in docs/soak/, with the commit and the machine they ran on."""
    described = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(described, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{_cores()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    record = root / "docs" / "soak" / f"{time.strftime('%Y-%m-%d-%H%M', time.gmtime())}.log"
    record.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-s", "-q", "--timeout", "0", *arguments]
    with (
        record.open("w") as log,
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None
        for line in itertools.chain([f"commit {commit or 'unknown'}; {machine}; times in UTC\n"], process.stdout):
            print(line, end="", flush=True)
            log.write(line)
            log.flush()
    print(f"kept in {record.relative_to(root)}")
    return process.returncode


def bench(root: Path, arguments: list[str]) -> int:
    """All benchmarks, at a size the machine can take; `--size tiny`, `quick` or `full`."""
    return subprocess.call([sys.executable, str(root / "benchmarks" / "bench.py"), *arguments], cwd=root)


def lint(root: Path, arguments: list[str]) -> int:
    """ruff and mypy, all of them even if one fails; `--fix` lets ruff mend what it can."""
    fix = "--fix" in arguments
    failed = []
    for name, command in (
        ("ruff check", ["ruff", "check", *(["--fix"] if fix else [])]),
        ("ruff format", ["ruff", "format", *([] if fix else ["--check"])]),
        ("mypy", ["mypy"]),
    ):
        print(f"{name}:", flush=True)
        if _module(root, command):
            failed.append(name)
    if failed:
        print(f"lint failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def pins(root: Path, arguments: list[str]) -> int:
    """requirements.txt anew from pyproject.toml; `--upgrade` takes newer versions than are pinned."""
    compile_all = ["--extra", "dev", "--universal", "--python-version", "3.11", "--generate-hashes"]
    no_addresses = ["--no-emit-index-url", "--custom-compile-command", "make pins"]
    command = ["uv", "pip", "compile", "pyproject.toml", "--quiet", "-o", "requirements.txt"]
    return _module(root, [*command, *compile_all, *no_addresses, *arguments])


def clean(root: Path) -> int:
    """Not a command of COMMANDS: it must not set up what it is about to remove."""
    for path in [*(root / name for name in LEFTOVERS), *root.glob(".tmp_dagster_home_*")]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    for package in ("opensky_assets", "opensky_assets_tests", "benchmarks"):
        for cache in list((root / package).rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)
    print(f"Removed {bootstrap.VENV} and the caches; data/ is untouched.")
    return 0


COMMANDS = {
    "setup": setup,
    "test": test,
    "test-services": test_services,
    "bench": bench,
    "soak": soak,
    "lint": lint,
    "pins": pins,
}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pytest(root: Path, arguments: list[str]) -> int:
    return _module(root, ["pytest", *arguments])


def _module(root: Path, command: list[str]) -> int:
    return subprocess.call([sys.executable, "-m", *command], cwd=root)
