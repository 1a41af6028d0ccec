"""Lines to rows and rejects, held against an independent judge; the fast path against the slow one."""

import csv
import io
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opensky_assets.calendar import Period
from opensky_assets.ingest.blocks import BLOCK_BYTES, Block, read_blocks
from opensky_assets.ingest.layout import WrongHeader, read_layout
from opensky_assets.ingest.parse import parse_block
from opensky_assets.ingest.rejects import raw_text
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets_tests import judge
from opensky_assets_tests.mutations import (
    API_HEADER,
    BOOLS,
    BYTES,
    EPOCHS,
    FLIGHTS_HEADER,
    IDS,
    NUMBERS,
    STATES_HEADER,
    TEXTS,
    TIMES,
    Damaged,
    damaged_files,
    flight_line,
    sound_file,
    state_line,
)

CONTRACTS = {"flights": FLIGHTS, "state_vectors": STATE_VECTORS}
DAY_1, DAY_31 = date(2019, 1, 1), date(2019, 1, 31)
MUTATIONS_IN_TEST = 5_000


@dataclass
class Read:
    """What the package made of a file: good rows as plain values, rejects by line."""

    records: int = 0
    good: list[tuple] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    bad: dict[int, tuple] = field(default_factory=dict)
    raw: dict[int, str] = field(default_factory=dict)


def read(data, table, first=DAY_1, last=DAY_31, size=BLOCK_BYTES):
    contract, layout, result = CONTRACTS[table], None, Read()
    for block in read_blocks(io.BytesIO(data), size):
        if layout is None:
            header, _, rest = block.data.partition(b"\n")
            layout = read_layout(header, contract)
            block = Block(rest, 2, block.too_long)
            if not rest:
                continue
        parsed = parse_block(block, layout, Period(first, last))
        parsed.rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(contract.schema)
        assert parsed.records == parsed.rows.height + parsed.rejects.height, "the law of counting"
        assert parsed.rows.columns == contract.schema.names
        result.records += parsed.records
        result.days += parsed.rows[contract.day_column].dt.date().cast(pl.String).to_list()
        result.good += plain(parsed.rows).rows()
        for reject in parsed.rejects.iter_rows(named=True):
            assert reject["line_number"] not in result.bad, "two rejects of one line"
            result.bad[reject["line_number"]] = (reject["reason"], reject["column"], reject["day"])
            result.raw[reject["line_number"]] = reject["raw_line"]
    return result


def plain(rows):
    return rows.with_columns(pl.col(pl.Datetime).dt.epoch("us"))


def exact(rows):
    """Rows as a multiset; `repr` tells every bit of a float, and `1` from `1.0` from `True`."""
    return Counter(map(repr, rows))


def assert_as_judged(data, table, first=DAY_1, last=DAY_31, size=BLOCK_BYTES, told=""):
    found, expected = read(data, table, first, last, size), judge.judge(data, table, first, last)
    assert found.bad == expected.bad, told
    assert exact(found.good) == exact(expected.good.values()), told
    assert found.records == expected.records == sum(1 for line in data.split(b"\n")[1:] if line not in (b"", b"\r"))
    lines = data.split(b"\n")
    for number, raw in found.raw.items():
        line = lines[number - 1]
        whole = line[:-1] if line.endswith(b"\r") else line
        assert raw == raw_text(whole), f"line {number} is told as another"
    return found


def flights(*lines):
    return b"\n".join([FLIGHTS_HEADER, *lines]) + b"\n"


def states(*lines, header=STATES_HEADER):
    return b"\n".join([header, *lines]) + b"\n"


def with_field(line, header, name, text):
    fields = line.split(b",")
    fields[header.split(b",").index(name.encode())] = text.encode()
    return b",".join(fields)


GOOD_FLIGHT = flight_line(random.Random(1), DAY_1)
GOOD_STATE = state_line(random.Random(2), DAY_1, api=True)


# --- the judge knows ordinary files -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", CONTRACTS)
@pytest.mark.parametrize("seed", range(5))
def test_sound_files_come_through_whole(table, seed):
    data = b"\n".join(sound_file(random.Random(seed), table, 300, DAY_1, DAY_31)) + b"\n"
    found = assert_as_judged(data, table)
    assert (found.records, found.bad) == (300, {})
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert Counter(row[2 if table == "flights" else 1] for row in found.good) == Counter(r["icao24"] for r in rows)


# --- every value in every kind of column, on both paths ------------------------------------------------------------

SPECIALS = [
    *(("flights", "icao24", text) for text in IDS),
    *(("flights", "altitude_1", text) for text in NUMBERS if "," not in text),
    *(("flights", name, text) for name in ("firstseen", "lastseen", "day") for text in TIMES),
    *(("flights", name, text) for name in ("callsign", "origin") for text in TEXTS),
    *(("state_vectors", "icao24", text) for text in IDS),
    *(("state_vectors", "lat", text) for text in NUMBERS if "," not in text),
    *(("state_vectors", name, text) for name in ("time", "lastcontact") for text in EPOCHS),
    *(("state_vectors", "onground", text) for text in BOOLS),
    *(("state_vectors", "category", text) for text in BYTES),
    *(("state_vectors", name, text) for name in ("callsign", "squawk") for text in TEXTS),
]


@pytest.mark.parametrize(("table", "name"), sorted({(table, name) for table, name, _ in SPECIALS}))
def test_a_value_means_the_same_whatever_stands_beside_it(table, name):
    """Each special value beside a good line, beside an unparsable one, and quoted."""
    good, header, spoil = {
        "flights": (GOOD_FLIGHT, FLIGHTS_HEADER, ("latitude_2", "x")),
        "state_vectors": (GOOD_STATE, API_HEADER, ("velocity", "x")),
    }[table]
    broken = with_field(good, header, *spoil)
    for special in (text for t, n, text in SPECIALS if (t, n) == (table, name)):
        line = with_field(good, header, name, special)
        outcomes = set()
        for beside in ((good,), (broken,)):
            data = b"\n".join([header, line, *beside]) + b"\n"
            found = assert_as_judged(data, table, told=repr(special))
            outcomes.add(found.bad.get(2, "good"))
        assert len(outcomes) == 1, f"{special!r} depends on its neighbours: {outcomes}"
        quoted = b"\n".join([header, with_field(good, header, name, f'"{special}"')]) + b"\n"
        assert assert_as_judged(quoted, table, told=repr(special)).bad.get(2, "good") in outcomes


@pytest.mark.parametrize(("table", "header", "good"), [
    ("flights", FLIGHTS_HEADER, GOOD_FLIGHT), ("state_vectors", API_HEADER, GOOD_STATE),
])  # fmt: skip
def test_one_line_of_each_special_value_in_one_file(table, header, good):
    lines = [with_field(good, header, name, text) for t, name, text in SPECIALS if t == table]
    found = assert_as_judged(b"\n".join([header, *lines]) + b"\n", table)
    assert found.good and found.bad


def test_ids_that_look_like_numbers_stay_text():
    lines = [with_field(GOOD_STATE, API_HEADER, "icao24", text) for text in ("86e844", "000123", "123456", "3C6589")]
    lines = [with_field(line, API_HEADER, "squawk", "0042") for line in lines]
    found = read(states(*lines, header=API_HEADER), "state_vectors")
    assert [(row[1], row[11]) for row in found.good] == [
        ("86e844", "0042"), ("000123", "0042"), ("123456", "0042"), ("3c6589", "0042"),
    ]  # fmt: skip
    short = [with_field(GOOD_STATE, API_HEADER, "icao24", text) for text in ("407a3", "1e10", "0x1234", "3c658 9")]
    found = read(states(*short, header=API_HEADER), "state_vectors")
    assert {bad[:2] for bad in found.bad.values()} == {("bad_icao24", "icao24")}
    assert found.good == []
    assert [raw.split(",")[1] for raw in found.raw.values()] == ["407a3", "1e10", "0x1234", "3c658 9"]


# --- the fast path and the slow one --------------------------------------------------------------------------------

numbers = st.one_of(
    st.sampled_from(NUMBERS), st.floats(allow_nan=False).map(repr), st.integers(-(10**20), 10**20).map(str), st.just("")
)
times = st.one_of(
    st.sampled_from(TIMES),
    st.datetimes(min_value=datetime(1000, 1, 1)).flatmap(
        lambda t: st.sampled_from((
            f"{t:%Y-%m-%d %H:%M:%S}+00:00", f"{t:%Y-%m-%dT%H:%M:%S.%f}Z", f"{t:%Y-%m-%d %H:%M}-03:30",
            f"{t:%Y-%m-%d %H}+01", f"{t:%Y-%m-%d}", f"{t:%Y-%m-%d %H:%M:%S.%f}9", f"{t:%Y-%m-%dT%H:%M:%S}+0245",
        ))
    ),
)  # fmt: skip
MIDNIGHT = 1546387200
"""2019-01-02"""


@pytest.mark.parametrize(
    ("seconds", "micros"),
    [
        ("1546387199.9999998", MIDNIGHT * 10**6 - 1),
        ("1546387199.9999994", MIDNIGHT * 10**6 - 1),
        ("1546387199.999999", MIDNIGHT * 10**6 - 1),
        ("1546387198.9999998", MIDNIGHT * 10**6 - 10**6),
        ("1546387200.0000002", MIDNIGHT * 10**6),
        ("1546387200", MIDNIGHT * 10**6),
    ],
)
@pytest.mark.parametrize("table", ["state_vectors", "flights"])
def test_rounding_moves_no_time_to_another_day(table, seconds, micros):
    if table == "flights":  # as text, since its times are
        data, at = b"icao24,firstseen,lastseen\n4b1801,,%s\n" % seconds.encode(), FLIGHTS.schema.names.index("lastseen")
    else:
        data, at = b"icao24,time,lat,lon\n4b1801,%s,1,2\n" % seconds.encode(), 0
    found = read(data, table)
    assert (found.bad, found.days) == ({}, ["2019-01-02" if micros >= MIDNIGHT * 10**6 else "2019-01-01"])
    assert found.good[0][at] == micros


@given(st.integers(1_483_228_800 * 10**6, 4_102_444_800 * 10**6))
@example(MIDNIGHT * 10**6 - 1)
@example(MIDNIGHT * 10**6)
def test_a_time_with_six_decimals_is_exact(micros):
    seconds = b"%d.%06d" % divmod(micros, 10**6)
    found = read(b"icao24,time,lat,lon\n4b1801,%s,1,2\n" % seconds, "state_vectors", date(2017, 1, 1), date(2101, 1, 1))
    assert found.good[0][0] == micros


epochs = st.one_of(
    st.sampled_from(EPOCHS), st.integers(-(10**12), 10**12).map(str), st.floats(-1e12, 1e12).map(repr),
    st.floats(1.5e9, 1.6e9).map(lambda x: f"{x:.6f}"),
)  # fmt: skip
words = st.text(st.characters(exclude_characters='\n\r,"', exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def state_lines(draw):
    line = GOOD_STATE.decode().split(",")
    for at, values in (
        (0, epochs), (1, st.sampled_from(IDS)), (2, numbers), (7, words), (8, st.sampled_from(BOOLS)), (11, words),
        (14, epochs), (17, st.sampled_from(BYTES)),
    ):  # fmt: skip
        if draw(st.integers(0, 3)) == 0:
            line[at] = draw(values.filter(lambda text: "," not in text))
    return ",".join(line).encode()


@st.composite
def flight_lines(draw):
    line = GOOD_FLIGHT.decode().split(",")
    for at, values in ((0, words), (2, st.sampled_from(IDS)), (7, times), (8, times), (9, times), (10, numbers)):
        if draw(st.integers(0, 3)) == 0:
            line[at] = draw(values.filter(lambda text: "," not in text))
    return ",".join(line).encode()


@given(st.lists(state_lines(), min_size=1, max_size=6))
@settings(max_examples=50)
def test_states_with_odd_values_are_as_the_judge_says_on_both_paths(lines):
    both_paths("state_vectors", API_HEADER, lines)


@given(st.lists(flight_lines(), min_size=1, max_size=6))
@settings(max_examples=50)
def test_flights_with_odd_values_are_as_the_judge_says_on_both_paths(lines):
    both_paths("flights", FLIGHTS_HEADER, lines)


def both_paths(table, header, lines):
    alone = assert_as_judged(b"\n".join([header, *lines]) + b"\n", table)
    broken = b",".join([b"x"] * (header.count(b",") + 1))
    joined = assert_as_judged(b"\n".join([header, *lines, broken]) + b"\n", table)
    assert exact(joined.good) == exact(alone.good)
    assert {n: bad for n, bad in joined.bad.items() if n < len(lines) + 2} == alone.bad


@pytest.mark.parametrize("table", CONTRACTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_broken_line_leaves_the_good_rows_as_they_were_bit_for_bit(table, seed):
    lines = sound_file(random.Random(seed), table, 2_000, DAY_1, DAY_31)
    clean = read(b"\n".join(lines) + b"\n", table)
    for broken in (b"x", b'"', b"\xff", b",".join([b"x"] * (lines[0].count(b",") + 1)), b"x" * ((1 << 20) + 1)):
        spoiled = read(b"\n".join([*lines, broken]) + b"\n", table)
        assert spoiled.good == clean.good
        assert list(spoiled.bad) == [len(lines) + 1]


# --- arbitrary bytes -----------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(GOOD_STATE)), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
@example([b'"' * 60], b"\n")
@example([b"\r"], b"\r\n")
def test_any_bytes_behind_the_header_are_counted_and_named(lines, end):
    assert_as_judged(API_HEADER + b"\n" + end.join(lines), "state_vectors")


@given(st.text(st.sampled_from('",a1 \r\n'), max_size=60))
@settings(max_examples=200)
def test_quotes_and_line_ends_in_any_order(text):
    assert_as_judged(b"icao24,lastseen\n" + text.encode(), "flights")


# --- seeded mutations ----------------------------------------------------------------------------------------------


def check_mutations(count, seed):
    """Judge `count` mutations; how many files that were."""
    files = 0
    for damaged in damaged_files(count, seed):
        assert_damaged_as_judged(damaged)
        files += 1
    return files


def assert_damaged_as_judged(damaged: Damaged):
    told = f"{damaged.table}: {', '.join(damaged.mutations)}"
    try:
        assert_as_judged(damaged.data, damaged.table, damaged.first, damaged.last, told=told)
    except Exception as error:
        error.add_note(told)
        raise


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed):
    assert check_mutations(MUTATIONS_IN_TEST // 4, seed) > 10


# --- headers -------------------------------------------------------------------------------------------------------


def header_of(text, contract=FLIGHTS):
    return read_layout(text if isinstance(text, bytes) else text.encode(), contract)


def test_a_header_with_bom_and_cr_and_quotes_and_case_is_the_header():
    plain_header = header_of(FLIGHTS_HEADER)
    assert header_of(b"\xef\xbb\xbf" + FLIGHTS_HEADER + b"\r\n") == plain_header
    assert header_of(b",".join(b'"%s"' % name for name in FLIGHTS_HEADER.split(b","))) == plain_header
    assert header_of(FLIGHTS_HEADER.upper().replace(b",", b" , ")) == plain_header


def test_columns_are_found_by_name_in_any_order_with_extras_and_gaps():
    header = b'lastseen,"x,y",icao24,,x2,callsign,day'
    data = header + b"\n2019-01-02 03:04:05+00:00,what,3c6589,1,,DLH1,2019-01-02\n"
    found = read(data, "flights")
    row = dict(zip(FLIGHTS.schema.names, found.good[0], strict=True))
    assert {name: value for name, value in row.items() if value is not None} == {
        "lastseen": 1546398245000000, "icao24": "3c6589", "callsign": "DLH1",
    }  # fmt: skip
    layout = header_of(header)
    assert layout.extra == ("x,y", "", "x2")
    assert set(layout.missing) == set(FLIGHTS.schema.names) - {"lastseen", "icao24", "callsign"}


@settings(max_examples=30)
@given(
    st.permutations(STATES_HEADER.decode().split(",")), st.lists(st.sampled_from(["serials", "hour", "x"]), max_size=3)
)
def test_order_and_extra_columns_change_nothing(order, extra):
    names = [*order, *extra]
    lines = [state_line(random.Random(n), DAY_1) for n in range(3)]
    by_name = [dict(zip(STATES_HEADER.decode().split(","), line.decode().split(","), strict=True)) for line in lines]
    shuffled = [",".join(row.get(name, "extra") for name in names).encode() for row in by_name]
    header = ",".join(names).encode()
    assert exact(read(states(*shuffled, header=header), "state_vectors").good) == exact(
        read(states(*lines), "state_vectors").good
    )


def test_more_columns_than_a_byte_counts():
    extra = [f"x{n}" for n in range(600)]
    header = ",".join([STATES_HEADER.decode(), *extra]).encode()
    wide = state_line(random.Random(1), DAY_1) + b",1" * 600
    found = read(states(wide, wide + b",1", wide[:-2], wide[: -2 * 256], header=header), "state_vectors")
    assert len(found.good) == 1
    assert {number: bad[0] for number, bad in found.bad.items()} == {n: "field_count" for n in (3, 4, 5)}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"callsign,lastseen", "lacks icao24"),
        (b"callsign,icao24", "lacks lastseen"),
        (b"", "lacks icao24, lastseen"),
        (b"icao24;lastseen", "lacks icao24"),
        (b"icao24,lastseen,icao24", "names icao24 twice"),
        (b'icao24,lastseen,"ICAO24"', "names icao24 twice"),
        (b"icao24,lastseen,\xff", "not UTF-8"),
        ("icao24,lastseen".encode("utf-16"), "not UTF-8"),
        (b"icao24,lastseen\rabcdef,2019-01-01\r", "not a line of CSV"),
        (b"x" * 200_000, "not a line of CSV"),
        (b"icao24,lastseen," + b"\0" * 10, None),
        (b'"icao24,lastseen', "lacks icao24"),
    ],
)
def test_a_header_without_what_is_needed_says_what(header, told):
    if told is None:
        assert header_of(header).extra
        return
    with pytest.raises(WrongHeader, match=told) as raised:
        header_of(header)
    assert len(str(raised.value)) < 500
    assert "\n" not in str(raised.value)


# --- periods -------------------------------------------------------------------------------------------------------


def test_with_one_day_every_record_is_of_that_day():
    inside, outside = state_line(random.Random(3), DAY_1), state_line(random.Random(3), date(2019, 1, 2))
    found = read(states(inside, outside, b"x"), "state_vectors", DAY_1, DAY_1)
    assert found.days == ["2019-01-01"]
    assert found.bad == {
        3: ("outside_period", "time", "2019-01-01"),
        4: ("field_count", None, "2019-01-01"),
    }


def test_with_many_days_a_reject_has_the_day_it_can_be_told():
    bad_number = with_field(GOOD_FLIGHT, FLIGHTS_HEADER, "altitude_1", "x")
    outside = flight_line(random.Random(3), date(2019, 2, 1))
    found = read(flights(bad_number, outside, b"x"), "flights")
    assert found.bad == {
        2: ("unparsable", "altitude_1", "2019-01-01"),
        3: ("outside_period", "lastseen", judge.NO_DAY),
        4: ("field_count", None, judge.NO_DAY),
    }
