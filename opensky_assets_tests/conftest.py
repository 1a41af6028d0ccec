"""Holds for every test: nothing of the user's settings, credentials or Dagster history takes part."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files first, the kills before all: a worker must not be left with them when the other is through."""
    items.sort(key=lambda item: ("test_kills" not in item.nodeid, item.get_closest_marker("slow") is None))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_DAGSTER_HOME, ignore_errors=True)
