"""Answers of the API, as lines and whole: every record is a row or a reject, with its line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from opensky_assets.ingest.sync import SyncReport, sync_days
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.sources.keys import hours_of, read_key
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake
from opensky_assets_tests.state_files import answered, epoch, write_poll

DAY, TODAY = "2025-09-25", date(2025, 10, 1)
AT = epoch(DAY, 9)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


def ingest(bucket: Path, table: str = "state_vectors", days: tuple[str, ...] = (DAY,), limit: float = 1) -> SyncReport:
    contract = {"state_vectors": STATE_VECTORS, "flights": FLIGHTS}[table]
    settings = load_settings(quarantine_limit=limit)
    return sync_days(contract, days, LocalStore(bucket), lake_of(bucket), settings, TODAY, lambda text: None)


def lake_of(bucket: Path) -> LocalLake:
    return LocalLake.at(bucket.parent / "lake")


def rows(bucket: Path, table: str = "raw/state_vectors") -> pl.DataFrame:
    files = sorted(lake_of(bucket).path(table).glob("day=*/*.parquet"))
    return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])


def rejects(bucket: Path) -> list[tuple[int, str | None, str]]:
    found = rows(bucket, "quarantine/state_vectors").sort("line_number")
    return list(found.select("line_number", "column", "reason").iter_rows())


def test_fields_go_to_the_columns_of_the_contract(bucket: Path) -> None:
    write_poll(bucket, AT, [answered(time_position=AT - 9, last_contact=AT - 2)])
    assert ingest(bucket).days[DAY].counts.written == 1
    (row,) = rows(bucket).to_dicts()
    assert row == {
        "time": datetime.fromtimestamp(AT, UTC),
        "icao24": "4b1801",
        "lat": 47.45,
        "lon": 8.55,
        "velocity": 231.5,
        "heading": 92.25,
        "vertrate": 0.0,
        "callsign": "SWR1",
        "onground": False,
        "alert": None,
        "spi": False,
        "squawk": "1000",
        "baroaltitude": 10972.8,
        "geoaltitude": 11201.4,
        "lastposupdate": datetime.fromtimestamp(AT - 9, UTC),
        "lastcontact": datetime.fromtimestamp(AT - 2, UTC),
        "origin_country": "Switzerland",
        "category": 3,
        "position_source": 0,
    }


BROKEN: list[tuple[str, str | None, str]] = [
    ('{"icao24": "4b1801", "last_contact": 17', None, "unparsable"),
    ('{"icao24": "4b1801"}{"icao24": "4b1802"}', None, "unparsable"),
    ('{"icao24": "4b1801", "icao24": "4b1802"}', None, "field_count"),
    ("42", None, "unparsable"),
    ('["4b1801", "SWR1"]', None, "field_count"),
    ("[" * 3000, None, "unparsable"),
    (json.dumps(answered(icao24=123)), "icao24", "unparsable"),
    (json.dumps(answered(icao24=None)), "icao24", "null_key"),
    (json.dumps(answered(icao24="x")), "icao24", "bad_icao24"),
    (json.dumps(answered(callsign=5)), "callsign", "unparsable"),
    (json.dumps(answered(longitude="8.5")), "lon", "unparsable"),
    (json.dumps(answered(on_ground=1)), "onground", "unparsable"),
    (json.dumps(answered(velocity=float("inf"))), "velocity", "unparsable"),
    (json.dumps(answered(velocity=10**400)), "velocity", "unparsable"),
    (json.dumps(answered(category=2.5)), "category", "unparsable"),
    (json.dumps(answered(last_contact=1e15)), "lastcontact", "unparsable"),
    (json.dumps(answered(callsign="a\x00b")), None, "control_character"),
    (json.dumps(answered(callsign="\ud800")), None, "encoding"),
    (json.dumps(answered(callsign="\ud800"), ensure_ascii=False), None, "encoding"),
]


@pytest.mark.parametrize(("line", "column", "reason"), BROKEN)
def test_a_broken_line_is_quarantined_and_no_other(bucket: Path, line: str, column: str | None, reason: str) -> None:
    sound = [answered(icao24=f"4b18{n:02x}") for n in range(5)]
    write_poll(bucket, AT, [*sound[:3], line, "", *sound[3:]])
    counts = ingest(bucket).days[DAY].counts
    assert (counts.written, counts.quarantined) == (5, 1)
    assert rejects(bucket) == [(4, column, reason)]
    assert rows(bucket)["icao24"].to_list() == [record["icao24"] for record in sound]


SOUND: list[tuple[dict[str, Any], str, Any]] = [
    (answered(origin_country="Côte d'Ivoire"), "origin_country", "Côte d'Ivoire"),
    (answered(callsign='A"B\\'), "callsign", 'A"B\\'),
    (answered(callsign=""), "callsign", None),
    (answered(squawk=""), "squawk", None),
    (answered(velocity=float("nan")), "velocity", None),
    (answered(velocity=1e300), "velocity", 1e300),
    (answered(velocity=10**30), "velocity", 1e30),
    (answered(latitude=None), "lat", None),
    (answered(icao24=" 4B1801"), "icao24", "4b1801"),
    (answered(sensors=[1, 2], news={"a": {"b": [1]}}), "icao24", "4b1801"),
    (answered(time=AT + 5), "time", datetime.fromtimestamp(AT + 5, UTC)),
    (answered(time=None), "time", datetime.fromtimestamp(AT, UTC)),
    ({"icao24": "4b1801"}, "lastcontact", None),
]


@pytest.mark.parametrize("beside", [[], ["{broken"]], ids=["alone", "beside a broken line"])
@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "as it is"])
@pytest.mark.parametrize(("record", "column", "value"), SOUND)
def test_odd_but_sound_lines_arrive(
    bucket: Path, record: dict[str, Any], column: str, value: Any, escaped: bool, beside: list[str]
) -> None:
    """On the fast path and on the one of damaged blocks alike."""
    write_poll(bucket, AT, [json.dumps(record, ensure_ascii=escaped), *beside])
    ingest(bucket)
    assert rows(bucket)[column].to_list() == [value]


def test_an_object_over_two_lines_does_not_hide_two_on_one(bucket: Path) -> None:
    lines = [
        '{"icao24": "4b1801"}{"icao24": "4b1802"}',
        '{"icao24": "4b1803",',
        '"callsign": "X"}',
        '{"icao24": "4b1804"}',
    ]
    write_poll(bucket, AT, lines)
    counts = ingest(bucket).days[DAY].counts
    assert (counts.written, counts.quarantined) == (1, 3)
    assert [line for line, _, _ in rejects(bucket)] == [1, 2, 3]


def test_another_day_in_the_rows_is_outside_the_period(bucket: Path) -> None:
    write_poll(bucket, AT, [answered(), answered(time=AT + 86_400)])
    ingest(bucket)
    assert rejects(bucket) == [(2, "time", "outside_period")]


def test_a_damaged_poll_is_held_back(bucket: Path) -> None:
    write_poll(bucket, AT, ["{"] * 3 + [answered()])
    done = ingest(bucket, limit=0.05)
    assert list(done.failed) == [DAY]
    assert "OPENSKY_QUARANTINE_LIMIT" in done.messages[0]


def test_a_poll_without_records(bucket: Path) -> None:
    write_poll(bucket, AT, [])
    done = ingest(bucket)
    assert (len(done.read), done.failed, done.holes) == (1, {}, [DAY])


# --- whole answers -------------------------------------------------------------------------------------------------


def write_answer(bucket: Path, answer: Any, key: str = f"states/all_{AT}.json", indent: int | None = None) -> None:
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(answer if isinstance(answer, str) else json.dumps(answer, indent=indent))


@pytest.mark.parametrize("length", [13, 17, 18])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_whole_answer(bucket: Path, length: int, indent: int | None) -> None:
    states = [list(answered(icao24=f"4b18{n:02x}").values())[:length] for n in range(30)]
    write_answer(bucket, {"time": AT + 3, "states": states}, indent=indent)
    ingest(bucket)
    found = rows(bucket)
    assert found["time"].unique().to_list() == [datetime.fromtimestamp(AT + 3, UTC)]
    assert found["icao24"].to_list() == [state[0] for state in states]
    assert found["lon"].unique().to_list() == [8.55]
    assert found["category"].unique().to_list() == ([3] if length == 18 else [None])
    assert found["squawk"].unique().to_list() == ([None] if length == 13 else ["1000"])


def test_a_worldwide_answer_is_longer_than_a_line_may_be(bucket: Path) -> None:
    write_answer(bucket, {"time": AT, "states": [list(answered(icao24=f"{n:06x}").values()) for n in range(12_000)]})
    assert ingest(bucket).days[DAY].counts.written == 12_000


def test_records_of_a_whole_answer_are_counted_and_refused_one_by_one(bucket: Path) -> None:
    good = list(answered().values())
    write_answer(bucket, {"time": AT, "states": [good, good[:16], {"a": 1}, None, [5, *good[1:]], good]})
    counts = ingest(bucket).days[DAY].counts
    assert (counts.written, counts.quarantined) == (2, 4)
    assert rejects(bucket) == [
        (2, None, "field_count"),
        (3, "icao24", "null_key"),
        (4, None, "unparsable"),
        (5, "icao24", "unparsable"),
    ]


def test_an_empty_area_has_no_states(bucket: Path) -> None:
    write_answer(bucket, {"time": AT, "states": None})
    done = ingest(bucket)
    assert (len(done.read), done.read[0].read, done.failed) == (1, 0, {})


@pytest.mark.parametrize("text", ['{"time": 1, "states": [["4b1801"', '{"states": {"a": 1}}'])
def test_a_cut_answer_is_held_back(bucket: Path, text: str) -> None:
    write_answer(bucket, text)
    done = ingest(bucket)
    assert list(done.failed) == [DAY]
    assert lake_of(bucket).held("state_vectors")[f"states/all_{AT}.json"].reason == "damaged_container"


# --- flights -------------------------------------------------------------------------------------------------------

FLIGHT = {
    "icao24": "4b1801",
    "firstSeen": AT - 7200,
    "estDepartureAirport": "LSZH",
    "lastSeen": AT,
    "estArrivalAirport": None,
    "callsign": "SWR1    ",
    "estDepartureAirportHorizDistance": 12,
}


@pytest.mark.parametrize("whole", [True, False], ids=["an array", "lines"])
def test_flights(bucket: Path, whole: bool) -> None:
    flights = [FLIGHT, {**FLIGHT, "firstSeen": None, "icao24": "4b1802"}, {**FLIGHT, "lastSeen": None}]
    text = json.dumps(flights) if whole else "\n".join(json.dumps(flight) for flight in flights)
    write_answer(bucket, text, "flights/departure_LSZH_20250926T000000Z.json")
    done = ingest(bucket, "flights")
    assert done.days[DAY].counts.written == 2
    assert done.read[0].total.quarantined == 1
    found = rows(bucket, "raw/flights").to_dicts()
    assert [(row["origin"], row["destination"], row["callsign"]) for row in found] == [("LSZH", None, "SWR1")] * 2
    assert [row["firstseen"] for row in found] == [datetime.fromtimestamp(AT - 7200, UTC), None]
    assert found[0]["lastseen"] == datetime.fromtimestamp(AT, UTC)


def test_no_flights_is_an_answer(bucket: Path) -> None:
    write_answer(bucket, "[]", "flights/arrival_LSZH_20250926T000000Z.json")
    write_answer(bucket, "", "flights/arrival_LSGG_20250926T000000Z.json")
    done = ingest(bucket, "flights")
    assert (len(done.read), done.messages) == (2, [])


# --- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "at"),
    [
        ("poll/states/date=2025-09-25/states_bbox_35p0_45p0_-10p0_4p0_20250925T085512Z_1758790508.json.gz", 1758790508),
        ("states_1758790508.ndjson", 1758790508),
        ("a/b/states/1758790508.jsonl.gz", 1758790508),
        ("states/date=2025-09-25/20250925T085508Z.json.gz", 1758790508),
        ("rest/states/all_2017-01-08_1483905640_13cols.json", 1483905640),
    ],
)
def test_keys_of_polls(key: str, at: int) -> None:
    facts = read_key(key)
    assert facts is not None and facts.period is not None
    day = datetime.fromtimestamp(at, UTC).date()
    assert (facts.table, facts.epoch, facts.period.first, facts.period.last) == ("state_vectors", at, day, day)


@pytest.mark.parametrize(
    "key",
    [
        "states/2022-06-27/04/states_2022-06-27-04.json.tar",
        "states/2022-06-27/04/states_2022-06-27-04.json.gz",
        "states/statesarray_2023-06-20_netherlands.json",
        "states/states_20251325T085512Z.json",
        "flights/opensky_api_routes.json",
        "tracks/track_1758790508.json",
    ],
)
def test_keys_that_are_no_answers(key: str) -> None:
    assert read_key(key) is None


def test_hours() -> None:
    keys = [f"states/.2018-01-01/{hour:02d}/states_2018-01-01-{hour:02d}.csv.tar" for hour in (3, 0)]
    assert hours_of([*keys, "states/states_1514764800.json", "x.csv"]) == [0, 3]
