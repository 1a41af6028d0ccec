"""Holds for every test: nothing of the user's settings, credentials or Dagster history takes part."""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Container
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from opensky_assets import devtools

ROOT = Path(__file__).resolve().parent.parent

# Before any test module is imported, since Dagster and the settings read the environment when asked. Workers
# of pytest-xdist import this file too, so each has a home of its own.
for _name in [name for name in os.environ if name.startswith("OPENSKY_")]:
    del os.environ[_name]
for _name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
    os.environ.pop(_name, None)
_DAGSTER_HOME = tempfile.mkdtemp(prefix="opensky-assets-test-dagster-")
shutil.copy(ROOT / "dagster.yaml", _DAGSTER_HOME)
os.environ["DAGSTER_HOME"] = _DAGSTER_HOME
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

# Machines differ: a slow example is no failure, and a failing one is printed so that it can be run again.
settings.register_profile(
    "opensky_assets", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("opensky_assets")


DURATIONS = ROOT / devtools.DURATIONS
_measured: dict[str, dict[str, float]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-durations",
        action="store_true",
        help=f"write into {devtools.DURATIONS} how long the tests of each file took; for an idle machine",
    )


@pytest.hookimpl(trylast=True)  # after tests of other tiers are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: a worker must not be left with one when the others are through."""
    known = json.loads(DURATIONS.read_text())
    seconds: Counter[str] = Counter()
    for file, kind in {(_file(item.nodeid), _kind(item.keywords)) for item in items}:
        seconds[file] += known.get(file, {}).get(kind, 0)
    items.sort(key=lambda item: -seconds[_file(item.nodeid)])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    of_file = _measured.setdefault(_file(report.nodeid), {})
    kind = _kind(report.keywords)
    of_file[kind] = of_file.get(kind, 0) + report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-durations") and not hasattr(session.config, "workerinput"):
        durations = json.loads(DURATIONS.read_text()) | _measured
        there = {
            file: {kind: round(seconds, 1) for kind, seconds in sorted(kinds.items())}
            for file, kinds in sorted(durations.items())
            if (ROOT / "opensky_assets_tests" / file).is_file()
        }
        DURATIONS.write_text(json.dumps(there, indent=1) + "\n")


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("opensky_assets_tests/")


def _kind(keywords: Container[str]) -> str:
    return next((kind for kind in ("soak", "services", "slow") if kind in keywords), "quick")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_DAGSTER_HOME, ignore_errors=True)
