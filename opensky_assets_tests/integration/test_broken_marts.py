"""Marts that are wrong in all ways that only dbt finds: each is one line, the others go on, and nothing is harmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from opensky_assets.definitions import build_definitions
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas.tables import mart_named, use_project
from opensky_assets.transforms.rows import daily_schema
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.dbt_models import copy_project
from opensky_assets_tests.integration.test_marts_order import DAYS, HOUR, put
from opensky_assets_tests.lakes import LocalLake, write_days

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOLDER = "models/marts/own"


def described(name: str, test: str = "") -> str:
    """Four lines at the beginning, then three columns, a line each, and a test of the last."""
    return f"""\
version: 2
models:
  - name: {name}
    description: Flights by type.
    config: {{meta: {{key: [typecode]}}}}
    columns:
      - {{name: day, data_type: date, description: UTC day, constraints: [{{type: not_null}}]}}
      - {{name: typecode, data_type: varchar, description: Type}}
      - {{name: flights, data_type: bigint, description: Flights{test}}}
"""


SQL = "select day, typecode,\n    count(*) as flights\nfrom {{ ref('stg_flights') }} group by all\n"
MODELS = {
    "other_type": SQL.replace("count(*)", "count(*)::varchar"),
    "more_columns": SQL.replace("typecode,", "typecode, max(icao24) as last,"),
    "fewer_columns": SQL.replace(",\n    count(*) as flights", ""),
    "no_such_column": SQL.replace("count(*)", "sum(flihgts)"),
    "fails_a_test": SQL,
    "reads_it": "select day, typecode, flights from {{ ref('fails_a_test') }}",
    "no_jinja": SQL.replace("count(*)", "{{ count( }}"),
    "sound": SQL,
}
WITH_TEST = ", data_tests: [{at_least: {arguments: {value: 1000}}}]"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    files = {f"{FOLDER}/{name}.sql": sql for name, sql in MODELS.items()}
    files |= {f"{FOLDER}/{name}.yml": described(name, WITH_TEST * (name == "fails_a_test")) for name in MODELS}
    files[f"{FOLDER}/no_yaml.sql"] = SQL
    monkeypatch.setenv("OPENSKY_DBT_PROJECT", str(copy_project(tmp_path / "project", files)))
    lake = tmp_path / "lake"
    opensky = OpenSkyResource(source=str(tmp_path), lake=str(lake), warehouse=str(tmp_path / "warehouse.duckdb"))
    yield Platform(tmp_path, LocalLake.at(lake), dg.DagsterInstance.ephemeral(), build_definitions(opensky), opensky)
    use_project(None)


def test_each_is_one_line_and_the_others_go_on(platform: Platform) -> None:
    lake, day = platform.lake, DAYS[3]
    put(lake, day, [(1200, HOUR, "EDDF", "LSZH")])
    before = mart_named("fails_a_test").contract
    row = {"day": date.fromisoformat(day), "typecode": "B744", "flights": 7}
    write_days(lake, before, pa.Table.from_pylist([row], schema=daily_schema(before)).to_reader(), [day])
    (path,) = lake.day_files(before.path, [day])[day]
    published = lake.path(path).read_bytes()

    names = [*MODELS, "no_yaml", "routes"]
    done = platform.run(names, day)

    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    text = str(failure.step_failure_data.error_display_string)
    for line in (
        f"other_type ({FOLDER}/other_type.yml:9): the column flights is VARCHAR, but BIGINT in the YAML",
        f"more_columns ({FOLDER}/more_columns.yml:3): the column last is not in the YAML",
        f"fewer_columns ({FOLDER}/fewer_columns.yml:9): the column flights of the YAML is not in the model's SQL",
        f"no_such_column ({FOLDER}/no_such_column.sql:",
        f"fails_a_test ({FOLDER}/fails_a_test.yml:9): the test at_least_fails_a_test_flights__1000 found 1 row",
        f"reads_it ({FOLDER}/reads_it.sql:1): was not built, since it reads fails_a_test ",
        f"no_jinja ({FOLDER}/no_jinja.sql:2): ",
        f"no_yaml ({FOLDER}/no_yaml.sql:1): has no YAML",
    ):
        assert line in text, (line, text)
    assert 'Referenced column "flihgts" not found' in text and "8 of 10 marts" in text
    assert lake.days("marts/sound") == lake.days("marts/routes") == [day]
    assert platform.materialized("sound") == platform.materialized("routes") == [day]
    assert sorted(path.name for path in lake.path("marts").iterdir()) == ["fails_a_test", "routes", "sound"]
    assert lake.path(path).read_bytes() == published
    checks = {c.asset_key.to_user_string(): c for c in done.get_asset_check_evaluations()}
    assert {name for name, check in checks.items() if check.passed} == {"sound", "routes"}
    assert checks.keys() == set(names)
    assert "found 1 row" in str(checks["fails_a_test"].metadata["problem"].value)
