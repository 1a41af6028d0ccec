"""The dbt models without dbt: compiled once by dbt itself, then run as the SQL they are, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from opensky_assets.lake import Lake
from opensky_assets.resources.dbt import PROJECT, DbtResource
from opensky_assets.schemas.marts import MARTS
from opensky_assets.transforms.marts import DbtTest, build_marts
from opensky_assets_tests.lakes import LocalLake


@dataclass(frozen=True)
class CompiledModels:
    """Runs what dbt compiled: the models in the order of their names in `order`, then the singular tests."""

    models: dict[str, str]
    tests: dict[str, str]

    def build(self, lake: Lake, database: Path, target: Path, models: Sequence[str]) -> list[DbtTest]:
        with duckdb.connect(str(database)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, sql in self.models.items():
                connection.execute(f'CREATE TABLE "{name}" AS {sql}')
            outcomes = []
            for name, sql in self.tests.items():
                wrong = len(connection.execute(sql).fetchall())
                outcomes.append(DbtTest(name, tuple(models), not wrong, wrong, ""))
        return outcomes


def compile_models(folder: Path) -> CompiledModels:
    """Let dbt build every mart of an empty lake, contracts and tests included, and keep the SQL it ran."""
    compiled: dict[str, str] = {}

    def build(lake: Lake, database: Path, target: Path, models: Sequence[str]) -> list[DbtTest]:
        outcomes = DbtResource().build(lake, database, target, models)
        root = target / "compiled" / "opensky"
        for path in [*root.glob("models/marts/*.sql"), *root.glob("tests/*.sql")]:
            compiled[path.relative_to(root).as_posix()] = path.read_text()
        return outcomes

    build_marts(LocalLake.at(folder), ["2022-06-25"], MARTS, build)
    marts = {mart.name: compiled[f"models/marts/{mart.name}.sql"] for mart in MARTS}
    tests = {path.stem: compiled[f"tests/{path.name}"] for path in sorted((PROJECT / "tests").glob("*.sql"))}
    return CompiledModels(marts, tests)
