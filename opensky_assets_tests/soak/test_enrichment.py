"""A large day of states, enriched on both engines: every state once, in memory that is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from opensky_assets_tests.commands import ROOT

pytestmark = pytest.mark.soak


def test_fifty_million_states_on_both_engines(tmp_path: Path) -> None:
    """24 hours of 2.1 million states; the benchmark fails where an engine has more or fewer."""
    command = [sys.executable, str(ROOT / "benchmarks" / "spark_overhead.py"), "--folder", str(tmp_path)]
    command += ["--rows", "2200000", "--enriched-rows", "52000000", "--objects", "2", "--repeats", "1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0
    assert json.loads(done.stdout.strip().splitlines()[-1])["enriched_rows"] > 50_000_000
