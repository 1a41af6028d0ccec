"""The dbt models promise what the Python contracts promise: the same columns, types, keys, words and bounds."""

import pytest
import yaml

from opensky_assets.resources.dbt import PROJECT
from opensky_assets.schemas import Contract
from opensky_assets.schemas.marts import BUSIEST, MARTS
from opensky_assets.schemas.types import type_of

MODELS = {model["name"]: model for model in yaml.safe_load((PROJECT / "models/marts/marts.yml").read_text())["models"]}


def test_every_mart_is_a_model_and_every_model_a_mart() -> None:
    assert list(MODELS) == [mart.name for mart in MARTS]
    assert {path.stem for path in (PROJECT / "models/marts").glob("*.sql")} == set(MODELS)


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_the_model_promises_what_the_contract_does(mart: Contract) -> None:
    model = MODELS[mart.name]
    assert model["description"] == mart.description
    (unique,) = [test["unique_together"] for test in model["data_tests"] if "unique_together" in test]
    assert unique["arguments"]["columns"] == ["day", *mart.key]
    day, *columns = model["columns"]
    assert (day["name"], day["data_type"], day["constraints"]) == ("day", "date", [{"type": "not_null"}])
    assert [column["name"] for column in columns] == mart.schema.names
    for given, column in zip(columns, mart.columns, strict=True):
        assert given["data_type"] == type_of(column.type).duckdb.lower(), column.name
        assert given["description"] == column.description, column.name
        assert ({"type": "not_null"} in given.get("constraints", [])) is not column.nullable, column.name
        bounds = {
            name: test["arguments"]["value"] for item in given.get("data_tests", []) for name, test in item.items()
        }
        wanted = {"at_least": column.minimum, "at_most": column.maximum}
        assert bounds == {name: value for name, value in wanted.items() if value is not None}, column.name


def test_contracts_are_enforced_and_the_matrix_is_as_large_as_it_says() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["models"]["opensky"]["marts"]["+contract"] == {"enforced": True}
    assert project["vars"]["busiest"] == BUSIEST
