"""The warehouse: one DuckDB file of views over the lake. It holds no rows, so it can be rebuilt at any time."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb

from opensky_assets.lake.lake import Lake, LakeError

TABLES = {
    "raw_flights": "raw/flights",
    "raw_state_vectors": "raw/state_vectors",
    "enriched_flights": "core/enriched_flights",
    "routes": "marts/routes",
    "data_quality_daily": "marts/data_quality_daily",
    "quarantine_flights": "quarantine/flights",
    "quarantine_state_vectors": "quarantine/state_vectors",
    "quarantine_aircraft_database": "quarantine/aircraft_database",
}
"""View → folder of the lake with one folder a day."""

FILES = {"aircraft_database": "reference/aircraft_database.parquet", "airports": "reference/airports.parquet"}

MACROS = {
    "routes": """
        CREATE MACRO routes_between(first_day, last_day) AS TABLE
        SELECT origin, destination, sum(flights)::BIGINT AS flights, any_value(distance_km) AS distance_km,
               sum(mean_duration_s * flights) / sum(flights) AS mean_duration_s
        FROM routes WHERE day BETWEEN first_day::DATE AND last_day::DATE
        GROUP BY origin, destination ORDER BY flights DESC, origin, destination
    """
}
"""View it stands on → a table macro over any range of days."""


def view_statements(lake: Lake) -> Iterator[tuple[str, str]]:
    """(name, CREATE statement) of every table of the lake that has a file."""
    for name, relative in FILES.items():
        if (path := lake.path(relative)).exists():
            yield name, f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_quoted(path.as_posix())})"
    for name, relative in TABLES.items():
        folder = lake.path(relative)
        if next(folder.glob("day=*/*.parquet"), None):
            source = _quoted(f"{folder.as_posix()}/day=*/*.parquet")
            yield (
                name,
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet({source}, hive_partitioning = true, "
                "hive_types = {'day': DATE})",
            )
            if macro := MACROS.get(name):
                yield f"{name}_between", macro


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def rebuild_warehouse(lake: Lake, path: Path) -> list[str]:
    """Write the warehouse anew beside the old one and put it in its place; the names of what is in it.

    Whoever has the old file open goes on reading it: nobody waits for anybody.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    names = []
    try:
        with duckdb.connect(str(staged)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, statement in view_statements(lake):
                connection.execute(statement)
                names.append(name)
        os.replace(staged, path)
    except OSError as error:
        raise LakeError(f"the warehouse {path} cannot be written ({error.strerror}); set OPENSKY_WAREHOUSE") from error
    finally:
        staged.unlink(missing_ok=True)
    return names
