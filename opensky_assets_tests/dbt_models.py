"""The dbt models without dbt: compiled once by dbt itself, then run as the SQL they are, in milliseconds. And a project
with marts of one's own."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from opensky_assets.lake import Lake
from opensky_assets.resources.dbt import DbtResource
from opensky_assets.schemas.tables import PROJECT, marts, project
from opensky_assets.transforms.dbt_outcome import DbtOutcome, DbtRun, DbtTest
from opensky_assets.transforms.marts import build_marts
from opensky_assets_tests.commands import ROOT
from opensky_assets_tests.lakes import LocalLake


@dataclass(frozen=True)
class CompiledModels:
    """Runs what dbt compiled: the marts, what is read first, each with its days of the run, then the singular tests."""

    models: dict[str, str]
    tests: dict[str, str]

    def build(self, lake: Lake, run: DbtRun) -> DbtOutcome:
        with duckdb.connect(str(run.database)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, sql in self.models.items():
                connection.execute(f'CREATE TABLE "{name}" AS {sql}')
                if name in run.narrow_marts:
                    days = f"SELECT day FROM lake.days_of_models WHERE name = '{name}'"
                    connection.execute(f'DELETE FROM "{name}" WHERE day NOT IN ({days})')
            outcomes = []
            for name, sql in self.tests.items():
                wrong = len(connection.execute(sql).fetchall())
                outcomes.append(DbtTest(name, tuple(run.models), not wrong, wrong, ""))
        return DbtOutcome(outcomes)


def compiled_in(target: Path) -> CompiledModels:
    """What dbt compiled when it built all marts, by the folder of its files."""
    root, found = target / "compiled" / "opensky", project()
    models = {name: (root / found.models[name].file).read_text() for name in found.models if name in found.marts}
    return CompiledModels(models, {sql.name: (root / sql.file).read_text() for sql in found.files.tests})


def compile_models(folder: Path) -> CompiledModels:
    """Let dbt build every mart of an empty lake, contracts and tests included, and keep the SQL it ran."""
    compiled: list[CompiledModels] = []

    def build(lake: Lake, run: DbtRun) -> DbtOutcome:
        outcome = DbtResource().build(lake, run)
        compiled.append(compiled_in(run.target))
        return outcome

    done = build_marts(LocalLake.at(folder), ["2022-06-25"], marts(), build)
    assert not done.problems
    return compiled[0]


# --- A project of one's own ---------------------------------------------------------------------------------------


def copy_project(to: Path, files: dict[str, str]) -> Path:
    """The package's dbt project with more files, by their paths."""
    shutil.copytree(PROJECT, to, ignore=shutil.ignore_patterns("target", "logs"))
    for name, text in files.items():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return to


DOCS = (ROOT / "docs" / "marts.md").read_text(encoding="utf-8")
(SQL_OF_THE_DOCS,) = re.findall(r"^```sql\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
(YAML_OF_THE_DOCS,) = re.findall(r"^```yaml\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)

OWN_MARTS = {
    "models/marts/aircraft_by_hour.sql": SQL_OF_THE_DOCS,
    "models/marts/aircraft_by_hour.yml": YAML_OF_THE_DOCS,
    "models/marts/own/busy_airports.sql": """
        select
            traffic.day,
            traffic.airport,
            traffic.outbound + traffic.inbound as movements,
            (
                select sum(before.outbound + before.inbound)::bigint
                from {{ ref('airport_traffic') }} as before
                where before.airport = traffic.airport and before.day between traffic.day - 2 and traffic.day
            ) as three_days,
            (
                select count(*) from {{ ref('routes') }} as routes
                where routes.day = traffic.day and routes.origin = traffic.airport
            ) as routes
        from {{ ref('airport_traffic') }} as traffic
    """,
    "models/marts/own/station_reports.sql": """
        select day, station, count(*) as reports, max(tmpc) as warmest
        from {{ source('lake', 'raw_metar') }}
        group by all
    """,
    "tests/busy_airports_agree.sql": """
        select * from {{ ref('busy_airports') }} as busy full join {{ ref('airport_traffic') }} as traffic
        using (day, airport)
        where busy.movements is distinct from traffic.outbound + traffic.inbound
    """,
    "models/marts/own/own.yml": """
version: 2
models:
  - name: busy_airports
    description: Movements of airports over three days.
    config:
      meta:
        key: [airport]
        day: the movement
        reads: {days_before: 2}
    data_tests:
      - unique_together:
          arguments: {columns: [day, airport]}
    columns:
      - {name: day, data_type: date, description: UTC day of the movement, constraints: [{type: not_null}]}
      - {name: airport, data_type: varchar, description: Airport, constraints: [{type: not_null}]}
      - {name: movements, data_type: bigint, description: Of the day}
      - {name: three_days, data_type: bigint, description: Of the day and the two before}
      - {name: routes, data_type: bigint, description: Routes that begin at the airport}
  - name: station_reports
    description: Reports of weather stations.
    config:
      meta: {key: [station], day: valid}
    columns:
      - {name: day, data_type: date, description: UTC day of the reports, constraints: [{type: not_null}]}
      - {name: station, data_type: varchar, description: ICAO code, constraints: [{type: not_null}]}
      - {name: reports, data_type: bigint, description: Reports}
      - {name: warmest, data_type: double, description: Highest temperature, config: {meta: {unit: degrees Celsius}}}
""",
}
"""Three marts: that of the docs, over a core table, one over two marts with a window, one over a registered table."""
