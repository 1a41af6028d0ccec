"""dbt as a resource. dagster_dbt takes four seconds to import, so it is left until a model runs."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from opensky_assets.lake import Lake
from opensky_assets.schemas.tables import PROJECT
from opensky_assets.transforms.dbt_outcome import DbtOutcome, DbtRun, DbtStopped, DbtTest

if TYPE_CHECKING:
    from dagster_dbt import DbtCliResource


@cache
def _command_line() -> "DbtCliResource":
    """One a process: each new one starts dbt once more, five seconds, just to ask for its version. So it is one over
    the package's project, and an option tells the project of the run."""
    from dagster_dbt import DbtCliResource

    # The dbt beside this Python, whatever the PATH says.
    executable = shutil.which("dbt", path=str(Path(sys.executable).parent)) or "dbt"
    return DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=executable)


class DbtResource(dg.ConfigurableResource):
    """Runs `dbt build` through dagster-dbt's command line resource."""

    def build(self, lake: Lake, run: DbtRun) -> DbtOutcome:
        """Build the models of a run and what they need in its database, which reads `lake`, with their tests. Raises
        `DbtStopped` where dbt builds nothing."""
        dbt = _command_line()
        # dbt's profile and its plugin read from the environment what is another with each run.
        given = {"OPENSKY_DBT_DATABASE": str(run.database), "OPENSKY_DBT_LAKE": lake.to_json()}
        with _environment({**given, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}):
            invocation = dbt.cli(
                [
                    "build",
                    *("--project-dir", str(run.project), "--profiles-dir", str(run.project)),
                    *("--select", " ".join(f"+{model}" for model in run.models)),
                    # A test that compares two models takes part where both are built.
                    *("--indirect-selection", "cautious"),
                    *(
                        "--vars",
                        json.dumps({"narrow_marts": list(run.narrow_marts), "narrow_tests": list(run.narrow_tests)}),
                    ),
                ],
                target_path=run.target,
                raise_on_error=False,
            )
            invocation.wait()
        try:
            results = json.loads((run.target / "run_results.json").read_text())["results"]
            nodes = json.loads((run.target / "manifest.json").read_text())["nodes"]
        except FileNotFoundError:
            raise DbtStopped(str(invocation.get_error())) from None
        models = [r for r in results if r["unique_id"].startswith("model.")]
        tests = [r for r in results if r["unique_id"].startswith("test.")]
        return DbtOutcome(
            # One that is skipped stands behind a model that failed, which the caller is told.
            [_test(r, nodes[r["unique_id"]]) for r in tests if not _skipped(r)],
            {_name(r["unique_id"]): r["message"] or "" for r in models if r["status"] == "error"},
            frozenset(_name(r["unique_id"]) for r in models if _skipped(r)),
        )


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    """These variables, until dbt is through: by hand, dbt has none of them."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _skipped(result: dict) -> bool:
    return result["status"] == "skipped"


def _name(unique_id: str) -> str:
    return unique_id.split(".")[-1]


def _test(result: dict, node: dict) -> DbtTest:
    attached = node.get("attached_node")
    models = [attached] if attached else node["depends_on"]["nodes"]
    return DbtTest(
        node["name"],
        tuple(_name(model) for model in models if model.startswith("model.")),
        result["status"] in ("pass", "success", "warn"),
        result.get("failures") or 0,
        result.get("message") or "",
        node["original_file_path"],
        node.get("column_name"),
        result["status"] == "warn",
    )
