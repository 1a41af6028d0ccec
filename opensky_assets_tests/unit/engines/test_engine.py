"""Which engine the settings ask for, and what it takes with it."""

import pickle
import subprocess
import sys

import pytest

from opensky_assets.engines.engine import open_engine
from opensky_assets.engines.local import LocalEngine
from opensky_assets.engines.spark.tasks import _LakeTrouble, _result
from opensky_assets.settings import Settings
from opensky_assets.storage.errors import LakeUnavailable


def no_session():
    raise AssertionError("the local engine needs no session")


def test_the_local_engine_has_the_workers_of_the_settings():
    assert open_engine(Settings(_env_file=None, workers=3), no_session) == LocalEngine(3)


def test_spark_is_opened_on_the_session_that_is_given():
    session = object()
    assert open_engine(Settings(_env_file=None, engine="spark"), lambda: session).session is session


@pytest.mark.parametrize("module", ["engines.spark.stage", "engines.spark.tasks", "ingest.runner"])
def test_a_worker_of_spark_loads_nothing_that_it_does_not_use(module):
    """Each task's worker would pay for it."""
    code = f"import sys, opensky_assets.{module}; print(sorted({{'ibis', 'pyspark', 'dagster'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_error_of_the_lake_keeps_its_class_on_the_way_from_an_executor() -> None:
    sent = pickle.loads(pickle.dumps(_LakeTrouble(LakeUnavailable("busy"))))
    with pytest.raises(LakeUnavailable, match="busy"):
        _result(sent)
