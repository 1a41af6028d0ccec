"""The definitions: that they load lightly, are whole, and are found by each of Dagster's commands."""

import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from opensky_assets.definitions import build_definitions
from opensky_assets.io_managers.lake import contracts
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets_tests.definitions_text import RENEW, SNAPSHOT, current_text

CONTRACTS = contracts()
ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    *("pyspark", "dagster_pyspark", "dagster_aws", "boto3", "dagster_dbt", "dbt", "pandas", "matplotlib"),
    *("ibis", "httpx"),
)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from opensky_assets.definitions import defs; defs().resolve_all_asset_keys(); "
        f"print(','.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def specs() -> list[dg.AssetSpec]:
    return list(build_definitions(OpenSkyResource()).resolve_all_asset_specs())


def test_every_asset_says_what_it_is(specs: list[dg.AssetSpec]) -> None:
    for spec in specs:
        name = spec.key.to_user_string()
        assert spec.group_name and spec.group_name != "default", name
        assert spec.owners and spec.kinds and spec.description and spec.code_version, name


def test_every_table_shows_its_contract(specs: list[dg.AssetSpec]) -> None:
    tables = {spec.key.path[-1]: spec for spec in specs if spec.key.path[-1] in contracts()}
    assert tables.keys() == contracts().keys()
    for name, spec in tables.items():
        columns = spec.metadata["dagster/column_schema"].columns
        contract = contracts()[name]
        assert [c.name for c in columns] == contract.schema.names
        for shown, column in zip(columns, contract.columns, strict=True):
            assert shown.description
            assert column.unit is None or f"[{column.unit}]" in shown.description


@pytest.mark.parametrize("name", ["enriched_flights", "enriched_state_vectors"])
def test_lineage_names_columns_that_exist(specs: list[dg.AssetSpec], name: str) -> None:
    (enriched,) = (spec for spec in specs if spec.key.path == [name])
    lineage = enriched.metadata["dagster/column_lineage"].deps_by_column
    assert lineage.keys() <= set(contracts()[name].schema.names)
    assert set(contracts()[name].schema.names) - lineage.keys() == {"aircraft_snapshot"}
    for deps in lineage.values():
        for dep in deps:
            assert dep.column_name in contracts()[dep.asset_key.path[-1]].schema.names


def test_daily_assets_share_one_calendar_and_run_a_range_at_once() -> None:
    definitions = build_definitions(OpenSkyResource())
    calendar = dg.DailyPartitionsDefinition("2017-01-01", timezone="UTC")
    for node in definitions.resolve_asset_graph().asset_nodes:
        if node.partitions_def is not None:
            assert node.partitions_def == calendar, node.key
            assert node.backfill_policy == dg.BackfillPolicy.single_run(), node.key


def test_workspace_and_dg_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    module = location["python_module"]
    assert module["location_name"] == project["code_location_name"]
    assert module["module_name"] == f"{project['root_module']}.definitions"


def test_the_definitions_are_those_of_the_snapshot() -> None:
    """A change of the graph shows in `definitions.txt`."""
    assert current_text() == SNAPSHOT.read_text(), f"write the snapshot anew where the change is meant: {RENEW}"


@pytest.mark.slow
def test_dg_finds_the_definitions() -> None:
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run([dg_command, "check", "defs"], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
