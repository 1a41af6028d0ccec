"""What a key tells of its object."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensky_assets.calendar import Period
from opensky_assets.sources.keys import OTHER_FORMAT, is_metadata, may_hold_rows, read_key

ONE_DAY = Period(date(2020, 5, 18), date(2020, 5, 18))


@pytest.mark.parametrize(
    "key",
    [
        "states/.2020-05-18/07/states_2020-05-18-07.csv.tar",
        "states/2020-05-18/07/states_2020-05-18-07.csv.tar",
        "states/2020-05-18/07/states_2020-05-18-07.csv.gz",
        "states/2020-05-18/07/states_2020-05-18-07.csv",
        "data-samples/states/.2020-05-18/07/states_2020-05-18-07.csv.tar",
    ],
)
def test_both_key_forms_of_an_hour_tell_table_and_day(key):
    facts = read_key(key)
    assert facts is not None
    assert (facts.table, facts.period) == ("state_vectors", ONE_DAY)


@pytest.mark.parametrize(
    ("key", "period"),
    [
        ("flights/flightlist_20190101_20190131.csv.gz", Period(date(2019, 1, 1), date(2019, 1, 31))),
        ("flightlist_20200518_20200518.csv", ONE_DAY),
        ("data/2019/flightlist_20190101_20190131.csv.gz", Period(date(2019, 1, 1), date(2019, 1, 31))),
    ],
)
def test_a_flight_list_tells_its_period(key, period):
    facts = read_key(key)
    assert facts is not None
    assert (facts.table, facts.period) == ("flights", period)


@pytest.mark.parametrize(
    "key",
    [
        "flights/flightlist_20190230_20190331.csv.gz",
        "flights/flightlist_20190131_20190101.csv.gz",
        "flights/flightlist_20190101_20190131.csv.gz.part",
        "flights/myflightlist_20190101_20190131.csv.gz",
        "states/2020-05-18/07/states_2020-05-19-07.csv.tar",
        "states/2020-05-18/07/states_2020-05-18-08.csv.tar",
        "states/2020-13-18/07/states_2020-13-18-07.csv.tar",
        "states/2020-05-18/07/states_2020-05-18-07.avro.tar",
        "metadata/aircraftDatabase.csv",
        "flights/2019.csv",
        "",
    ],
)
def test_what_tells_nothing_is_not_guessed(key):
    assert read_key(key) is None


def test_other_formats_of_the_same_hour_are_told_apart():
    assert OTHER_FORMAT.search("states/.2020-05-18/07/states_2020-05-18-07.avro.tar")
    assert OTHER_FORMAT.search("states/2020-05-18/07/states_2020-05-18-07.json.tar")
    assert not OTHER_FORMAT.search("states/2020-05-18/07/states_2020-05-18-07.csv.tar")


def test_where_tables_without_telling_names_are_looked_for():
    assert [k for k in ("metadata/a.csv", "a.csv", "a.csv.gz", "x/a.csv", "metadata/a.txt") if is_metadata(k)] == [
        "metadata/a.csv", "a.csv", "a.csv.gz",
    ]  # fmt: skip
    named = ("flights/a.csv", "data/x/a.csv.gz", "states/a.csv", "b/a.csv", "a.csv")
    assert [k for k in named if may_hold_rows(k)] == ["flights/a.csv", "data/x/a.csv.gz", "states/a.csv"]


hour_keys = st.from_regex(
    r"states/\.?\d{4}-\d\d-\d\d/\d\d/states_\d{4}-\d\d-\d\d-\d\d\.csv",
    fullmatch=True,
)


@given(st.text(max_size=60) | hour_keys)
def test_no_key_breaks_the_reading(key):
    facts = read_key(key)
    assert facts is None or facts.period is None or facts.period.first <= facts.period.last


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 100))
def test_a_period_holds_its_days(first, length):
    from datetime import timedelta

    period = Period(first, first + timedelta(days=length))
    assert first in period and period.last in period
    assert first - timedelta(days=1) not in period and period.last + timedelta(days=1) not in period
