"""`defs.yaml` beside Python definitions: it loads by path, runs, and says in one line what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest
import yaml

from opensky_assets.components.folder import component_definitions
from opensky_assets.partitions import DAILY, range_tags
from opensky_assets.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]

GOOD = """type: opensky_assets.components.ScheduledAssets
attributes:
  name: week_of_routes
  assets: key:routes or key:report
  cron: 0 9 * * 1
  days: 7
  description: Routes of the week
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """An empty package of definitions."""
    name = f"project_{tmp_path.name}"
    package = tmp_path / name / "defs"
    package.mkdir(parents=True)
    for init in (package.parent, package):
        (init / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield import_module(f"{name}.defs")
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def write(folder: ModuleType, text: str, name: str = "weekly") -> Path:
    file = Path(folder.__path__[0]) / name / "defs.yaml"
    file.parent.mkdir()
    file.write_text(text)
    return file


def test_a_schedule_of_assets_in_yaml(folder: ModuleType) -> None:
    @dg.asset(partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run())
    def routes() -> None: ...

    @dg.asset(deps=[routes])
    def report() -> None: ...

    write(folder, GOOD)
    write(folder, GOOD.replace("week_of_routes", "reports").replace("key:routes or ", ""), "reports")
    found = dg.Definitions.merge(dg.Definitions(assets=[routes, report]), component_definitions(folder))
    repository = found.get_repository_def()
    job = repository.get_job("week_of_routes")
    assert job.asset_layer.selected_asset_keys == {routes.key, report.key} and job.description == "Routes of the week"
    at = datetime(2022, 6, 27, 9, tzinfo=UTC)
    for name, tags in (("week_of_routes", range_tags("2022-06-20", "2022-06-26")), ("reports", {})):
        schedule = repository.get_schedule_def(f"{name}_schedule")
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
        with dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository) as context:
            (request,) = schedule.evaluate_tick(context).run_requests or ()
        assert request.tags.items() >= tags.items() and ("dagster/asset_partition_range_end" in request.tags) == bool(
            tags
        )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no `type`"),
        ("type: [", "is not YAML"),
        ("attributes: {}", "has no `type`"),
        ("type: Schedule", "type Schedule: "),
        ("type: nowhere.Component", "No module named 'nowhere'"),
        ("type: opensky_assets.components.Nothing", "type opensky_assets.components.Nothing: is not a component"),
        ("type: opensky_assets.settings.Settings", "is not a component"),
        (GOOD.replace("name: week_of_routes", "name: a b"), "attributes.name (line 3): String should match"),
        (GOOD.replace("  days: 7", "  days: none"), "days: Input should be a valid integer"),
        (GOOD.replace("  days: 7", "  days: 0"), "days must be at least 1, got 0"),
        (GOOD.replace("  cron: 0 9 * * 1\n", ""), "attributes.cron (line 2): Field required"),
        (GOOD.replace("0 9 * * 1", "mondays"), "mondays"),
        (GOOD + "  colour: red\n", "attributes.colour (line 8): Extra inputs are not permitted"),
        (GOOD + "color: red\n", "color (line 8): Extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(folder: ModuleType, text: str, told: str) -> None:
    write(folder, GOOD.replace("week_of_routes", "fine"), "fine")
    file = write(folder, text)
    with pytest.raises(SettingsError) as raised:
        component_definitions(folder)
    message = str(raised.value)
    assert message.startswith(f"{file}: ") and told in message and "\n" not in message


def test_a_folder_without_any_costs_nothing(folder: ModuleType) -> None:
    assert component_definitions(folder) == dg.Definitions()


def dg_says(*arguments: str, cwd: Path = ROOT) -> str:
    """The output of a command of `dg`, without the breaks and frames of its tables."""
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run([dg_command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_dg_lists_checks_and_scaffolds_components(tmp_path: Path) -> None:
    assert "opensky_assets.components.ScheduledAssets" in dg_says("list", "components", "--json")

    # In a project of its own, of which the checkout sees nothing.
    name = f"project_{tmp_path.name.rpartition('-')[2]}_scaffolded"
    defs = tmp_path / name / "defs"
    defs.mkdir(parents=True)
    for init in (defs.parent, defs):
        (init / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{name}"\n'
        'registry_modules = ["opensky_assets.components"]\n'
    )
    options = ["--assets", "key:routes+", "--cron", "0 9 * * 1", "--days", "7"]
    dg_says("scaffold", "defs", "opensky_assets.components.ScheduledAssets", "weekly_routes", *options, cwd=tmp_path)
    attributes = {"name": "weekly_routes", "assets": "key:routes+", "cron": "0 9 * * 1", "days": 7}
    written = yaml.safe_load((defs / "weekly_routes" / "defs.yaml").read_text())
    assert written == {"type": "opensky_assets.components.ScheduledAssets", "attributes": attributes}
    assert "validated successfully" in dg_says("check", "yaml", cwd=tmp_path)
