"""The dbt project as a resource. dagster_dbt takes four seconds to import, so it is left until a model runs."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from opensky_assets.lake import Lake
from opensky_assets.package_files import package_path
from opensky_assets.transforms.marts import DbtTest

if TYPE_CHECKING:
    from dagster_dbt import DbtCliResource

PROJECT = package_path("dbt_project")


@cache
def _command_line(project_dir: str) -> "DbtCliResource":
    """One a process: each new one starts dbt once more, five seconds, just to ask for its version."""
    from dagster_dbt import DbtCliResource

    # The dbt beside this Python, whatever the PATH says.
    executable = shutil.which("dbt", path=str(Path(sys.executable).parent)) or "dbt"
    return DbtCliResource(project_dir=project_dir, profiles_dir=project_dir, dbt_executable=executable)


class DbtResource(dg.ConfigurableResource):
    """Runs `dbt build` through dagster-dbt's command line resource."""

    project_dir: str = str(PROJECT)

    def build(self, lake: Lake, database: Path, target: Path, models: Sequence[str]) -> list[DbtTest]:
        """Build `models` and what they need in `database`, which reads `lake`, with their tests. Raises where a model
        does not build."""
        # dbt's profile and its plugin read from the environment what is another with each run.
        os.environ["OPENSKY_DBT_DATABASE"] = str(database)
        os.environ["OPENSKY_DBT_LAKE"] = lake.to_json()
        os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        dbt = _command_line(self.project_dir)
        selection = " ".join(f"+{model}" for model in models)
        invocation = dbt.cli(
            # A test that compares two models takes part where both are built.
            ["build", "--select", selection, "--indirect-selection", "cautious"],
            target_path=target,
            raise_on_error=False,
        )
        invocation.wait()
        try:
            results = json.loads((target / "run_results.json").read_text())["results"]
            nodes = json.loads((target / "manifest.json").read_text())["nodes"]
        except FileNotFoundError:
            raise dg.Failure(f"dbt did not run: {invocation.get_error()}") from None
        tests = [_test(r, nodes[r["unique_id"]]) for r in results if r["unique_id"].startswith("test.")]
        # One that is skipped stands behind a test that failed, which the caller is told.
        broken = [r for r in results if r["unique_id"].startswith("model.") and r["status"] == "error"]
        if broken:
            told = "; ".join(f"{r['unique_id']}: {r['message']}" for r in broken)
            raise dg.Failure(f"dbt could not build: {told}")
        return tests


def _test(result: dict, node: dict) -> DbtTest:
    models = tuple(name.split(".")[-1] for name in node["depends_on"]["nodes"])
    passed = result["status"] in ("pass", "success")
    return DbtTest(node["name"], models, passed, result.get("failures") or 0, result.get("message") or "")
