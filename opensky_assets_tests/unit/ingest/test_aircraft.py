"""Aircraft tables: three forms, damaged records between good ones, the newest record wins. All input is made here."""

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensky_assets.ingest.aircraft import (
    RECORDS_SCHEMA,
    AircraftTable,
    NotAnAircraftTable,
    merge_aircraft_tables,
    read_aircraft_table,
)
from opensky_assets.ingest.aircraft_dialects import HEADERLESS_COLUMNS, Dialect, sniff_dialect
from opensky_assets.schemas.aircraft import AIRCRAFT_DATABASE
from opensky_assets.schemas.quarantine import QUARANTINE

METADATA = Path("../shared/data/bucket/metadata")
OLD_KEY, NEW_KEY = "metadata/aircraftDatabase.csv", "metadata/aircraft-database-complete-2024-06.csv"
needs_real_tables = pytest.mark.skipif(
    not METADATA.is_dir(), reason=f"recorded aircraft tables are not here: {METADATA}"
)

A_COLUMNS = (
    *HEADERLESS_COLUMNS[:14],
    *("testreg", "registered", "reguntil", "status", "built", "firstflightdate", "seatconfiguration", "engines"),
    *("modes", "adsb", "acars", "notes", "categoryDescription"),
)
C_COLUMNS = (
    *("icao24", "timestamp", "acars", "adsb", "built", "categoryDescription", "country", "engines", "firstFlightDate"),
    *("firstSeen", "icaoAircraftClass", "lineNumber", "manufacturerIcao", "manufacturerName", "model", "modes"),
    *("nextReg", "operator", "operatorCallsign", "operatorIata", "operatorIcao", "owner", "prevReg", "regUntil"),
    *("registered", "registration", "selCal", "serialNumber", "status", "typecode", "vdl"),
)


def quoted(values, quote='"'):
    return ",".join(f"{quote}{value.replace(quote, 2 * quote)}{quote}" for value in values)


def form_a(*rows, columns=A_COLUMNS):
    return "".join(f"{line}\n" for line in [quoted(columns), *(a_line(row, columns) for row in rows)])


def a_line(row, columns=A_COLUMNS):
    return row if isinstance(row, str) else quoted([row.get(name, "") for name in columns])


def form_b(*rows):
    return "\n" + "".join(f"{a_line(row, HEADERLESS_COLUMNS)}\n" for row in rows)


def form_c(*rows, columns=C_COLUMNS):
    return "".join(f"{line}\n" for line in [quoted(columns, "'"), *(c_line(row, columns) for row in rows)])


def c_line(row, columns=C_COLUMNS):
    """As the real ones: quotes on some fields only."""
    if isinstance(row, str):
        return row
    fields = []
    for name in columns:
        value = row.get(name, "0" if name in ("acars", "adsb", "modes", "vdl") else "")
        needy = name in ("icao24", "timestamp", "operator") or any(character in value for character in "',\n")
        fields.append(quoted([value], "'") if needy else value)
    return ",".join(fields)


def read(text, key="metadata/aircraftDatabase.csv") -> AircraftTable:
    data = text.encode("utf-8") if isinstance(text, str) else text
    table = read_aircraft_table(io.BytesIO(data), key)
    assert table.read == table.records.num_rows + table.rejects.num_rows
    assert table.records.schema.equals(RECORDS_SCHEMA)
    assert table.rejects.schema.equals(QUARANTINE.schema)
    return table


def only(table):
    (row,) = table.records.to_pylist()
    return row


def reasons(table):
    return [(row["line_number"], row["reason"]) for row in table.rejects.to_pylist()]


AIRCRAFT = {
    "icao24": "86e844",
    "registration": "N1",
    "manufacturericao": "VANS",
    "manufacturername": 'Van"s, Inc',
    "model": "RV-7A",
    "typecode": "RV7",
    "operator": "Flyers",
    "operatoricao": "FLY",
    "operatoriata": "FY",
    "operatorcallsign": "FLYER",
    "owner": "First line\nÜber, Ltd",
}


# The three forms


def test_form_a_by_names_in_any_order():
    row = {**AIRCRAFT, "icaoaircrafttype": "L1P", "built": "2008-07-01", "categoryDescription": "Light"}
    columns = (*reversed(A_COLUMNS), "unheard_of")
    for table in (read(form_a(row)), read(form_a(row, columns=columns)), read(form_a(row).replace("\n", "\r\n"))):
        assert table.dialect == Dialect("A", '"')
        got = only(table)
        assert {name: got[name] for name in AIRCRAFT} == AIRCRAFT
        assert (got["icaoaircraftclass"], got["built"], got["category"]) == ("L1P", date(2008, 7, 1), "Light")
        assert (got["source_table"], got["updated"], got["table_date"]) == (OLD_KEY, None, None)
        assert got["line_number"] == 2


def test_form_b_by_position_below_a_blank_line():
    row = {**AIRCRAFT, "icaoaircrafttype": "L1P", "categorydescription": "Light"}
    key = "metadata/aircraftDatabase-2023-02.csv"
    for header in ("\n", "\r\n", f"{quoted([''] * 15)}\n", "\ufeff\n"):
        table = read(header + form_b(row)[1:], key)
        assert table.dialect == Dialect("B", '"')
        got = only(table)
        assert {name: got[name] for name in AIRCRAFT} == AIRCRAFT
        assert (got["icaoaircraftclass"], got["category"], got["built"]) == ("L1P", "Light", None)
        assert (got["updated"], got["table_date"]) == (datetime(2023, 2, 1, tzinfo=UTC), date(2023, 2, 1))


@pytest.mark.parametrize("columns", [C_COLUMNS, (*C_COLUMNS[:17], "notes", *C_COLUMNS[17:]), C_COLUMNS[::-1]])
def test_form_c_with_apostrophes(columns):
    row = {
        "icao24": "86E844",
        "timestamp": "2022-10-14 19:00:00",
        "built": "2008-07-01",
        "icaoAircraftClass": "L1P",
        "manufacturerName": "VAN'S",
        "operatorIcao": "FLY",
        "owner": "First\nSecond",
        "registration": "N1",
    }
    table = read(form_c(row, columns=columns), NEW_KEY)
    assert table.dialect == Dialect("C", "'")
    got = only(table)
    assert (got["icao24"], got["manufacturername"], got["owner"]) == ("86e844", "VAN'S", "First\nSecond")
    assert (got["icaoaircraftclass"], got["built"], got["registration"]) == ("L1P", date(2008, 7, 1), "N1")
    assert (got["updated"], got["table_date"]) == (datetime(2022, 10, 14, 19, tzinfo=UTC), date(2024, 6, 1))


def test_a_byte_order_mark_and_missing_columns_are_tolerated():
    columns = ("icao24", "manufacturername", "model", "typecode", "operator")
    got = only(read("\ufeff" + form_a({"icao24": "000123", "model": "A320"}, columns=columns)))
    assert (got["icao24"], got["model"], got["registration"]) == ("000123", "A320", None)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n\n",
        '"AircraftDescription","Description","Designator","EngineCount"\n"LandPlane","L2J","A320","2"\n',
        "callsign,number,icao24,registration,typecode,origin,destination\n",
        "time,icao24,lat,lon,velocity\n",
        "\n" + ",".join("x" * 15) + "\n",
        "\x1f\udc8b\x08",
    ],
)
def test_other_objects_are_no_aircraft_tables(head):
    data = head.encode("utf-8", "surrogateescape")
    assert sniff_dialect(data) is None
    with pytest.raises(NotAnAircraftTable, match=r"metadata/x\.csv"):
        read_aircraft_table(io.BytesIO(data), "metadata/x.csv")


# Values


def test_the_operator_falls_back():
    names = ("operator", "operatoricao", "operatorcallsign", "owner")
    rows = [{"icao24": f"00000{i}", **{name: name.upper() for name in names[i:]}} for i in range(1, 5)]
    got = [row["operator"] for row in read(form_a(*rows)).records.to_pylist()]
    assert got == ["OPERATORICAO", "OPERATORCALLSIGN", "OWNER", None]


def test_null_texts_blanks_and_placeholders_are_null():
    row = {
        "icao24": " abcdef ",
        "model": "Unknow",
        "owner": " NA ",
        "registration": " D-A ",
        "timestamp": "1970-01-01 01:00:00",
    }
    got = only(read(form_c(row), NEW_KEY))
    assert (got["icao24"], got["model"], got["owner"], got["registration"]) == ("abcdef", None, None, "D-A")
    assert got["updated"] == datetime(2024, 6, 1, tzinfo=UTC)


def test_a_date_that_cannot_be_read_is_noted_and_not_the_aircrafts_end():
    built = [
        "",
        "1998",
        "1998-05",
        "1998-05-07",
        "1998-05-07 00:00:00",
        "0000-00-00",
        "1998-02-30",
        "soon",
        "3021-01-01",
    ]
    table = read(form_a(*({"icao24": f"00000{i}", "built": text} for i, text in enumerate(built, 1))))
    assert table.records["built"].to_pylist()[:5] == [
        None,
        date(1998, 1, 1),
        date(1998, 5, 1),
        date(1998, 5, 7),
        date(1998, 5, 7),
    ]
    assert table.records["built"].to_pylist()[5:] == [None] * 4
    assert table.notes == {"built": 4}
    assert read(form_c({"icao24": "abcdef", "timestamp": "yesterday"})).notes == {"updated": 1}


def test_an_undated_table_with_times_is_dated_by_its_newest():
    rows = [{"icao24": "000001", "timestamp": "2021-03-04 05:06:07"}, {"icao24": "000002", "timestamp": ""}]
    table = read(form_c(*rows), "metadata/aircraft.csv")
    assert table.records["table_date"].to_pylist() == [date(2021, 3, 4)] * 2
    assert table.records["updated"].to_pylist() == [datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC), None]


# Records


def test_rejects_tell_where_and_why():
    text = form_a(
        {},
        {"icao24": "407a3"},
        {"icao24": "000000"},
        {"icao24": "FFFFFF"},
        {"icao24": "xyzxyz"},
        {"icao24": "000001", "owner": "a\x00b"},
        {"icao24": "000002", "owner": "tab\there"},
        '"000003","too short"',
        {"icao24": "86e844"},
    )
    table = read(text)
    assert table.records["icao24"].to_pylist() == ["000002", "86e844"]
    assert reasons(table) == [
        (2, "null_key"),
        (3, "bad_icao24"),
        (4, "junk_icao24"),
        (5, "junk_icao24"),
        (6, "bad_icao24"),
        (7, "control_character"),
        (9, "broken_record"),
    ]
    rows = table.rejects.to_pylist()
    assert rows[-1]["raw_line"] == '"000003","too short"'
    assert [row["column"] for row in rows] == ["icao24"] * 5 + [None] * 2


def test_bytes_that_are_not_utf8_stand_in_quarantine_as_they_were():
    text = form_a({"icao24": "000001", "owner": "M?ller"}, {"icao24": "000002", "owner": "Müller"})
    table = read(text.encode("utf-8").replace(b"M?ller", b"M\xfcller"))
    assert reasons(table) == [(2, "encoding")]
    assert r"M\xfcller" in table.rejects["raw_line"][0].as_py()
    assert only(table)["owner"] == "Müller"


@pytest.mark.parametrize("good", ["Plain", "Two\nlines", 'Three\n\nlines, "quoted"', "One\nabc123,looks like a start"])
def test_a_stray_quote_swallows_no_record(good):
    neighbour = {"icao24": "000002", "owner": good}
    stray = a_line({"icao24": "000001", "owner": "X"}).replace('"X"', '"X')
    for rows in ([stray, neighbour], [neighbour, stray], [stray, stray, neighbour, stray, neighbour, "", stray]):
        table = read(form_a(*rows))
        assert [row["owner"] for row in table.records.to_pylist()] == [good] * rows.count(neighbour)
        assert table.rejects["reason"].to_pylist() == ["broken_record"] * rows.count(stray)
        assert set(table.rejects["raw_line"].to_pylist()) == {stray}


def test_a_stray_quote_on_a_large_table_costs_one_record():
    rows = [{"icao24": f"{i:06x}", "owner": "x" * 100} for i in range(1, 5001)]
    stray = a_line({"icao24": "abcdef", "owner": "X"}).replace('"X"', '"X')
    table = read(form_a(*rows[:2000], stray, *rows[2000:]))
    assert table.records.num_rows == 5000
    assert reasons(table) == [(2002, "broken_record")]


def test_one_endless_line_is_one_reject():
    table = read(form_a({"icao24": "000001", "owner": "x" * (3 << 20)}, {"icao24": "000002"}))
    assert only(table)["icao24"] == "000002"
    assert reasons(table) == [(2, "line_too_long")]
    assert len(table.rejects["raw_line"][0].as_py()) == 1 << 16


def test_blank_lines_and_a_missing_last_line_end():
    text = form_a({"icao24": "000001"}, "", "  ", {"icao24": "000002"}).rstrip("\n")
    assert read(text).records["line_number"].to_pylist() == [2, 5]
    assert read(form_a()).read == 0


TEXT = st.text(st.sampled_from("aB1 ,'\"\nü-"), max_size=12)
ROW = st.builds(
    lambda icao24, owner, model, registration: {
        "icao24": f"{icao24:06x}",
        "owner": owner,
        "model": model,
        "registration": registration,
    },
    st.integers(1, 0xFFFFF0).filter(lambda number: number != 0x123456),
    TEXT,
    TEXT,
    TEXT,
)
SHOWN = ("icao24", "owner", "model", "registration")
DAMAGES = (
    lambda line, at: line[:at] + '"' + line[at:],
    lambda line, at: line[:at] + line[at + 1 :],
    lambda line, at: line[:at] + "\n" + line[at:],
    lambda line, at: line[:at],
)


FORMS = (
    (form_a, a_line),
    (form_b, lambda row: a_line(row, HEADERLESS_COLUMNS)),
    (form_c, c_line),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=4), ROW, st.lists(ROW, max_size=4), st.sampled_from(FORMS), st.data())
def test_damage_to_one_record_loses_no_other(before, victim, after, form, data):
    write, write_line = form
    line = write_line(victim)
    damaged = data.draw(st.sampled_from(DAMAGES))(line, data.draw(st.integers(0, len(line) - 1)))
    table = read(write(*before, damaged, *after))

    got = Counter(tuple(map(row.get, SHOWN)) for row in table.records.to_pylist())
    expected = Counter(tuple(_stripped(row[name]) for name in SHOWN) for row in [*before, *after])
    assert expected <= got
    assert expected.total() <= table.read <= expected.total() + damaged.count("\n") + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=6))
def test_whole_records_come_through_every_form(rows):
    for text in (form_a(*rows), form_b(*rows) if rows else form_a(), form_c(*rows)):
        table = read(text)
        assert table.rejects.num_rows == 0
        for name in SHOWN:
            assert table.records[name].to_pylist() == [_stripped(row[name]) for row in rows]


def _stripped(text):
    return (text or "").strip() or None


# Merging


def dated(key, *rows):
    return read(form_a(*rows), key)


def test_the_newest_table_wins_then_the_newest_record_then_the_fullest():
    old = dated("aircraftDatabase.csv", {"icao24": "000001", "model": "old", "owner": "full"}, {"icao24": "000004"})
    newer = dated("aircraftDatabase-2022-01.csv", {"icao24": "000001", "model": "new"}, {"icao24": "000002"})
    newest = read(
        form_c(
            {"icao24": "000002", "timestamp": "2020-01-01 00:00:00", "model": "early", "owner": "full"},
            {"icao24": "000002", "timestamp": "2021-01-01 00:00:00", "model": "late"},
            {"icao24": "000003", "timestamp": "2021-01-01 00:00:00", "model": "fuller", "owner": "x"},
            {"icao24": "000003", "timestamp": "2021-01-01 00:00:00", "model": "thin"},
        ),
        "aircraft-database-complete-2024-06.csv",
    )
    tables = [old, newer, newest]
    merged = merge_aircraft_tables(tables)
    assert merged.table.schema.equals(AIRCRAFT_DATABASE.schema)
    assert merged.table.select(["icao24", "model"]).to_pylist() == [
        {"icao24": "000001", "model": "new"},
        {"icao24": "000002", "model": "late"},
        {"icao24": "000003", "model": "fuller"},
        {"icao24": "000004", "model": None},
    ]
    assert merged.written == {old.key: 1, newer.key: 1, newest.key: 2}
    assert merged.superseded == {old.key: 1, newer.key: 1, newest.key: 2}
    for table in tables:
        assert table.read == merged.written[table.key] + merged.superseded[table.key] + table.rejects.num_rows
    assert merge_aircraft_tables(reversed(tables)).table.equals(merged.table)


def test_equal_records_are_settled_by_key_and_line():
    first = dated("a.csv", {"icao24": "000001", "model": "x"}, {"icao24": "000001", "model": "y"})
    second = dated("b.csv", {"icao24": "000001", "model": "z"})
    for tables in ([first, second], [second, first]):
        assert merge_aircraft_tables(tables).table["model"].to_pylist() == ["y"]
    assert merge_aircraft_tables([]).table.num_rows == 0
    with pytest.raises(ValueError, match=r"a\.csv"):
        merge_aircraft_tables([first, first])


# Recorded tables


def read_real(key):
    with (METADATA.parent / key).open("rb") as stream:
        return read_aircraft_table(stream, key)


def count_independently(*files):
    reads = " union all ".join(
        f"select trim(lower(icao24)) as id from read_csv('{METADATA / Path(key).name}', "
        f"quote='{quote * (1 + (quote == chr(39)))}', escape='{quote * (1 + (quote == chr(39)))}', all_varchar=true)"
        for key, quote in files
    )
    query = f"select distinct id from ({reads}) where regexp_full_match(id, '[0-9a-f]{{6}}') and id <> '000000'"
    return {id_ for (id_,) in duckdb.sql(query).fetchall()}


@needs_real_tables
def test_the_recorded_old_table():
    table = read_real(OLD_KEY)
    with (METADATA / "aircraftDatabase.csv").open(newline="", encoding="utf-8") as file:
        named = [row["icao24"] for row in csv.DictReader(file) if row["icao24"]]
    assert len(set(named)) == 10_146
    assert set(table.records["icao24"].to_pylist()) == count_independently((OLD_KEY, '"'))
    # Two of the 10,146 are no addresses; line 2 is the empty record.
    assert table.records.num_rows == 10_144
    assert reasons(table) == [(2, "null_key"), (226, "bad_icao24"), (2499, "bad_icao24")]
    assert table.notes == {}


@needs_real_tables
def test_the_union_of_the_recorded_tables():
    old, new = read_real(OLD_KEY), read_real(NEW_KEY)
    assert reasons(new) == [(2, "junk_icao24")]
    merged = merge_aircraft_tables([old, new])
    ids = merged.table["icao24"].to_pylist()
    assert ids == sorted(count_independently((OLD_KEY, '"'), (NEW_KEY, "'")))
    assert merged.written == {OLD_KEY: 10_143, NEW_KEY: 4}
    assert merged.superseded == {OLD_KEY: 1, NEW_KEY: 0}
