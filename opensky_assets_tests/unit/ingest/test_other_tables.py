"""Tables of other people: integers of any width, floats, dates, times and patterns with a reason of their own.

Each file is read by the fast path, by the slow one and by a judge in plain Python.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from opensky_assets.calendar import Period
from opensky_assets.ingest.blocks import Block
from opensky_assets.ingest.csv_format import CSV
from opensky_assets.ingest.layout import read_layout
from opensky_assets.ingest.lines import Lines
from opensky_assets.ingest.parse import Parsed, parse_block
from opensky_assets.schemas import Column, Contract
from opensky_assets.schemas.contract import TIMESTAMP
from opensky_assets.schemas.types import UnknownType
from opensky_assets_tests import judge
from opensky_assets_tests.mutations import BOOLS, EPOCHS, NUMBERS, TIMES

WHOLE = {str(kind): kind for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())}
WHOLE |= {str(kind): kind for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())}
METAR = Contract(
    name="metar",
    path="raw/metar",
    version="1",
    description="Weather at airports, one row a report.",
    key=("station", "valid"),
    day_column="valid",
    columns=(
        Column("station", pa.string(), "Airport", nullable=False, pattern="^[A-Z]{4}$", pattern_reason="bad_station",
               strip=True),
        Column("valid", TIMESTAMP, "When it was observed", nullable=False),
        Column("received", TIMESTAMP, "When it came in", epoch=True),
        Column("cycle", pa.date32(), "Day of the model run"),
        Column("vsby", pa.float32(), "Visibility", unit="m"),
        Column("tmpc", pa.float64(), "Temperature", unit="°C"),
        Column("auto", pa.bool_(), "No observer"),
        Column("local", pa.timestamp("us"), "What the clock at the airport shows"),
        Column("wx", pa.string(), "Weather", pattern="^[A-Z ]*$", pattern_reason="bad_weather", lower=False),
        *(Column(f"n_{name}", kind, name) for name, kind in WHOLE.items()),
    ),
)  # fmt: skip
HEADER = ",".join(METAR.schema.names).encode()
DAY = date(2022, 6, 25)
GOOD = {
    "station": "LSZH", "valid": "2022-06-25 00:20:00+00:00", "received": "1656116460.5", "cycle": "2022-06-25",
    "vsby": "9999.5", "tmpc": "-3.25", "auto": "true", "local": "2022-06-25 02:20:00+00:00", "wx": "RA BR",
    **{f"n_{name}": "7" for name in WHOLE},
}  # fmt: skip
LINEWISE = dataclasses.replace(CSV, whole=lambda lines, layout: None)
UNCLEAN = dataclasses.replace(LINEWISE, clean=lambda lines, layout: np.zeros(lines.count, dtype=bool))


def csv(*rows: dict[str, str], end: str = "\n") -> bytes:
    return "".join(",".join(row.values()) + end for row in rows).encode()


def parse(data: bytes, form=CSV, first: date = DAY, last: date = DAY, contract: Contract = METAR) -> Parsed:
    layout = read_layout(",".join(contract.schema.names).encode(), contract)
    return parse_block(Block(data, 2), layout, Period(first, last), form)


# --- the judge -----------------------------------------------------------------------------------------------------


def convert(text: str, column: Column) -> object:
    """A value out of its text, as Polars gives it back; `None` where it is blank. Raises `judge.Bad`."""
    if text in judge.NULLS:
        return None
    kind = str(column.type)
    if kind == "string":
        return (text.strip() or None) if column.strip else text
    text = text.strip()
    if not text:
        return None
    if kind in WHOLE:
        return whole(text, kind)
    if kind == "float":
        with np.errstate(over="ignore"):
            value = np.float32(judge.convert(text, "number"))
        if np.isinf(value):
            raise judge.Bad(text)
        return float(value)
    if kind == "date32[day]":
        days, rest = divmod(judge.convert(text, "time"), 86400 * 10**6)
        if rest:
            raise judge.Bad(text)
        return date(1970, 1, 1) + timedelta(days)
    if kind.startswith("timestamp"):
        return judge.convert(text, "epoch" if column.epoch else "time")
    return judge.convert(text, {"double": "number", "bool": "bool"}[kind])


def whole(text: str, kind: str) -> int:
    value = judge.convert(text, "number")
    if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text):
        number = int(text.split(".")[0])
    elif value == int(value) and abs(value) <= 2**53:
        number = int(value)
    else:
        raise judge.Bad(text)
    bits = int(re.sub(r"\D", "", kind))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise judge.Bad(text)
    return number


def verdict(row: dict[str, str]) -> tuple | tuple[str, str]:
    values, bad = {}, []
    for column in METAR.columns:
        try:
            values[column.name] = convert(row[column.name], column)
        except judge.Bad:
            values[column.name] = None
            bad.append(column.name)
    for name in ("station", "valid"):
        if values[name] is None and name not in bad:
            return "null_key", name
    for name, pattern in (("station", "[A-Z]{4}"), ("wx", "[A-Z ]*")):
        if values[name] is not None and not re.fullmatch(pattern, values[name]):
            return METAR.by_name[name].pattern_reason, name
    if bad:
        return "unparsable", bad[0]
    if values["valid"] // (86400 * 10**6) != (DAY - date(1970, 1, 1)).days:
        return "outside_period", "valid"
    return tuple(values.values())


def plain(rows: pl.DataFrame) -> list[tuple]:
    return rows.with_columns(pl.col(pl.Datetime).to_physical()).rows()


def assert_as_judged(*rows: dict[str, str], end: str = "\n", forms=(CSV, LINEWISE, UNCLEAN)) -> None:
    expected = [verdict(row) for row in rows]
    good = [row for row in expected if len(row) > 2]
    bad = [(at, *row) for at, row in enumerate(expected, 2) if len(row) == 2]
    for form in forms:
        parsed = parse(csv(*rows, end=end), form)
        assert list(map(repr, plain(parsed.rows))) == list(map(repr, good)), form
        found = parsed.rejects.sort("line_number").select("line_number", "reason", "column").rows()
        assert found == bad, form
        parsed.rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(METAR.schema)


# --- tables of values ----------------------------------------------------------------------------------------------

EDGES = [str(edge) for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64) for n in (-1, 0, 1)
         for edge in (2**bits + n, n - 2**bits)]  # fmt: skip
EDGES += [f"{edge}.0" for edge in EDGES] + [f"+{edge}" for edge in EDGES if edge[0] != "-"]
EDGES += [
    "1e3",
    "1e18",
    "9.007199254740993e15",
    "9007199254740993.5",
    "-0",
    "-0.0",
    "0.0",
    "1.5",
    "00012",
    "+-1",
    "-+1",
]
FLOATS = ["3.4028234e38", "3.4028235e38", "3.4028236e38", "3.5e38", "-3.5e38", "1e-46", "0.1", "16777217", "1e39"]
DATES = ["2022-06-25", "2022-06-25 00:00:00", "2022-06-25 00:00:00+00:00", "2022-06-25T00:00:00Z", "9999-12-31"]
DATES += [
    "2022-06-25 01:00",
    "2022-06-25 02:00:00+02:00",
    "1656115200",
    "1656115201",
    "0000-01-01",
    "0001-01-01",
    "2022-02-30",
]
DATES += ["2022-6-5", "20220625", "10000-01-01", "-2022-01-01", "25.06.2022", "2022-06-25 00:00:00.5"]
STATIONS = ["LSZH", " LSZH ", "lszh", "LSZ", "LSZHH", "", " ", "NA", "L ZH", "1234", "LSZÜ"]
WEATHERS = ["", " ", "RA", "ra", "RA 1", "NA", "null", "+RA"]
VALUES = {
    **{f"n_{name}": [*EDGES, *NUMBERS] for name in WHOLE},
    "vsby": [*FLOATS, *NUMBERS],
    "tmpc": [*FLOATS, *NUMBERS],
    "cycle": [*DATES, *TIMES],
    "valid": [*DATES, *TIMES, "2022-06-25 23:59:59.999999+00:00", "2022-06-26 00:00"],
    "local": [*DATES, *TIMES],
    "received": [*EPOCHS, *TIMES],
    "auto": list(BOOLS),
    "station": STATIONS,
    "wx": WEATHERS,
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_what_the_judge_says_alone_and_beside_others(name: str) -> None:
    values = [text for text in dict.fromkeys(VALUES[name]) if "," not in text]
    for text in values:
        assert_as_judged(GOOD | {name: text}, forms=(CSV,))
    assert_as_judged(*(GOOD | {name: text} for text in values), GOOD)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sound_block_goes_through_whole(end: str) -> None:
    layout = read_layout(HEADER, METAR)
    rows = [GOOD | {"n_int64": str(2**63 - n), "n_uint64": str(2**64 - n)} for n in range(1, 9)]
    frame = CSV.whole(Lines(Block(csv(*rows, end=end), 2)), layout)
    assert frame is not None and frame["n_uint64"].to_list() == [2**64 - n for n in range(1, 9)]
    assert_as_judged(*rows, end=end)


columns = st.sampled_from(list(VALUES))
texts = columns.flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.one_of(
            st.sampled_from(VALUES[name]).filter(lambda text: "," not in text),
            st.integers(-(2**65), 2**65).map(str),
            st.integers(-300, 300).map(str),
            st.floats(allow_nan=False).map(repr),
        ),
    )
)
rows = st.lists(texts, max_size=2).map(lambda changes: GOOD | dict(changes))


@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_any_rows_are_as_the_judge_says_on_every_path(found: list[dict[str, str]], end: str) -> None:
    assert_as_judged(*found, end=end)


# --- contracts of other shapes -------------------------------------------------------------------------------------


def small(*columns: Column, day_column: str | None = None) -> Contract:
    return Contract("small", "raw/small", "1", "Small.", columns, ("a",), day_column)


def test_a_table_without_a_day_column_has_the_days_of_its_object() -> None:
    contract = small(Column("a", pa.int16(), "", nullable=False), Column("b", pa.string(), ""))
    data = b"1,x\n40000,y\n,z\n2,\n"
    for first, day in ((DAY, DAY.isoformat()), (DAY - timedelta(1), judge.NO_DAY)):
        parsed = parse(data, first=first, contract=contract)
        assert parsed.rows.rows() == [(1, "x"), (2, None)]
        assert parsed.rejects.select("day", "line_number", "reason").rows() == [
            (day, 3, "unparsable"),
            (day, 4, "null_key"),
        ]
        assert parsed.early == {}


def test_a_date_can_be_the_day_of_a_table() -> None:
    contract = small(Column("a", pa.date32(), "", nullable=False), Column("b", pa.int64(), ""), day_column="a")
    parsed = parse(b"2022-06-25,1\n2022-06-26,2\n2022-06-24,3\n", contract=contract)
    assert parsed.rows.rows() == [(DAY, 1)]
    assert parsed.rejects["reason"].to_list() == ["outside_period"] * 2
    assert parsed.early == {DAY + timedelta(1): 1}


def test_lines_that_end_in_different_ways_are_the_same_lines() -> None:
    sound, broken = csv(GOOD), csv(GOOD | {"vsby": "x"})
    crlf = {line: line.replace(b"\n", b"\r\n") for line in (sound, broken)}
    for data in (sound + crlf[sound] + broken, crlf[sound] + sound + crlf[broken], crlf[sound] + sound + broken[:-1]):
        parsed = parse(data)
        assert (parsed.records, parsed.rows.height) == (3, 2)
        assert parsed.rejects["line_number"].to_list() == [4]
        assert parsed.rejects["raw_line"].to_list() == [broken[:-1].decode()]


def test_a_blank_line_is_no_record_of_one_column() -> None:
    contract = small(Column("a", pa.string(), ""))
    for data in (b"x\n\ny\n", b"x\r\n\r\ny\r\n"):
        parsed = parse(data, contract=contract)
        assert (parsed.records, parsed.rows.rows(), parsed.rejects.height) == (2, [("x",), ("y",)], 0)


def test_texts_alone_are_a_contract_too() -> None:
    contract = small(Column("a", pa.string(), "", strip=True), Column("b", pa.string(), ""))
    for form in (CSV, LINEWISE, UNCLEAN):
        assert parse(b" x ,y\n,\n", form, contract=contract).rows.rows() == [("x", "y"), (None, None)]


def test_an_empty_key_is_one_also_where_only_blanks_are_stripped_from_it() -> None:
    contract = small(Column("a", pa.string(), "", nullable=False, strip=True), Column("b", pa.string(), ""))
    for form in (CSV, LINEWISE, UNCLEAN):
        parsed = parse(b"x,y\n  ,y\n", form, contract=contract)
        assert parsed.rows.rows() == [("x", "y")]
        assert parsed.rejects.select("line_number", "reason").rows() == [(3, "null_key")]


def test_a_text_is_tidied_before_it_is_held_against_the_pattern() -> None:
    key = Column("a", pa.string(), "", pattern="^[a-z]+$", pattern_reason="bad_key", strip=True, lower=True)
    contract = small(key, Column("b", pa.string(), ""))
    for form in (CSV, LINEWISE, UNCLEAN):
        assert parse(b" ABC ,x\n,\nabc,y\n", form, contract=contract).rows["a"].to_list() == ["abc", None, "abc"]
        parsed = parse(b"ABC,x\nA1,y\n", form, contract=contract)
        assert parsed.rows["a"].to_list() == ["abc"]
        assert parsed.rejects.select("line_number", "column", "reason").rows() == [(3, "a", "bad_key")]


def test_a_list_is_no_column_of_a_csv() -> None:
    contract = small(Column("a", pa.list_(pa.string()), ""), Column("b", pa.string(), ""))
    with pytest.raises(UnknownType, match="a: a list"):
        parse(b"x,y\n", contract=contract)


def test_the_last_column_loses_the_cr_of_its_line_whatever_its_type() -> None:
    values = {"s": pa.string(), "b": pa.bool_(), "d": pa.date32(), "f": pa.float64(), "i": pa.int64(), "t": TIMESTAMP}
    texts = {"s": "x", "b": "true", "d": "2022-06-25", "f": "1.5", "i": "9", "t": "2022-06-25 00:00:00Z"}
    for name, kind in values.items():
        contract = small(Column("a", pa.string(), ""), Column(name, kind, ""))
        data = f"k,{texts[name]}\nk,\nk,{texts[name]}\n".encode()
        with_cr = parse(data.replace(b"\n", b"\r\n"), contract=contract)
        assert with_cr.records == 3 and with_cr.rows.height == 3 and with_cr.rows[name].null_count() == 1
        assert_frame_equal(with_cr.rows, parse(data, contract=contract).rows)
        assert_frame_equal(with_cr.rows, parse(data.replace(b"\n", b"\r\n")[:-2], contract=contract).rows)
