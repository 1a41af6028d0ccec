"""The command line as a user calls it: a process of its own, with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from opensky_assets.dagster_home import homes_folder
from opensky_assets.history_lake import lake_of
from opensky_assets.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason=f"the recorded OpenSky data is not beside the checkout ({SHARED_DATA})"
)


@dataclass(frozen=True)
class Place:
    """A source, and a lake, a warehouse and a Dagster history below one folder."""

    source: Path
    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def home(self) -> Path:
        """DAGSTER_HOME of its lake, as commands find it that are called in the folder."""
        settings = load_settings(lake=str(self.lake))
        return homes_folder(self.folder, settings) / lake_of(settings).digest

    def environment(self) -> dict[str, str]:
        # Commands have their history below `folder`: an exported one would win.
        kept = {n: value for n, value in os.environ.items() if not n.startswith("OPENSKY_") and n != "DAGSTER_HOME"}
        return kept | {
            "OPENSKY_SOURCE": str(self.source),
            "OPENSKY_LAKE": str(self.lake),
            "OPENSKY_WAREHOUSE": str(self.warehouse),
            "PYTHONPATH": str(ROOT),
        }

    def start(self, *arguments: str, new_session: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start `opensky-assets …` in `folder`, so that its history is there too."""
        return subprocess.Popen(
            [sys.executable, "-m", "opensky_assets.cli", *arguments],
            cwd=self.folder,
            env=self.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=new_session,
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output)
