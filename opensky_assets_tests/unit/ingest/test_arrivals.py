"""Which days a listing asks for, given what the listings before it saw and what the lake has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from opensky_assets.ingest import arrivals
from opensky_assets.ingest.arrivals import Arrivals, Asked, look, runs
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS, FLIGHTS
from opensky_assets.settings import Settings
from opensky_assets.storage.errors import SourceError
from opensky_assets.storage.objects import LocalStore, SourceObject
from opensky_assets_tests.buckets import TODAY, put
from opensky_assets_tests.flight_lists import flight, write_aircraft, write_list
from opensky_assets_tests.lakes import LocalLake

SETTINGS = Settings(_env_file=None)


@dataclass
class Listing:
    """A bucket that can only be listed: key → ETag."""

    objects: dict[str, str] = field(default_factory=dict)
    uri: str = "memory://bucket"

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        return (SourceObject(key, 1, etag) for key, etag in sorted(self.objects.items()) if key.startswith(prefix))

    def hour(self, day: str, hour: int = 0, etag: str = "1") -> None:
        self.objects[f"states/{day}/{hour:02d}/states_{day}-{hour:02d}.csv.tar"] = etag


@dataclass
class Watch:
    """Looks one after the other, each with the cursor of the one before."""

    store: Listing | LocalStore
    lake: LocalLake
    settings: Settings = SETTINGS
    cursor: str | None = None

    def look(self, today: date = TODAY, **options: int) -> Arrivals:
        now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        found = look(self.store, self.lake, self.settings, now, self.cursor, **options)  # type: ignore[arg-type]
        self.cursor = found.cursor
        return found

    def days(self, today: date = TODAY) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(asked.first, asked.last, asked.tables) for asked in self.look(today).asked]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(Listing(), LocalLake.at(tmp_path / "lake"))


STATES, LISTS = ("state_vectors",), ("flights",)


def test_new_changed_and_gone_objects(watch: Watch) -> None:
    bucket = watch.store
    assert watch.days() == []
    bucket.hour("2022-06-25")
    bucket.hour("2022-06-26")
    bucket.hour("2022-06-28")
    assert watch.days() == [("2022-06-25", "2022-06-26", STATES), ("2022-06-28", "2022-06-28", STATES)]
    assert watch.days() == []
    bucket.hour("2022-06-26", etag="2")
    assert watch.days() == [("2022-06-26", "2022-06-26", STATES)]
    bucket.hour("2022-06-28", hour=5)
    assert watch.days() == [("2022-06-28", "2022-06-28", STATES)]
    bucket.objects.clear()
    assert watch.days() == []
    bucket.hour("2022-06-26", etag="2")
    assert watch.days() == [("2022-06-26", "2022-06-26", STATES)]


def test_an_empty_listing_of_a_lake_with_rows_fails_the_look(tmp_path: Path) -> None:
    write_list(tmp_path / "bucket", "2022-06-25", "2022-06-25", [flight("2022-06-25")])
    store, lake = LocalStore(tmp_path / "bucket"), LocalLake.at(tmp_path / "lake")
    sync_days(FLIGHTS, ["2022-06-25"], store, lake, SETTINGS, TODAY, lambda text: None)
    watch = Watch(store, lake)
    watch.look()
    cursor = watch.cursor
    for path in (tmp_path / "bucket" / "flights").iterdir():
        path.unlink()
    with pytest.raises(SourceError, match="lists no object, but the lake has 1 object"):
        watch.look()
    assert watch.cursor == cursor


def test_a_list_asks_for_all_its_days_and_tables_stand_apart(watch: Watch) -> None:
    watch.store.objects["flights/flightlist_20220624_20220626.csv.gz"] = "1"
    watch.store.hour("2022-06-26")
    assert watch.days() == [
        ("2022-06-24", "2022-06-25", LISTS),
        ("2022-06-26", "2022-06-26", ("flights", "state_vectors")),
    ]


def test_each_arrival_is_a_run_of_its_own(watch: Watch) -> None:
    """Also where an object goes back to what it was, or was gone in between: Dagster skips a run key that it knows."""
    seen = []
    for etag in ("1", "2", "1", "2", "", "2"):
        if not etag:
            watch.store.objects.clear()
            assert watch.look().asked == ()
            continue
        watch.store.hour("2022-06-25", etag=etag)
        before = watch.cursor
        (asked,) = watch.look().asked
        seen.append(asked.name)
        watch.cursor = before
        assert watch.look().asked == (asked,)  # the same question again has the same name
    assert len(set(seen)) == 5
    watch.cursor = None  # reset, a day later
    (asked,) = watch.look(TODAY + timedelta(days=1)).asked
    assert asked.name not in seen


def test_today_waits_until_it_is_over_and_the_filters_hold(watch: Watch) -> None:
    bucket = watch.store
    for day in ("2016-12-31", "2022-12-31", "2023-01-01"):
        bucket.hour(day)
    assert watch.days() == [("2022-12-31", "2022-12-31", STATES)]
    assert watch.days(TODAY + timedelta(days=1)) == [("2023-01-01", "2023-01-01", STATES)]
    watch.cursor, watch.settings = None, Settings(_env_file=None, year=2022)
    assert watch.days(TODAY + timedelta(days=1)) == [("2022-12-31", "2022-12-31", STATES)]


@pytest.mark.parametrize("step", [1, 2, 7])
def test_a_thousand_days_are_few_runs(watch: Watch, step: int) -> None:
    days = [date(2019, 1, 1) + timedelta(days=step * n) for n in range(1000 if step == 1 else 200)]
    for day in days:
        watch.store.hour(day.isoformat())
    asked = watch.look().asked
    assert 1 <= len(asked) <= 20
    covered = {day for run in asked for day in run.days}
    assert {day.isoformat() for day in days} <= covered
    assert watch.days() == []


def test_neighbours_are_joined_over_the_shortest_gaps() -> None:
    due = {day: {"flights"} for day in ("2022-01-01", "2022-01-03", "2022-01-10", "2022-01-12", "2022-02-20")}
    asked = runs(due, "", 3)
    assert [(run.first, run.last) for run in asked] == [
        ("2022-01-01", "2022-01-03"), ("2022-01-10", "2022-01-12"), ("2022-02-20", "2022-02-20"),
    ]  # fmt: skip


def test_a_look_is_bounded_and_the_next_goes_on(watch: Watch) -> None:
    for n in range(30):
        for hour in range(4):
            watch.store.hour((date(2022, 1, 1) + timedelta(days=n)).isoformat(), hour)
    asked: list[str] = []
    for _ in range(30):
        found = watch.look(most_compared=20)
        asked += [day for run in found.asked for day in run.days]
        if not found.waiting:
            break
    assert len(asked) == len(set(asked)) == 30
    assert watch.days() == []


def test_a_broken_listing_is_told_and_loses_nothing(watch: Watch, tmp_path: Path) -> None:
    watch.store = LocalStore(tmp_path / "bucket")
    with pytest.raises(SourceError, match="not a folder"):
        watch.look()
    write_list(tmp_path / "bucket", "2022-06-25", "2022-06-25", [flight("2022-06-25")])
    assert watch.days() == [("2022-06-25", "2022-06-25", LISTS)]


def test_another_source_is_looked_at_anew(watch: Watch) -> None:
    watch.store.hour("2022-06-25")
    watch.look()
    watch.store = Listing(watch.store.objects, "memory://other")
    assert watch.days() == [("2022-06-25", "2022-06-25", STATES)]


# --- what the lake has already -------------------------------------------------------------------------------------


def ingest(watch: Watch, *days: str) -> None:
    sync_days(FLIGHTS, days, watch.store, watch.lake, SETTINGS, TODAY, lambda text: None)  # type: ignore[arg-type]


def follow(lake: LocalLake, *days: str) -> None:
    """As if marts had been made of these days."""
    for day in days:
        put(lake.root, f"marts/data_quality_daily/day={day}/data.parquet", b"")


def test_what_the_lake_has_is_not_asked_for(watch: Watch, tmp_path: Path) -> None:
    watch.store, bucket = LocalStore(tmp_path / "bucket"), tmp_path / "bucket"
    write_list(bucket, "2022-06-25", "2022-06-26", [flight("2022-06-25"), flight("2022-06-26")])
    write_list(bucket, "2022-06-28", "2022-06-28", [flight("2022-06-28")])
    ingest(watch, "2022-06-25")
    follow(watch.lake, "2022-06-25")
    # Of the first list, the second day was read but nothing was made of it.
    assert watch.days() == [("2022-06-26", "2022-06-26", LISTS), ("2022-06-28", "2022-06-28", LISTS)]
    watch.cursor = None
    ingest(watch, "2022-06-28")
    follow(watch.lake, "2022-06-26", "2022-06-28")
    assert watch.days() == []


def test_objects_whose_names_tell_no_days_are_read_first_and_their_days_follow(watch: Watch, tmp_path: Path) -> None:
    watch.store, bucket = LocalStore(tmp_path / "bucket"), tmp_path / "bucket"
    record = b'[{"icao24":"4b1801","firstSeen":1656140400,"lastSeen":1656144000,"callsign":"SWR1"}]'
    put(bucket, "flights_api/2022-06-25/flights_all_2022-06-25T06.json", record)
    (asked,) = watch.look().asked
    assert (asked.first, asked.last, asked.tables, asked.only_read) == ("2022-12-31", "2022-12-31", LISTS, True)
    assert watch.days() == []  # it was asked for
    ingest(watch, "2022-12-31")
    assert watch.days() == [("2022-06-25", "2022-06-25", LISTS)]
    assert watch.days() == []
    put(bucket, "flights_api/2022-06-25/flights_all_2022-06-25T08.json", record + b"\n")
    (asked,) = watch.look().asked
    assert asked.only_read


@pytest.mark.parametrize("name", ["flightlist_20220624_20220627.csv.gz", "flights of the night.csv.gz"])
def test_a_day_that_was_not_over_follows_when_it_is(name: str, tmp_path: Path) -> None:
    """The rows of such a day go to quarantine, since they may not be all: they come back with the day."""
    lake, bucket = LocalLake.at(tmp_path / "lake"), LocalStore(tmp_path / "bucket")
    path = write_list(bucket.root, "2022-06-25", "2022-06-26", [flight("2022-06-25"), flight("2022-06-26", hour=1)])
    path.rename(path.with_name(name))
    write_aircraft(bucket.root)
    watch = Watch(bucket, lake, Settings(_env_file=None, quarantine_limit=0))

    def after(today: date) -> list[int]:
        """Looks and reads until nothing is asked for; then the rows that are in the table and in quarantine."""
        asked = set[str]()
        while found := watch.look(today).asked:
            for run in found:
                asked |= set() if run.only_read else set(run.days)
                sync_days(FLIGHTS, run.days, bucket, lake, watch.settings, today, lambda text: None)
        assert {"2022-06-25", f"{today - timedelta(days=1)}"} <= asked
        (manifest,) = lake.manifests(FLIGHTS.name).values()
        assert manifest.lawful
        return [manifest.total.written, manifest.total.quarantined]

    assert after(date(2022, 6, 26)) == [1, 1]
    assert watch.look(date(2022, 6, 26)).asked == ()
    assert after(date(2022, 6, 27)) == [2, 0]
    assert watch.look(date(2022, 6, 27)).asked == ()


@pytest.mark.parametrize("name", ["flightlist_20220620_20220625.csv.gz", "flights of the night.csv.gz"])
def test_days_that_never_belong_to_an_object_are_not_waited_for(name: str, tmp_path: Path) -> None:
    lake, bucket = LocalLake.at(tmp_path / "lake"), LocalStore(tmp_path / "bucket")
    wrong = "2022-06-26" if name.startswith("flightlist") else "2031-01-01"
    path = write_list(bucket.root, "2022-06-25", "2022-06-26", [flight("2022-06-25"), flight(wrong)])
    path.rename(path.with_name(name))
    write_aircraft(bucket.root)
    held = sync_days(FLIGHTS, ["2022-06-25"], bucket, lake, SETTINGS, date(2022, 6, 26), lambda text: None)
    assert "1 of 2 records" in held.messages[0]
    watch = Watch(bucket, lake, Settings(_env_file=None, quarantine_limit=1))
    sync_days(FLIGHTS, ["2022-06-25"], bucket, lake, watch.settings, date(2022, 6, 26), lambda text: None)
    (manifest,) = lake.manifests(FLIGHTS.name).values()
    assert manifest.total.quarantined == 1 and "later" not in manifest.notes


def test_an_object_that_is_never_read_is_given_up(watch: Watch) -> None:
    watch.store.objects["flights/unknown.csv"] = "1"
    (asked,) = watch.look().asked
    assert asked.only_read and asked.tables == ("flights", "state_vectors")
    assert watch.days() == []
    filled = watch.cursor or ""
    assert watch.days(TODAY + arrivals.PATIENCE + timedelta(days=1)) == []
    assert len(watch.cursor or "") < len(filled)


def test_more_unread_objects_than_the_cursor_takes_wait(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST_UNREAD", 3)
    for n in range(5):
        watch.store.objects[f"flights/part{n}.csv"] = "1"
    found = watch.look()
    assert found.waiting == 1
    assert [run.only_read for run in found.asked] == [True]


# --- aircraft ------------------------------------------------------------------------------------------------------


def test_a_new_aircraft_table_is_asked_for_once_a_version(watch: Watch) -> None:
    watch.store.objects["metadata/aircraftDatabase.csv"] = "1"
    first = watch.look()
    assert first.aircraft and first.reference_missing
    put(watch.lake.root, AIRCRAFT_DATABASE.path, b"")
    put(watch.lake.root, AIRPORTS.path, b"")
    again = watch.look()
    assert (again.aircraft, again.reference_missing) == (None, False)
    watch.store.objects["metadata/aircraftDatabase.csv"] = "2"
    assert watch.look().aircraft not in (None, first.aircraft)


def test_days_are_followed_whether_or_not_there_is_an_aircraft_table(watch: Watch) -> None:
    watch.store.hour("2022-06-25")
    found = watch.look()
    assert found.reference_missing and [asked.only_read for asked in found.asked] == [False]
    watch.store.objects["metadata/aircraftDatabase.csv"] = "1"
    found = watch.look()
    assert found.aircraft and not found.asked


# --- size ----------------------------------------------------------------------------------------------------------


def test_the_cursor_grows_with_days_and_not_with_objects(watch: Watch) -> None:
    days = [(date(2017, 1, 1) + timedelta(days=n)).isoformat() for n in range(2000)]
    for day in days:
        watch.store.hour(day, etag=hashlib.sha256(day.encode()).hexdigest())
    one_each = len(watch.look().cursor)
    for day in days:
        for hour in range(1, 12):
            watch.store.hour(day, hour)
    twelve_each = len(watch.look().cursor)
    assert twelve_each < 1.05 * one_each
    assert twelve_each < 13 * len(days)


def test_what_the_file_limit_cuts_is_asked_for_until_all_is_read(tmp_path: Path) -> None:
    lake, bucket = LocalLake.at(tmp_path / "lake"), LocalStore(tmp_path / "bucket")
    days = [f"2022-06-{day:02d}" for day in range(1, 8)]
    for day in days:
        write_list(bucket.root, day, day, [flight(day)])
    watch = Watch(bucket, lake, Settings(_env_file=None, file_limit=3))
    names: list[str] = []
    for read in (3, 6, 7):
        (asked,) = watch.look().asked
        assert (asked.first, asked.last) == (days[0], days[-1])
        assert asked.name not in names
        names.append(asked.name)
        if read < 7:
            assert watch.look().asked == (asked,)  # not read yet: the same request, which is a run already
        sync_days(FLIGHTS, asked.days, bucket, lake, watch.settings, TODAY, lambda text: None)
        assert len(lake.manifests("flights")) == read
    assert watch.days() == []
    write_list(bucket.root, days[0], days[0], [flight(days[0]), flight(days[0], hour=12)])
    assert watch.days() == [(days[0], days[0], LISTS)]


def test_objects_of_unknown_days_that_the_file_limit_cuts_are_asked_for_too(tmp_path: Path) -> None:
    lake, bucket = LocalLake.at(tmp_path / "lake"), LocalStore(tmp_path / "bucket")
    days = [f"2022-06-{day:02d}" for day in range(1, 6)]
    for day in days:
        path = write_list(bucket.root, day, day, [flight(day)])
        path.rename(path.with_name(f"flights of the {day[-2:]}.csv.gz"))
    write_aircraft(bucket.root)
    watch = Watch(bucket, lake, Settings(_env_file=None, file_limit=2))
    names: set[str] = set()
    found: set[str] = set()
    while reading := [asked for asked in watch.look().asked]:
        for asked in reading:
            found |= set(asked.days) if not asked.only_read else set()
            if asked.only_read and asked.name not in names:
                names.add(asked.name)
                sync_days(FLIGHTS, asked.days, bucket, lake, watch.settings, TODAY, lambda text: None)
        assert len(names) <= 3
    assert len(lake.manifests("flights")) == 5
    assert found == set(days)


# --- an older version's cursor --------------------------------------------------------------------------------------

OLD_CURSOR = (
    "c-n1`TT8=06oh|^2Nk6W>~3~9*@#p`s$ebNFck5!w_<6@>Za*S=zsSFD-`r?_-5vCrh_K5(RwJsdnb9W6fZJ0^Ugp5Cd3*_Dsv`s"
    "&Iw6i8N#B05>>MdD^wk5>`tovdVKsf#LkQn#)xD*-3p2RmHN1ytIwxjpE5$zACXb?r}n{~UmgVXo1NN?xR}>dv5RxWdjqq+d#o0S"
    "Tf~$IgoEMzQFXX}?IC9fM%{HiI$^N~+ozDeP1@7<>MX(r$LN)hI00o_N3UH!$9O`7%N#M(OKmum&%p2oUdU4XnoxL2KnZEMSCShm"
    "sTICY(Lbq-6iOFPGEzvbt^O~y*?a@b`eC&"
)
"""After a look at `old_bucket`, by the version whose slots had their table's first letter alone. Nothing was read."""

OLD_CURSOR_UNDER_A_LIMIT = (
    "c-n1_TT8=05QYECprV+->?NCQL@GX1K`BL{LBz}6ieky?rtu}@zdOPDWZw?oIcMe!(8WHv05yc*l`OTEmC)<pEo5M0YN2MT<V7hZ"
    "Vg{QSKRT#Mb(^>)HGrY+qB&@9Prhc<S##tZ6_@!=DDtoM+wxt1uKs++k>$TaF!CSVy}P_RjO6!(85RUjXLrZV(f9KNB_}W+Zrb@7"
    "PZQX^A^NiD&tIF11S8Ee+mL7!$-Yg&_-UXGh=ms(Eepz63H2jzx<MC2PCJmnQwF+FRtBx4b&9znOeyv+C9u+_@`_`njB#dPY8-z6"
    "mZesu"
)
"""The same with OPENSKY_FILE_LIMIT=1."""


def old_bucket() -> Listing:
    bucket = Listing()
    bucket.objects = dict.fromkeys(
        (
            "flights/flightlist_20220624_20220626.csv.gz",
            "flights/flightlist_20221201_20230131.csv.gz",
            "states/states_1656302400.json.gz",
            "flights_api/2022-06-25/flights_all_2022-06-25T02.json.gz",
            "flights/unknown.csv",
            "metadata/aircraftDatabase.csv",
            "SIMULATED.txt",
        ),
        "1",
    )
    bucket.objects["data/2021-05-03.csv"] = "2"
    for day, hour in (("2022-06-26", 0), ("2022-06-26", 5), ("2022-06-27", 0)):
        bucket.hour(day, hour)
    return bucket


def arrive(bucket: Listing) -> None:
    bucket.hour("2022-06-28")
    bucket.objects["flights/flightlist_20220624_20220626.csv.gz"] = "2"
    bucket.objects["flights/more.csv"] = "1"


def test_an_older_cursor_goes_on(watch: Watch) -> None:
    watch.store, watch.cursor = old_bucket(), OLD_CURSOR
    found = watch.look()
    assert (found.asked, found.aircraft) == ((), None)
    arrive(watch.store)
    watch.cursor = OLD_CURSOR
    name = "1672574400.1.ef821fe4"  # of the runs that the older version asks for: what is known by name runs once
    assert watch.look().asked == (
        Asked("2022-06-24", "2022-06-26", LISTS, name),
        Asked("2022-06-28", "2022-06-28", STATES, name),
    )


def test_what_an_older_version_cut_keeps_its_name(watch: Watch) -> None:
    watch.settings = Settings(_env_file=None, file_limit=1)
    watch.store, watch.cursor = old_bucket(), OLD_CURSOR_UNDER_A_LIMIT
    both = ("flights", "state_vectors")
    assert watch.look().asked == (
        Asked("2022-06-26", "2022-06-27", STATES, "4f1417daaaab1e5a"),
        Asked("2022-12-31", "2022-12-31", both, "187f4292d1c46410", only_read=True),
    )
    arrive(watch.store)
    watch.cursor = OLD_CURSOR_UNDER_A_LIMIT
    assert watch.look().asked == (
        Asked("2022-06-24", "2022-06-25", LISTS, "1672574400.1.b14d4557"),
        Asked("2022-06-26", "2022-06-26", both, "08b0fd64859b59e4"),
        Asked("2022-06-27", "2022-06-28", STATES, "0daf3e54de72fc5f"),
    )
