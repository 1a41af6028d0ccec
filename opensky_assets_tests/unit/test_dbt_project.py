"""The dbt project as it is read without dbt: contracts, days, and one line for each model that is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from opensky_assets.datasets import register, registered_within
from opensky_assets.datasets.from_yaml import read_dataset
from opensky_assets.schemas.dbt_files import read_files
from opensky_assets.schemas.dbt_project import Project, read_project
from opensky_assets.schemas.ranges import busiest
from opensky_assets.schemas.tables import (
    PROJECT,
    UnknownMart,
    lake_tables,
    mart_named,
    marts,
    project,
    tables,
    use_project,
)
from opensky_assets.schemas.types import type_of
from opensky_assets.transforms.dbt_sources import sources_yaml
from opensky_assets.transforms.dbt_staging import stage_project
from opensky_assets.transforms.mart_days import days_held, days_of_tests, neighbours_of
from opensky_assets_tests.dbt_models import OWN_MARTS, copy_project

DAY = "2022-06-25"
GIVEN = {model["name"]: model for model in yaml.safe_load((PROJECT / "models/marts/marts.yml").read_text())["models"]}


def read(folder: Path) -> Project:
    return read_project(read_files(folder), [table.name for table in lake_tables()])


def test_every_model_below_marts_is_a_mart_and_nothing_is_wrong() -> None:
    assert project().problems == {}
    assert [mart.name for mart in marts()] == list(GIVEN)
    assert {path.stem for path in (PROJECT / "models/marts").glob("*.sql")} == set(GIVEN)
    assert [table.name for table in tables() if table.group == "marts"] == list(GIVEN)
    assert {model.name for model in project().staging} == {"stg_counts", "stg_flights", "stg_movements"}


@pytest.mark.parametrize("name", GIVEN)
def test_a_contract_is_what_the_yaml_says(name: str) -> None:
    given, contract = GIVEN[name], mart_named(name).contract
    (unique,) = [test["unique_together"] for test in given["data_tests"] if "unique_together" in test]
    assert unique["arguments"]["columns"] == ["day", *contract.key]
    assert (contract.path, contract.description) == (f"marts/{name}", given["description"])
    assert contract.schema.names == [column["name"] for column in given["columns"][1:]]
    for of, column in zip(given["columns"][1:], contract.columns, strict=True):
        assert type_of(column.type).duckdb.lower() == of["data_type"]
        assert column.nullable is ("constraints" not in of)
        bounds = {
            test: value["arguments"]["value"] for item in of.get("data_tests", []) for test, value in item.items()
        }
        assert bounds == {
            test: value
            for test, value in (("at_least", column.minimum), ("at_most", column.maximum))
            if value is not None
        }


def test_the_sources_of_the_project_are_the_tables_of_the_lake() -> None:
    written = (PROJECT / "models" / "lake.yml").read_text(encoding="utf-8")
    assert written == sources_yaml(), (
        "models/lake.yml is behind: opensky-assets tables --dbt > dbt_project/models/lake.yml"
    )


def test_a_run_has_the_sources_that_the_project_names(tmp_path: Path) -> None:
    """Wherever the name stands: dbt parses also what no run asks for."""
    note = {"analyses/note.sql": "select * from {{ source('lake', 'raw_flights') }}"}
    found = read(copy_project(tmp_path / "project", note))
    staged = stage_project(found, tmp_path / "staged")
    (source,) = yaml.safe_load((staged / "models" / "lake.yml").read_text())["sources"]
    named = {table["name"] for table in source["tables"]}
    read_there = {source for model in found.models.values() for source in model.sources}
    assert {"raw_flights", "enriched_flights", "counts"} <= {"raw_flights", *read_there} <= named
    assert "raw_state_vectors" not in named and all(table.keys() == {"name"} for table in source["tables"])


def test_a_run_of_dbt_loads_neither_settings_nor_contracts() -> None:
    """They take a second of each run; dbt by hand alone needs them."""
    code = "import sys, opensky_assets.jobs.dbt_plugin; print(*(name for name in sys.modules if 'opensky' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    loaded = done.stdout.split()
    assert "opensky_assets.lake" in loaded
    unwanted = {"settings", "schemas", "datasets", "transforms"}
    assert unwanted.isdisjoint(name.split(".")[1] for name in loaded if "." in name)


def test_contracts_are_enforced_and_the_matrix_is_as_large_as_its_words_say() -> None:
    assert project().files.settings["models"]["opensky"]["marts"]["+contract"] == {"enforced": True}
    assert f"the {busiest()} busiest airports" in mart_named("od_matrix").contract.description


def test_days_around_follow_from_the_models() -> None:
    """Flights of a day move on it and on the two days before it; a rolling count reaches into the next day."""
    assert neighbours_of(mart_named("airport_traffic"), [DAY]) == ["2022-06-23", "2022-06-24", "2022-06-26"]
    assert neighbours_of(mart_named("routes"), [DAY]) == []
    assert project().reach_of("data_quality_daily") == {"enriched_flights": (0, 0), "counts": (0, 0)}
    held = days_held(project(), [mart.name for mart in marts()], [DAY])
    assert held["stg_flights"] == held["routes"] == [DAY]
    assert held["stg_movements"] == held["airport_traffic"] == ["2022-06-23", "2022-06-24", DAY, "2022-06-26"]


def test_reach_adds_up_over_models_and_a_test_looks_at_days_that_all_its_models_hold(tmp_path: Path) -> None:
    metar = {"name": "metar", "description": "d", "day": "t", "key": ["t"], "keys": ["^metar/(?P<day>.*)[.]csv$"]}
    metar["columns"] = {"t": {"type": "timestamp", "description": "d", "nullable": False}}
    with registered_within():
        register(read_dataset(metar))
        own = read(copy_project(tmp_path / "own", OWN_MARTS))
    assert own.problems == {}
    assert own.reach_of("busy_airports") == {"enriched_flights": (3, 2)}
    assert own.window_of("aircraft_by_hour") == (0, 0)
    held = days_held(own, own.marts, [DAY])
    busy = [f"2022-06-{day}" for day in range(23, 29)]  # -2 … +3
    wide = [f"2022-06-{day}" for day in range(21, 29)]  # and two days before for the three days
    assert (held["busy_airports"], held["airport_traffic"], held["routes"], held["stg_flights"]) == (busy, *3 * [wide])
    assert held["manufacturers"] == held["aircraft_by_hour"] == [DAY]
    tests = {test.name: days for test, days in days_of_tests(own, held).items()}
    assert tests["busy_airports_agree"] == busy and tests["counts_every_flight_manufacturers"] == [DAY]
    assert days_held(own, ["aircraft_by_hour"], [DAY]) == {"aircraft_by_hour": [DAY]}


# --- Bad input ----------------------------------------------------------------------------------------------------

SQL, YAML = "models/marts/own/bad.sql", "models/marts/own/own.yml"
GOOD_SQL = "select day, typecode, count(*) as flights\nfrom {{ ref('stg_flights') }}\ngroup by all\n"
GOOD_YAML = """\
version: 2
models:
  - name: bad
    description: Flights by type.
    config:
      meta: {key: [typecode], day: lastseen}
    columns:
      - {name: day, data_type: date, description: UTC day, constraints: [{type: not_null}]}
      - {name: typecode, data_type: varchar, description: Type}
      - {name: flights, data_type: bigint, description: Flights}
"""


def write_bad(
    folder: Path, sql: str = GOOD_SQL, text: str | None = GOOD_YAML, more: dict[str, str] | None = None
) -> Path:
    return copy_project(folder / "project", {SQL: sql, **({YAML: text} if text else {}), **(more or {})})


def changed(old: str, new: str) -> str:
    assert old in GOOD_YAML
    return GOOD_YAML.replace(old, new)


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no YAML": (lambda at: write_bad(at, text=None), f"bad ({SQL}:1): has no YAML; describe its columns"),
    "not YAML": (lambda at: write_bad(at, text="models:\n  - {name: bad\n"), f"bad ({SQL}:1): has no YAML; .* {YAML}:"),
    "no day": (
        lambda at: write_bad(at, text=changed("name: day,", "name: date,")),
        f"bad ({YAML}:7): has no column day: a mart is published by day",
    ),
    "a day of text": (
        lambda at: write_bad(at, text=changed("data_type: date", "data_type: varchar")),
        f"bad ({YAML}:8): day must be of the type date",
    ),
    "an unknown type": (
        lambda at: write_bad(at, text=changed("bigint", "hugeint")),
        f"bad ({YAML}:10): the column flights has the type hugeint; the types are varchar",
    ),
    "no description": (
        lambda at: write_bad(at, text=changed(", description: Type}", "}")),
        f"bad ({YAML}:9): the column typecode has no description",
    ),
    "no key": (
        lambda at: write_bad(at, text=changed("key: [typecode], ", "")),
        f"bad ({YAML}:6): meta has no key",
    ),
    "a key that is no column": (
        lambda at: write_bad(at, text=changed("[typecode]", "[type]")),
        f"bad ({YAML}:6): the key has no column type; there are day, typecode, flights",
    ),
    "wrong days": (
        lambda at: write_bad(at, text=changed("day: lastseen", "reads: {days_before: two}")),
        f"bad ({YAML}:6): reads.days_before must be a number of days from 0 to 366, got 'two'",
    ),
    "an unknown source": (
        lambda at: write_bad(at, GOOD_SQL.replace("ref('stg_flights')", "source('lake', 'flight')")),
        f"bad ({SQL}:2): the lake has no table flight; there are aircraft_database",
    ),
    "a mart as a source": (
        lambda at: write_bad(at, GOOD_SQL.replace("ref('stg_flights')", "source('lake', 'routes')")),
        f"bad ({SQL}:2): routes is a model: read it by ref('routes')",
    ),
    "a source of nobody": (
        lambda at: write_bad(at, GOOD_SQL.replace("ref('stg_flights')", "source('mine', 'x')")),
        f"bad ({SQL}:2): there is no source mine.x",
    ),
    "an unknown model": (
        lambda at: write_bad(at, GOOD_SQL.replace("stg_flights", "stg_flight")),
        f"bad ({SQL}:2): reads the model stg_flight, which is not there",
    ),
    "a circle": (
        lambda at: write_bad(
            at,
            GOOD_SQL.replace("stg_flights", "other"),
            more={"models/staging/other.sql": "select * from {{ ref('bad') }}"},
        ),
        f"bad ({SQL}:2): reads itself: ",
    ),
    "nothing of the lake": (
        lambda at: write_bad(at, "select current_date as day, 'A320' as typecode, 1::bigint as flights"),
        f"bad ({SQL}:1): reads no table of the lake",
    ),
    "the name of a table": (
        lambda at: copy_project(
            at / "project",
            {"models/marts/own/flights.sql": GOOD_SQL, YAML: GOOD_YAML.replace("name: bad", "name: flights")},
        ),
        f"flights ({YAML}:3): the lake has a table of this name",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_model_that_is_wrong_is_one_line_and_the_others_stay(what: str, tmp_path: Path) -> None:
    write, line = BAD[what]
    found = read(write(tmp_path))
    told = found.problems["flights" if "table" in what and what.startswith("the name") else "bad"]
    assert re.match(re.escape(line).replace(re.escape(".*"), ".*"), told), told
    assert "\n" not in told
    assert list(found.marts) == list(GIVEN)


def test_what_reads_a_wrong_model_is_left_out_with_it(tmp_path: Path) -> None:
    found = read(
        copy_project(tmp_path / "project", {"models/staging/stg_flights.sql": "select {{ source('lake', 'x') }}"})
    )
    assert list(found.marts) == ["airport_movements_hourly", "airport_traffic"]
    assert found.problems["od_matrix"].startswith(
        "od_matrix (models/marts/od_matrix.sql:2): reads the model routes, which cannot be built: routes ("
    )


def test_a_mart_that_is_asked_for_and_wrong_is_named(tmp_path: Path) -> None:
    try:
        use_project(write_bad(tmp_path, text=None))
        assert "bad" not in {table.name for table in tables()}
        with pytest.raises(UnknownMart, match=r"bad \(models/marts/own/bad.sql:1\): has no YAML"):
            mart_named("bad")
    finally:
        use_project(None)
    with pytest.raises(UnknownMart, match="has no such mart"):
        mart_named("bad")


def test_macros_that_a_model_calls_are_read_too(tmp_path: Path) -> None:
    more = {"macros/mine.sql": "{% macro mine() %}{{ source('lake', 'raw_state_vectors') }}{% endmacro %}"}
    found = read(write_bad(tmp_path, "select * from {{ mine() }} {# ref('nobody') #}", more=more))
    assert found.models["bad"].sources == ("raw_state_vectors",)
