"""Tables that this test registers, in YAML and in its own code, live as flights and states do: no other module knows
of them. A daily METAR table with an asset below it, a yearly table, and one without partitions."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest

from opensky_assets import connect
from opensky_assets.benchmark.selection import objects_of
from opensky_assets.calendar import ALL, NO_DAY
from opensky_assets.datasets import registered_within
from opensky_assets.definitions import build_definitions
from opensky_assets.ingest.plan import Plan, Status, make_plan
from opensky_assets.ingest.replay import replay
from opensky_assets.jobs.report import plan_lines, summary_lines
from opensky_assets.jobs.tables import column_lines, table_lines
from opensky_assets.lake.prune import find, past
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import Reason
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets.transforms.verify import verify
from opensky_assets_tests.commands import ROOT, Place
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.dagster.test_automation import Ticks, names
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake

TODAY = date(2022, 7, 1)
DAY, NEXT = "2022-06-25", "2022-06-26"

OWN_TABLES = ("metar", "movements", "operators")

DOCS = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
(METAR_YAML,) = re.findall(r"^```yaml\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
(MODULE_OF_THE_DOCS,) = re.findall(r"^```python\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)

OWN_MODULE = f"""{MODULE_OF_THE_DOCS}

from opensky_assets.calendar import Partitions
from opensky_assets.datasets import Dataset, KeyPatterns, register

register(
    Dataset(
        Contract(
            name="movements",
            path="raw/movements",
            version="1",
            description="Movements of airports by year.",
            key=("airport",),
            partitions=Partitions.YEAR,
            columns=(
                Column("airport", pa.string(), "ICAO code", nullable=False),
                Column("movements", pa.float64(), "Starts and landings of the year", minimum=0),
            ),
        ),
        "an office of statistics",
        KeyPatterns("movements", (r"^statistics/movements_(?P<year>[0-9]{{4}})[.]csv$",)),
    )
)
register(
    Dataset(
        Contract(
            name="operators",
            path="raw/operators",
            version="1",
            description="Operators of aircraft.",
            key=("icao",),
            partitions=Partitions.NONE,
            columns=(
                Column("icao", pa.string(), "ICAO designator", nullable=False),
                Column("country", pa.string(), "Country"),
            ),
        ),
        "a list kept by hand",
        KeyPatterns("operators", ("^operators[.]csv$",)),
    )
)

BUSY = Contract(
    name="busy_stations",
    path="core/busy_stations",
    version="1",
    description="Reports of stations beside their movements.",
    key=("station",),
    columns=(
        Column("station", pa.string(), "ICAO code", nullable=False),
        Column("reports", pa.float64(), "Reports of the day"),
        Column("movements", pa.float64(), "Starts and landings of the year"),
        Column("operators", pa.float64(), "Operators that are known"),
    ),
)
add_table(Table(BUSY.name, "core", BUSY.path, BUSY, "valid", "raw_metar, raw_movements, raw_operators"))


@dg.asset(group_name="core", partitions_def=DAILY, backfill_policy=SINGLE_RUN, description=BUSY.description)
def busy_stations(raw_metar: pl.LazyFrame, raw_movements: pl.DataFrame, raw_operators: pa.Table) -> pa.Table:
    assert set(raw_movements["year"]) == {{2022}}
    movements = raw_movements.lazy().select(pl.col("airport").alias("station"), "movements")
    found = raw_metar.group_by("day", "station").agg(pl.len().cast(pl.Float64).alias("reports"))
    joined = found.join(movements, on="station").with_columns(operators=pl.lit(float(raw_operators.num_rows)))
    return joined.select("day", *BUSY.schema.names).sort("day", "station").collect().to_arrow()
"""


def write(bucket: Path, key: str, *lines: str) -> None:
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_metar(bucket: Path, day: str, *lines: str) -> None:
    sound = [f"LSZH,{day} {hour:02d}:20,{10 + hour},3,METAR LSZH" for hour in range(23)]
    records = [f"{line},8.5" for line in (*sound, *lines)]
    write(bucket, f"metar/{day}.csv", "station,valid,tmpc,sknt,metar,lon", *records)


def write_bucket(bucket: Path) -> None:
    bucket.mkdir(exist_ok=True)
    write_aircraft(bucket)
    write_list(bucket, "2022-06-20", "2022-06-20", [flight("2022-06-20")])
    write_metar(bucket, DAY, f"EDDF,{DAY} 12:20,mild,3,METAR EDDF")
    write_metar(bucket, NEXT)
    write(bucket, "statistics/movements_2021.csv", "airport,movements", "LSZH,132000")
    rows = [f"LS{n:02d},{n}" for n in range(30)]
    write(bucket, "statistics/movements_2022.csv", "airport,movements", "LSZH,217000", "EDDF,many", *rows)
    write(bucket, "operators.csv", "icao,country", *(f"S{n:02d},Switzerland" for n in range(20)), ",Germany")


@dataclass
class Own:
    """A platform whose definitions have the tables of this file."""

    platform: Platform
    environment: dict[str, str]

    def plan(self) -> Plan:
        return make_plan(LocalStore(self.platform.bucket), self.platform.lake, Settings(_env_file=None), TODAY)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    bucket, lake = tmp_path / "bucket", tmp_path / "lake"
    write_bucket(bucket)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "metar.yaml").write_text(METAR_YAML)
    (tmp_path / "own_tables.py").write_text(OWN_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    environment = {"OPENSKY_DATASETS": str(tmp_path / "datasets"), "OPENSKY_DEFINITIONS": "own_tables"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    environment["PYTHONPATH"] = f"{ROOT}:{tmp_path}"
    opensky = OpenSkyResource(source=str(bucket), lake=str(lake), warehouse=str(tmp_path / "warehouse.duckdb"))
    with registered_within():
        definitions = build_definitions(opensky)
        yield Own(
            Platform(bucket, LocalLake.at(lake), dg.DagsterInstance.ephemeral(), definitions, opensky), environment
        )
    del sys.modules["own_tables"]


def run_all(ticks: Ticks) -> list[dg.RunRequest]:
    """Run what a tick asks for: whole tables and years first, since a daily asset here reads them too."""
    requests = ticks.tick()
    for request in sorted(requests, key=lambda request: "raw_metar" in names(request)):
        if "raw_flights" not in names(request):
            tags = request.tags
            days = [tags[name] for name in sorted(tags, reverse=True) if name.startswith("dagster/asset_partition_r")]
            done = ticks.platform.run(sorted(names(request)), *days)
            assert done.success, [event.message for event in done.all_events if event.is_failure]
    return requests


def test_the_plan_knows_the_tables(own: Own) -> None:
    plan = own.plan()
    assert [(o.source.key, o.days) for o in plan.of("metar")] == [
        (f"metar/{DAY}.csv", (DAY,)),
        (f"metar/{NEXT}.csv", (NEXT,)),
    ]
    assert [o.days for o in plan.of("movements")] == [("2021",), ("2022",)]
    assert [o.days for o in plan.of("operators")] == [(ALL,)]
    assert not plan.unrecognised
    assert plan.days(date(2022, 1, 1), TODAY) == ["2022-06-20", DAY, NEXT]
    assert plan.other_partitions(date(2022, 1, 1), TODAY, lambda o: True) == {"movements": ["2022"], "operators": [ALL]}
    told = "\n".join(plan_lines(plan, "bucket", "real", date(2022, 1, 1), TODAY))
    assert "metar: 2 objects (2 new" in told
    assert "movements: 2 objects (2 new" in told
    assert "operators: 1 object (1 new" in told
    chosen = objects_of(LocalStore(own.platform.bucket), "metar", Settings(_env_file=None), TODAY, own.platform.lake)
    assert [item.key for item in chosen] == [f"metar/{DAY}.csv", f"metar/{NEXT}.csv"]


@pytest.mark.slow
def test_from_arrival_to_tables_quarantine_and_what_follows(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSKY_QUARANTINE_LIMIT", "0.2")
    platform, lake, ticks = own.platform, own.platform.lake, Ticks(own.platform)

    # A tick asks for each table by its own partitions, with all that follows from it and nothing else.
    asked = {frozenset(names(request) - {"aircraft_database", "airports"}) for request in run_all(ticks)}
    metar = {"raw_metar", "busy_stations", "warmest_station"}
    counted = {"data_quality_daily", "daily_report"}  # the records of each daily table are counted there
    assert {found for found in asked if "raw_flights" not in found} == {
        frozenset(metar | counted), frozenset({"raw_movements"}), frozenset({"raw_operators"}),
    }  # fmt: skip
    (flights,) = (found for found in asked if "raw_flights" in found)
    assert {"enriched_flights", "daily_report"} <= flights and flights.isdisjoint(metar)
    assert set(platform.materialized("raw_metar")) == set(platform.materialized("warmest_station")) == {DAY, NEXT}
    assert platform.materialized("raw_movements") == ["2021", "2022"]
    assert platform.instance.get_latest_materialization_event(dg.AssetKey("raw_operators"))
    assert platform.metadata("raw_metar", DAY)["quarantined_by_reason"] == {"unparsable": 1}

    # The counting law.
    summary = list(summary_lines(lake, Settings(_env_file=None)))
    for table, read, quarantined in (("metar", 47, 1), ("movements", 33, 1), ("operators", 21, 1)):
        manifests = lake.manifests(table).values()
        assert all(manifest.lawful for manifest in manifests)
        assert sum(manifest.read for manifest in manifests) == read
        assert sum(manifest.total.quarantined for manifest in manifests) == quarantined
        assert any(line.split()[:3] == [table, f"{len(manifests)}", f"{read}"] for line in summary)
    found = verify(lake)
    assert (found.problems, found.strays) == ([], [])

    # Rows, by SQL of the package and by whoever knows Hive's folders.
    with connect(lake) as sql:
        assert sql.sql("SELECT count(*), min(valid)::VARCHAR FROM raw_metar").fetchall() == [(46, f"{DAY} 00:20:00+00")]
        assert sql.sql("SELECT year, count(*) FROM raw_movements GROUP BY year ORDER BY year").fetchall() == [
            (2021, 1), (2022, 31),
        ]  # fmt: skip
        assert sql.sql("SELECT count(*) FROM raw_operators").fetchall() == [(20,)]
        assert sql.sql("FROM warmest_station SELECT station, highest, day ORDER BY day").fetchall() == [
            ("LSZH", 32.0, date(2022, 6, 25)), ("LSZH", 32.0, date(2022, 6, 26)),
        ]  # fmt: skip
        assert sql.sql("FROM busy_stations SELECT reports, movements, operators").fetchall() == [(23, 217000, 20)] * 2
        quarantine = "SELECT object, line_number, reason, raw_line"
        assert sql.sql(f"{quarantine}, day FROM quarantine_metar").fetchall() == [
            (f"metar/{DAY}.csv", 25, Reason.UNPARSABLE, f"EDDF,{DAY} 12:20,mild,3,METAR EDDF,8.5", date(2022, 6, 25))
        ]
        assert sql.sql(f"{quarantine}, year FROM quarantine_movements").fetchall() == [
            ("statistics/movements_2022.csv", 3, Reason.UNPARSABLE, "EDDF,many", 2022)
        ]
        assert sql.sql(f"{quarantine} FROM quarantine_operators").fetchall() == [
            ("operators.csv", 22, Reason.NULL_KEY, ",Germany")
        ]
    files = f"read_parquet('{lake.root}/raw/movements/*/*.parquet')"
    plain = duckdb.sql(f"FROM {files} SELECT year, count(*) GROUP BY year ORDER BY year")
    assert plain.fetchall() == [(2021, 1), (2022, 31)]
    assert pl.read_parquet(f"{lake.root}/raw/operators/**/*.parquet").columns == ["icao", "country"]

    # `tables`.
    told = {line.split()[0]: line for line in table_lines(lake) if line}
    assert f"2 days, {DAY} to {NEXT}" in told["raw_metar"]
    assert "2 years, 2021 to 2022" in told["raw_movements"]
    assert " present " in told["raw_operators"]
    assert any("degrees Celsius" in line for line in column_lines(lake, "raw_metar"))

    # Nothing is asked for again; a day that changes is, alone.
    assert ticks.tick() == []
    assert {o.status for o in own.plan().objects if o.table in OWN_TABLES} == {Status.UNCHANGED}
    write_metar(platform.bucket, NEXT, f"EDDF,{NEXT} 12:20,31,3,METAR EDDF")
    (request,) = run_all(ticks)
    assert names(request) == {"raw_metar", "busy_stations", "warmest_station", "data_quality_daily", "daily_report"}
    with connect(lake) as sql:
        assert sql.sql("FROM warmest_station SELECT station ORDER BY day, station").fetchall() == [
            ("LSZH",), ("EDDF",), ("LSZH",),
        ]  # fmt: skip
    write(platform.bucket, "statistics/movements_2022.csv", "airport,movements", "LSZH,1")
    (request,) = run_all(ticks)
    assert names(request) == {"raw_movements"}
    assert lake.days("raw/movements") == ["2021", "2022"]
    assert lake.days("quarantine/movements") == []

    # What keeps the lake in order knows the tables too.
    assert [m.source.key for m in past(lake, OWN_TABLES, NEXT)] == [
        f"metar/{DAY}.csv", "statistics/movements_2021.csv",
    ]  # fmt: skip
    assert find(lake, OWN_TABLES).items == []
    again = replay(
        LocalStore(platform.bucket), lake, Settings(_env_file=None, quarantine_limit=0.2), TODAY, lambda text: None
    )
    assert [(o.table, o.key) for o in again.objects] == [("metar", f"metar/{DAY}.csv"), ("operators", "operators.csv")]
    assert again.changed_days == {}


@pytest.mark.slow
def test_an_object_that_is_held_back_fails_its_run_and_is_told(own: Own) -> None:
    platform, lake = own.platform, own.platform.lake
    write(platform.bucket, "statistics/movements_2022.csv", "airport,movements", "LSZH,many", "EDDF,few")
    write(platform.bucket, "operators.csv", "name", "Swiss")
    for asset, days, table in (("raw_movements", ("2021", "2022"), "movements"), ("raw_operators", (), "operators")):
        done = platform.run([asset], *days)
        assert not done.success
        (held,) = lake.held(table).values()
        assert held.quarantine_file and NO_DAY not in held.days
        failed = [c for c in done.get_asset_check_evaluations() if not c.passed]
        assert "nothing_held_back" in {check.check_name for check in failed}
    assert platform.materialized("raw_movements") == ["2021"]
    with connect(lake) as sql:
        assert sql.sql("SELECT line_number, year FROM quarantine_movements ORDER BY ALL").fetchall() == [
            (0, None), (2, None), (3, None),
        ]  # fmt: skip
        assert sql.sql("SELECT line_number, reason FROM quarantine_operators").fetchall() == [(0, Reason.WRONG_HEADER)]
    assert verify(lake).problems == []


@pytest.mark.slow
def test_the_commands_make_days_years_and_whole_tables(own: Own, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    place = Place(own.platform.bucket, work)
    (own.platform.bucket / "flights" / "flightlist_20220620_20220620.csv.gz").unlink()
    environment = {**own.environment, "OPENSKY_QUARANTINE_LIMIT": "0.2"}

    done = place.run("materialize", "--from", "2022-06-01", "--to", "2022-06-30", **environment)
    assert done.returncode == 0, done.stdout
    lake = LocalLake.at(place.lake)
    assert lake.days("raw/movements") == ["2022"]
    assert lake.days("raw/operators") == [ALL]
    done = place.run("backfill", "--from", "2021-01-01", "--to", "2022-06-30", **environment)
    assert done.returncode == 0, done.stdout
    assert lake.days("raw/movements") == ["2021", "2022"]
    assert lake.days("core/busy_stations") == [DAY, NEXT]
    assert lake.days("raw/metar") == [DAY, NEXT]
    done = place.run("backfill", "--from", "2021-01-01", "--to", "2022-06-30", **environment)
    assert done.returncode == 0 and "--select raw_movements" not in done.stdout, done.stdout
    told = place.run("tables", **environment).stdout
    assert "raw_metar" in told and "quarantine_movements" in told
    wrong = place.run("plan", OPENSKY_DATASETS="nothing.yaml")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines() == [
        "opensky-assets: nothing.yaml: cannot be read (No such file or directory); OPENSKY_DATASETS names it"
    ]
