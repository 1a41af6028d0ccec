"""The registry, the partitions of its tables, and how slots keep them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from opensky_assets.calendar import ALL, NO_DAY, Partitions, Period, folders_of, key_in, last_day_of, ranges_of
from opensky_assets.datasets import Dataset, KeyPatterns, contracts, dataset_named, register, registered_within
from opensky_assets.ingest import arrivals
from opensky_assets.ingest.plan import make_plan
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import Column, Contract
from opensky_assets.schemas.contract import TIMESTAMP
from opensky_assets.schemas.tables import Table, add_table, tables
from opensky_assets.settings import Settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.buckets import TODAY, put
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.unit.ingest.test_arrivals import Listing, Watch

SETTINGS = Settings(_env_file=None, quarantine_limit=1)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registered_within():
        yield


def table(name: str, partitions: Partitions = Partitions.DAY, timed: bool = True, keys: str = "") -> Dataset:
    """A dataset whose keys are `<name>/<days>.csv`."""
    days = r"(?P<first>\d{8})-(?P<last>\d{8})" if timed else r"(?P<year>\d{4})"
    columns = (Column("at", TIMESTAMP, "Time", nullable=False),) if timed else ()
    contract = Contract(
        name=name,
        path=f"raw/{name}",
        version="1",
        description="A table.",
        key=("id",),
        day_column="at" if timed else None,
        partitions=partitions,
        columns=(Column("id", pa.string(), "Id", nullable=False), *columns),
    )
    return Dataset(contract, "a test", KeyPatterns(name, (keys or rf"^{name}/{days}\.csv$",)))


def test_what_is_registered_is_in_every_list_until_the_end() -> None:
    before, view = [t.name for t in tables()], contracts()
    with registered_within():
        dataset = register(table("metar"))
        add_table(Table("mine", "core", "core/mine", dataset.contract, "at", "raw_metar"))
        assert dataset_named("metar") is register(table("metar"))
        assert view["metar"] == dataset.contract
        names = [t.name for t in tables()]
        assert names.index("raw_state_vectors") + 1 == names.index("raw_metar") < names.index("flights")
        assert names[-1] == "quarantine_metar" and "mine" in names
    assert [t.name for t in tables()] == before
    assert "metar" not in view


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "x" * 41}, "a name is lower case"),
        ({"path": "core/metar"}, "its path must be raw/metar, got core/metar"),
        ({"day_column": None}, "a table by day needs the column"),
        ({"partitions": Partitions.NONE}, "a table without partitions has no day column"),
    ],
)
def test_what_the_lake_cannot_keep_is_refused(change: dict[str, object], told: str) -> None:
    dataset = table("metar")
    with pytest.raises(ValueError, match=told):
        register(replace(dataset, contract=replace(dataset.contract, **change)))  # type: ignore[arg-type]


def test_a_table_of_another_name_is_not_replaced() -> None:
    register(table("metar"))
    with pytest.raises(ValueError, match="another dataset of this name"):
        register(replace(table("metar"), origin="another"))
    with pytest.raises(ValueError, match="there is a table raw_metar already"):
        add_table(Table("raw_metar", "core", "core/x", table("x").contract, "at", "nothing"))
    with pytest.raises(ValueError, match="there is no group 'gold', only reference, raw"):
        add_table(Table("x", "gold", "core/x", table("x").contract, "at", "nothing"))


def test_partitions_and_their_folders() -> None:
    period = Period(date(2021, 12, 31), date(2022, 1, 1))
    assert Partitions.DAY.keys_of(period) == ["2021-12-31", "2022-01-01"]
    assert Partitions.YEAR.keys_of(period) == ["2021", "2022"]
    assert Partitions.NONE.keys_of(period) == [ALL]
    for kind in Partitions:
        assert kind.keys_of(Period(date(2022, 1, 2), date(2022, 1, 1))) in ([], ["2022"])
        for key in kind.keys_of(period):
            assert folders_of(key) == [kind.folder_of(key)]
            assert key_in(kind.folder_of(key)) == key
    assert folders_of(NO_DAY) == [f"day={NO_DAY}", f"year={NO_DAY}"]
    assert [key_in(name) for name in ("x", "hour=3", "day=2022-01-01")] == [None, None, "2022-01-01"]
    assert [last_day_of(key) for key in ("2022", "2022-06-25", ALL)] == ["2022-12-31", "2022-06-25", ALL]
    assert ranges_of(["2021", "2022"]) == [("2021", "2021"), ("2022", "2022")]


# --- slots ---------------------------------------------------------------------------------------------------------


def test_tables_with_the_same_first_letter_stay_apart(tmp_path: Path) -> None:
    """Whatever letters the slots of OpenSky's tables begin with."""
    for name in ("fuel", "stations", "aerodromes", "users"):
        register(table(name))
    register(table("accidents", Partitions.YEAR, timed=False))
    register(table("units", Partitions.NONE, keys=r"^units\.csv$", timed=False))
    watch = Watch(Listing(), LocalLake.at(tmp_path / "lake"))
    days = "20220625-20220625.csv"
    own = {f"{name}/{days}": name for name in ("fuel", "stations", "aerodromes", "users")}
    own |= {"accidents/2022.csv": "accidents", "units.csv": "units"}
    watch.store.objects |= dict.fromkeys(own, "1")
    watch.store.objects["flights/flightlist_20220625_20220625.csv.gz"] = "1"
    watch.store.hour("2022-06-25")
    daily = ("aerodromes", "flights", "fuel", "state_vectors", "stations", "users")
    assert watch.days() == [
        ("2022-06-25", "2022-06-25", daily),
        ("2022", "2022", ("accidents",)),
        (ALL, ALL, ("units",)),
    ]
    assert watch.days() == []
    for key, name in own.items():
        watch.store.objects[key] = "2"
        ((_, _, asked),) = watch.days()
        assert asked == (name,)
    assert watch.days() == []


def test_a_year_in_progress_is_asked_for_as_its_days_come(tmp_path: Path) -> None:
    dataset = register(table("log", Partitions.YEAR))
    bucket, lake = LocalStore(tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")
    put(bucket.root, "log/20220101-20221231.csv", b"id,at\na,2022-06-25 10:00:00\nb,2022-12-31 10:00:00\n")
    watch = Watch(bucket, lake, SETTINGS)  # type: ignore[arg-type]
    today = TODAY - timedelta(days=1)  # 31 December is not over
    (asked,) = watch.look(today).asked
    assert (asked.days, asked.tables) == (["2022"], ("log",))

    def read(today: date) -> list[int]:
        done = sync_days(dataset.contract, asked.days, bucket, lake, SETTINGS, today, lambda text: None)
        assert list(done.days) == ["2022"]
        (manifest,) = lake.manifests("log").values()
        assert manifest.lawful
        return [manifest.total.written, manifest.total.quarantined]

    assert read(today) == [1, 1]
    assert watch.look(today).asked == ()
    assert [asked.days for asked in watch.look(TODAY).asked] == [["2022"]]
    assert read(TODAY) == [2, 0]
    assert watch.look(TODAY + timedelta(days=1)).asked == ()


def test_an_object_over_several_years_gives_each_its_rows(tmp_path: Path) -> None:
    dataset = register(table("log", Partitions.YEAR))
    bucket, lake = LocalStore(tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")
    lines = [
        "id,at",
        "a,2021-12-31 23:59:59",
        "b,2022-01-01 00:00:00",
        "c,2022-06-01 00:00:00",
        "d,never",
        ",2021-12-31",
    ]
    put(bucket.root, "log/20211201-20220630.csv", ("\n".join(lines) + "\n").encode())
    done = sync_days(dataset.contract, ["2021", "2022"], bucket, lake, SETTINGS, TODAY, lambda text: None)
    assert {day: facts.counts.written for day, facts in done.days.items()} == {"2021": 1, "2022": 2}
    (manifest,) = lake.manifests("log").values()
    assert manifest.lawful
    assert {day: dict(reasons) for day, reasons in manifest.reasons.items()} == {
        "2021": {"null_key": 1},
        NO_DAY: {"unparsable": 1},
    }
    assert lake.days("raw/log") == ["2021", "2022"]
    assert lake.days("quarantine/log") == ["2021", NO_DAY]
    assert set(lake.day_files("quarantine/log", lake.days("quarantine/log"))) == {"2021", NO_DAY}


def test_a_header_tells_a_table_whose_keys_do_not(tmp_path: Path) -> None:
    """Its objects are read first, and their days follow."""
    dataset = register(replace(table("log"), header=frozenset({"at"})))
    bucket, lake = LocalStore(tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")
    put(bucket.root, "data/x.csv", b"id,at\na,2022-06-25 10:00:00\nb,2022-06-27 10:00:00\n")
    put(bucket.root, "data/y.csv", b"id,when\na,2022-06-25 10:00:00\n")
    plan = make_plan(bucket, lake, SETTINGS, TODAY)
    assert [(o.table, o.source.key, o.days) for o in plan.objects] == [("log", "data/x.csv", None)]
    assert list(plan.unrecognised) == ["data/y.csv"]
    watch = Watch(bucket, lake, SETTINGS)  # type: ignore[arg-type]
    (asked,) = watch.look().asked
    assert asked.only_read and asked.tables == ("flights", "log", "state_vectors")
    sync_days(dataset.contract, asked.days, bucket, lake, SETTINGS, TODAY, lambda text: None)
    assert watch.days() == [("2022-06-25", "2022-06-25", ("log",)), ("2022-06-27", "2022-06-27", ("log",))]
    assert watch.days() == []


def test_an_empty_period_has_no_partitions():
    empty = Period(date(2022, 6, 2), date(2022, 6, 1))
    assert [kind.keys_of(empty) for kind in Partitions] == [[], [], []]


def test_objects_of_unknown_days_do_not_hold_up_tables_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor is full of objects that nobody has read yet, and a look compares few: known days go first."""
    monkeypatch.setattr(arrivals, "MOST_UNREAD", 3)
    register(table("weather"))  # its slots come after those of unknown days
    watch = Watch(Listing(), LocalLake.at(tmp_path / "lake"))
    for n in range(5):
        watch.store.objects[f"flights/part{n}.csv"] = "1"
    assert [run.only_read for run in watch.look().asked] == [True]
    watch.store.objects["weather/20220625-20220625.csv"] = "1"
    found = watch.look(most_compared=1)
    assert [(run.first, run.tables) for run in found.asked] == [("2022-06-25", ("weather",))]
    assert found.waiting == 1
