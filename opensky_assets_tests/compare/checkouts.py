"""A checkout with the Python of its own, and the folder in which its commands run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opensky_assets_tests.compare.differences import mask

CHILD = Path(__file__).with_name("child.py")
NOT_PASSED_ON = ("OPENSKY_", "DAGSTER_", "AWS_", "PYTHON", "VIRTUAL_ENV")


class CompareError(Exception):
    """The comparison cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Checkout:
    """A checkout of the project that is set up."""

    name: str
    root: Path

    @property
    def python(self) -> Path:
        return self.root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def require_setup(self) -> None:
        """Raise `CompareError` where it is no checkout or has no `.venv`."""
        if not (self.root / "opensky_assets").is_dir():
            raise CompareError(f"{self.name}: {self.root} is not a checkout of opensky_assets")
        if not self.python.exists():
            raise CompareError(f"{self.name}: {self.root} has no .venv; run `python3 -m opensky_assets setup` in it")


@dataclass(frozen=True)
class Output:
    """What a command printed on its standard output, and its exit code."""

    code: int
    text: str


@dataclass(frozen=True)
class Place:
    """A folder with a lake, a warehouse and a Dagster history, the source that it reads, and whose code runs in it."""

    checkout: Checkout
    folder: Path
    source: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def folders(self) -> dict[str, str]:
        """Paths that texts name, and what stands for them."""
        return {str(self.folder): "<place>", str(self.checkout.root): "<checkout>"}

    def make(self) -> None:
        """Make the folder, with the settings of Dagster that the checkout has."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.checkout.root / "dagster.yaml", self.folder)

    def environment(self, **settings: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
        return kept | {
            "OPENSKY_SOURCE": str(self.source),
            "OPENSKY_LAKE": str(self.lake),
            "OPENSKY_WAREHOUSE": str(self.folder / "warehouse.duckdb"),
            "PYTHONPATH": str(self.checkout.root),
            "DAGSTER_HOME": str(self.folder / "data" / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            **settings,
        }

    def run(self, *arguments: str, **settings: str) -> Output:
        """`python -m opensky_assets …`; what it prints on standard error is kept in the folder."""
        with (self.folder / "errors.log").open("a") as errors:
            errors.write(f"\n$ {' '.join(arguments)}\n")
            errors.flush()
            done = subprocess.run(
                [str(self.checkout.python), "-m", "opensky_assets", *arguments],
                cwd=self.folder,
                env=self.environment(**settings),
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                check=False,
            )
        return Output(done.returncode, mask(done.stdout, self.folders))

    def ask(self, tasks: Sequence[Mapping[str, Any]], **settings: str) -> list[dict[str, Any]]:
        """The answers of `child.py`. Raises `CompareError` with the end of what it said."""
        answers = self.folder / "answers.json"
        answers.unlink(missing_ok=True)
        done = subprocess.run(
            [str(self.checkout.python), "-P", str(CHILD), str(answers)],
            cwd=self.folder,
            env=self.environment(**settings),
            input=json.dumps(tasks),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode or not answers.is_file():
            raise CompareError(f"{self.checkout.name}: {CHILD.name} failed:\n{done.stderr[-3000:]}")
        found: list[dict[str, Any]] = json.loads(answers.read_text())
        return found
