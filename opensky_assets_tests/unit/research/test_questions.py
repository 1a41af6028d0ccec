"""What researchers ask: the right rows, of the right days, as dates and times in UTC, and clear words where not."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from opensky_assets import connect, flights, states, track
from opensky_assets.lake import LakeError
from opensky_assets.research import Answer, QuestionError
from opensky_assets_tests.unit.research.conftest import DAYS

WHOLE_DAY = ("2022-06-25", "2022-06-25")


def callsigns(answer: Answer) -> list[str]:
    return answer.arrow()["callsign"].to_pylist()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"day": "2022-06-25"}, ["SWR1"]),
        ({"day": date(2022, 6, 26)}, ["=1+1", "CPA<2>&"]),
        ({"start": "2022-06-25", "end": "2022-06-26"}, ["SWR1", "=1+1", "CPA<2>&"]),
        ({"start": "2022-06-25T09:00", "end": "2022-06-26T07:00"}, ["SWR1"]),
        ({"start": "2022-06-25T09:00:01", "end": "2022-06-26T07:00:01Z"}, ["=1+1"]),
        ({"start": datetime(2022, 6, 26, 7), "end": datetime(2022, 6, 26, 8)}, ["=1+1"]),
        ({"start": "2022-06-26T09:00+02:00", "end": "2022-06-26T10:00+02:00"}, ["=1+1"]),
        ({"start": pd.Timestamp("2022-06-26T07:00"), "end": pd.Timestamp("2022-06-26T08:00", tz="UTC")}, ["=1+1"]),
        ({"day": "2022-06-26", "airline": "cpa"}, ["CPA<2>&"]),
        ({"day": "2022-06-26", "airline": "cathay pacific"}, ["=1+1", "CPA<2>&"]),
        ({"start": "2022-06-25", "end": "2022-06-26", "airport": "lszh"}, ["SWR1", "CPA<2>&"]),
        ({"day": "2022-06-26", "airport": "KU42"}, ["=1+1"]),
        ({"day": "2022-06-25", "airport": "LFSB"}, []),
        ({"day": "2022-06-25", "airline": "DLH"}, []),
        ({"day": "2022-06-25", "airline": "x' OR '1'='1"}, QuestionError),
    ],
)
def test_flights(lake: Path, asked: dict[str, object], found: list[str] | type[QuestionError]) -> None:
    if isinstance(found, list):
        assert callsigns(flights(**asked, lake=lake)) == found  # type: ignore[arg-type]
    else:
        with pytest.raises(found):
            flights(**asked, lake=lake)  # type: ignore[arg-type]


def test_a_track_is_in_the_order_of_time_and_upper_case_is_accepted(lake: Path) -> None:
    answer = track("4B1816", *WHOLE_DAY, lake=lake)
    assert [when.second for when in answer.arrow()["time"].to_pylist()] == [0, 10, 30]
    assert len(track("4b1816", *WHOLE_DAY, max_age_s=15, lake=lake)) == 2
    assert len(track("4b1816", *DAYS, lake=lake)) == 4
    assert len(track("000001", *WHOLE_DAY, lake=lake)) == 0


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ((47.0, 8.0, 48.0, 9.0), ["4b1816"] * 3),
        ((47.4, 8.5, 47.4, 8.5), ["4b1816"]),
        ((-20.0, 179.0, -10.0, -179.0), ["c82000"] * 2),
        ((-20.0, -180.0, -10.0, -179.0), ["c82000"]),
        ((0, 0, 1, 1), []),
    ],
)
def test_states_in_a_box(lake: Path, box: tuple[float, ...], found: list[str]) -> None:
    answer = states(box, *WHOLE_DAY, lake=lake)
    assert answer.arrow()["icao24"].to_pylist() == found


def test_only_the_days_that_are_asked_are_opened(lake: Path) -> None:
    for path in lake.glob(f"core/*/day={DAYS[1]}/*.parquet"):
        path.write_bytes(b"not Parquet")
    assert callsigns(flights(day=DAYS[0], lake=lake)) == ["SWR1"]
    assert len(track("4b1816", "2022-06-25T08:00", "2022-06-26T00:00", lake=lake)) == 3
    assert len(states((0, 0, 90, 90), *WHOLE_DAY, lake=lake)) == 3


def test_day_is_a_date_and_times_are_in_utc(lake: Path) -> None:
    answer = flights(day=DAYS[0], lake=lake)
    assert answer.arrow().schema.field("day").type == pa.date32()
    assert answer.polars().schema["day"] == pl.Date
    assert answer.polars().schema["lastseen"] == pl.Datetime("us", "UTC")
    frame = answer.pandas()
    assert frame["day"].tolist() == [date(2022, 6, 25)]
    assert str(frame["lastseen"].dtype) == "datetime64[us, UTC]"
    assert frame["lastseen"].tolist() == [pd.Timestamp("2022-06-25T09:00", tz="UTC")]
    assert answer.columns[0] == "day" and len(answer) == 1
    assert repr(answer).startswith("<flights, 2022-06-25 00:00 to 2022-06-26 00:00 UTC: 1 row of ")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda lake: flights(lake=lake), "give the day"),
        (lambda lake: flights(day=DAYS[0], start=DAYS[0], lake=lake), "not both"),
        (lambda lake: flights(start=DAYS[1], end=DAYS[0], lake=lake), "start=2022-06-26 is not before end=2022-06-25"),
        (lambda lake: flights(start="2022-06-25T10:00", end="2022-06-25T10:00", lake=lake), "is not before"),
        (lambda lake: flights(day="25.06.2022", lake=lake), "'25.06.2022' is not a time: write 2022-06-25"),
        (lambda lake: flights(day="2022-06-25T10:00", lake=lake), "is a time, not a day"),
        (lambda lake: flights(day=20220625, lake=lake), "20220625 is not a time"),
        (lambda lake: flights(day=DAYS[0], airport="ZRH", lake=lake), "the IATA code of LSZH"),
        (lambda lake: flights(day=DAYS[0], airport="XXXX", lake=lake), "'XXXX' is not in the airports table"),
        (lambda lake: flights(day=DAYS[0], airline="LX", lake=lake), "three-letter ICAO code"),
        (
            lambda lake: flights(day=DAYS[0], airline="Swiss Intl Air Lines", lake=lake),
            "is it Swiss International Air Lines",
        ),
        (
            lambda lake: flights(day="2022-07-01", lake=lake),
            "no rows on 2022-07-01; the lake .* has 2022-06-25 to 2022-06-26",
        ),
        (lambda lake: track("4b181", *WHOLE_DAY, lake=lake), "six hexadecimal digits"),
        (lambda lake: track("4b181g", *WHOLE_DAY, lake=lake), "six hexadecimal digits"),
        (lambda lake: track(4921366, *WHOLE_DAY, lake=lake), "six hexadecimal digits"),
        (lambda lake: states((48, 8, 47, 9), *WHOLE_DAY, lake=lake), "lamin not above lamax"),
        (lambda lake: states((47, 8, 48, 190), *WHOLE_DAY, lake=lake), "from -180 to 180"),
        (lambda lake: states((47, 8, 48), *WHOLE_DAY, lake=lake), "lamin, lomin, lamax, lomax"),
        (lambda lake: states((float("nan"), 8, 48, 9), *WHOLE_DAY, lake=lake), "from -90 to 90"),
    ],
)
def test_what_cannot_be_asked_is_said(lake: Path, ask: object, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        ask(lake)  # type: ignore[operator]


def test_missing_days_among_others_are_said(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        answer = flights(start="2022-06-24", end="2022-06-27", lake=lake)
    assert answer.missing_days == ("2022-06-24", "2022-06-27") and len(answer) == 3
    assert "no rows on 2022-06-24, 2022-06-27" in caplog.text


@pytest.mark.parametrize(
    "ask", [connect, lambda lake: flights(day=DAYS[0], lake=lake), lambda lake: track("4b1816", *WHOLE_DAY, lake=lake)]
)
def test_a_lake_that_is_missing_is_named_and_not_made(tmp_path: Path, ask: object) -> None:
    with pytest.raises(LakeError, match=f"there is no lake at {tmp_path}/nothing: .*OPENSKY_LAKE"):
        ask(tmp_path / "nothing")  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_light_until_it_is_asked(tmp_path: Path) -> None:
    code = "import sys, opensky_assets; print(sorted({'duckdb', 'pyarrow', 'polars', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_answers_are_in_utc_on_a_machine_in_new_york(lake: Path) -> None:
    """`sql`, `connect` and the questions; a DuckDB connection of one's own is in the machine's zone."""
    program = f"""
import duckdb, opensky_assets
asked = "SELECT count(*) FROM enriched_state_vectors WHERE hour(time) = 8"
with opensky_assets.connect() as connection:
    print(connection.sql(asked).fetchall()[0][0])
    print(connection.sql("SELECT min(time)::VARCHAR FROM enriched_state_vectors").fetchall()[0][0])
answer = opensky_assets.track("4b1816", "2022-06-25T08:00", "2022-06-25T09:00")
print(answer.arrow()["time"][0].as_py().isoformat(), answer.pandas()["time"].iloc[0], answer.polars()["time"][0])
files = {str(lake)!r} + "/core/enriched_state_vectors/*/*.parquet"
print(duckdb.sql(f"SELECT count(*) FROM read_parquet('{{files}}') WHERE hour(time) = 8").fetchall()[0][0])
"""
    environment = {**os.environ, "TZ": "America/New_York", "OPENSKY_LAKE": str(lake)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "6",
        "2022-06-25 08:00:00+00",
        "2022-06-25T08:00:00+00:00 2022-06-25 08:00:00+00:00 2022-06-25 08:00:00+00:00",
        "0",
    ]
    asked = "SELECT count(*) AS n, min(time) AS first FROM enriched_state_vectors WHERE hour(time) = 8"
    command = [sys.executable, "-m", "opensky_assets.cli", "sql", asked, "--format", "csv"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["n,first", "6,2022-06-25 08:00:00+00"]


def test_zones_of_times_are_converted(lake: Path) -> None:
    zone = timezone(timedelta(hours=-4))
    answer = track("4b1816", datetime(2022, 6, 25, 4, tzinfo=zone), datetime(2022, 6, 25, 5, tzinfo=zone), lake=lake)
    assert len(answer) == 3
    assert answer.arrow()["time"][0].as_py() == datetime(2022, 6, 25, 8, tzinfo=UTC)
