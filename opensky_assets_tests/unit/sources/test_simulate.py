"""The simulated bucket: exact forms, the same bytes again, and a truth that an independent reader confirms."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from opensky_assets.schemas.contract import FALSE_TEXTS, NULL_TEXTS, TRUE_TEXTS, Contract
from opensky_assets.schemas.flights import FLIGHTS
from opensky_assets.schemas.state_vectors import STATE_VECTORS
from opensky_assets.sources.simulate import main, simulate
from opensky_assets.sources.simulation.bucket import BucketExistsError
from opensky_assets.sources.simulation.defects import FLIGHT_TABLE, STATE_TABLE
from opensky_assets.sources.simulation.files import flight_list_key, state_key

START, DAYS, HOURS = date(2022, 6, 30), 2, 2
FLIGHT_COLUMNS = (
    "callsign,number,icao24,registration,typecode,origin,destination,firstseen,lastseen,day,"
    "latitude_1,longitude_1,altitude_1,latitude_2,longitude_2,altitude_2"
)
STATE_COLUMNS = (
    "time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,"
    "baroaltitude,geoaltitude,lastposupdate,lastcontact"
)
CONTRACTS = {"flights": FLIGHTS, "state_vectors": STATE_VECTORS}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many defects in few rows, over the end of a month, with damaged objects."""
    out = tmp_path_factory.mktemp("simulated") / "bucket"
    simulate(out, start=START, days=DAYS, aircraft=200, seed=7, defects=0.12, damaged_objects=True, states_hours=HOURS)
    return out


def truth(bucket: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(bucket.with_name(bucket.name + ".truth") / f"{name}.parquet")


def contents(path: Path) -> bytes:
    """The unpacked object, found by what it is and not by its name."""
    data = path.read_bytes()
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            assert tar.getnames()[:2] == ["LICENSE.txt", "README.txt"]
            assert all(m.mtime == 0 and m.uid == 0 for m in tar.getmembers())
            member = tar.extractfile(tar.getnames()[2])
            assert member is not None
            data = member.read()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@cache
def raw_lines(path: Path) -> list[bytes]:
    """Physical lines by number - 1, with their carriage returns."""
    return contents(path).split(b"\n")


def physical_lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def objects(bucket: Path, table: str) -> Iterator[tuple[str, list[bytes]]]:
    """Sound objects of a table: key and physical lines."""
    rejected = set(truth(bucket, "defects").filter(line_number=0)["object"])
    for key in truth(bucket, "counts").filter(pl.col("table") == table)["object"]:
        if key not in rejected:
            yield key, physical_lines(contents(bucket / key))


def period(key: str) -> tuple[date, date]:
    if found := re.search(r"flightlist_(\d{8})_(\d{8})", key):
        first, last = (datetime.strptime(text, "%Y%m%d").date() for text in found.groups())
        return first, last
    found = re.search(r"states_(\d{4}-\d\d-\d\d)", key)
    assert found
    return date.fromisoformat(found[1]), date.fromisoformat(found[1])


def parsed(contract: Contract, name: str, text: str) -> object:
    """A value of a column; ValueError where the text is none."""
    column = contract.by_name[name]
    kind = str(column.type)
    if kind == "bool":
        if text not in TRUE_TEXTS + FALSE_TEXTS:
            raise ValueError(text)
        return text in TRUE_TEXTS
    if kind in ("double", "int8") or column.epoch:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return datetime.fromtimestamp(number, UTC) if column.epoch else number
    if kind.startswith("timestamp"):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    return text


def verdict(contract: Contract, header: list[str], line: bytes, key: str) -> tuple[str, str | None] | None:
    """The contract applied to one physical line by plain code: reason and column, or None where the row is good."""
    line = line.removesuffix(b"\r")
    if len(line) > 1 << 20:
        return "line_too_long", None
    if any(byte < 0x20 or byte == 0x7F for byte in line):
        return "control_character", None
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "encoding", None
    try:
        (fields,) = csv.reader([text], strict=True)
    except csv.Error:
        return "open_quote", None
    if len(fields) != len(header):
        return "field_count", None
    row = {n: None if v.strip() in NULL_TEXTS else v for n, v in zip(header, fields, strict=True)}
    assert contract.day_column
    for name in ("icao24", contract.day_column):
        if row[name] is None:
            return "null_key", name
        if name == "icao24" and not re.fullmatch("[0-9a-f]{6}", str(row[name]).strip().lower()):
            return "bad_icao24", name
    values: dict[str, Any] = {}
    # The key, then the contract's order; a column that the table leaves out comes last.
    names = [contract.day_column, *(n for n in contract.by_name if n in header)]
    for name in names:
        try:
            values[name] = None if row[name] is None else parsed(contract, name, str(row[name]))
        except ValueError:
            return "unparsable", name
    day = values[contract.day_column].date()
    if "day" in values and values["day"].date() != day:
        return "day_mismatch", "day"
    first, last = period(key)
    return None if first <= day <= last else ("outside_period", contract.day_column)


@pytest.mark.parametrize("table", ["flights", "state_vectors"])
def test_every_line_is_as_the_truth_says(bucket: Path, table: str) -> None:
    expected = {
        (d["object"], d["line_number"]): (d["reason"], d["column"])
        for d in truth(bucket, "defects").filter(outcome="quarantined").to_dicts()
    }
    seen = {}
    counted = {}
    for key, lines in objects(bucket, table):
        header = lines[0].rstrip(b"\r").decode().split(",")
        records = 0
        for number, line in enumerate(lines[1:], start=2):
            if line.removesuffix(b"\r"):
                records += 1
                if found := verdict(CONTRACTS[table], header, line, key):
                    seen[key, number] = found
        counted[key] = (records, sum(1 for k, _ in seen if k == key))
    assert seen == {place: found for place, found in expected.items() if place[0] in counted}
    counts = truth(bucket, "counts").filter(pl.col("object").is_in(list(counted)))
    assert {c["object"]: (c["records"], c["quarantined"]) for c in counts.to_dicts()} == counted
    assert seen


def test_every_kind_occurs(bucket: Path) -> None:
    found = Counter(truth(bucket, "defects").select(pl.col("object").str.head(6), "kind").rows())
    for prefix, table in (("flight", FLIGHT_TABLE), ("states", STATE_TABLE)):
        missing = {k.name for k in table.kinds} - {kind for start, kind in found if start == prefix}
        assert not missing
        assert found[prefix, "number_like_icao24"]
    for kind in ("cut_gzip", "flipped_byte", "empty_object", "wrong_header", "cut_tar", "broken_tar", "overlong_line"):
        assert any(name == kind for _, name in found), kind


def line_of(bucket: Path, row: dict[str, object]) -> bytes:
    assert isinstance(row["line_number"], int)
    return raw_lines(bucket / str(row["object"]))[row["line_number"] - 1]


def test_lines_that_stay_are_where_the_truth_says(bucket: Path) -> None:
    """Outcomes other than quarantine, looked up by line."""
    marks = {
        "blank_line": rb"\r?",
        "implausible_altitude": rb".*,28559\.0,.*",
        "implausible_velocity": rb".*,1684\.0,.*",
        "implausible_heading": rb".*,-221\.0,.*",
        "quoted_icao24": rb'.*,"[0-9a-f]{6}",.*',
        "padded_icao24": rb".*, [0-9a-f]{6} ,.*",
        "upper_icao24": rb".*\b[0-9A-F]{6}\b.*",
        "blank_callsign": rb".*        .*",
        "null_text": rb".*(NA|NaN|nan|null).*",
        "time_as_float": rb"\d{10}\.0,.*",
        "quoted_comma": rb'.*,"LH1,LH2",.*',
        "number_like_icao24": rb".*(86e844|000123|400612|7104e1).*",
    }
    table = truth(bucket, "defects").filter(~pl.col("object").str.starts_with("metadata"))
    for row in table.filter(pl.col("kind").is_in(list(marks))).to_dicts():
        assert re.fullmatch(marks[row["kind"]], line_of(bucket, row).rstrip(b"\r")) is not None, row
    for row in table.filter(kind="other_line_end").to_dicts():
        assert line_of(bucket, row).endswith(b"\r") is row["object"].startswith("states")


def test_objects_have_opensky_s_form(bucket: Path) -> None:
    for key, lines in objects(bucket, "flights"):
        assert lines[0] == FLIGHT_COLUMNS.encode() + b"\r"
        assert (bucket / key).read_bytes()[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # no name, no time
    for _, lines in objects(bucket, "state_vectors"):
        assert lines[0] == STATE_COLUMNS.encode()
    a, b, c = truth(bucket, "counts").filter(pl.col("table") == "aircraft_database")["object"].to_list()
    lines_a = (bucket / a).read_text().split("\n")
    assert lines_a[0].startswith('"icao24","registration","manufacturericao"') and lines_a[0].count(",") == 26
    assert lines_a[1] == '"",' * 22 + '"false","false","false","",""'
    lines_b = (bucket / b).read_text().split("\n")
    assert lines_b[0] == "" and lines_b[1].count('","') == 14
    lines_c = (bucket / c).read_text().split("\n")
    assert lines_c[0].startswith("'icao24','timestamp'") and lines_c[0].count(",") == 30


def test_keys_by_date() -> None:
    assert state_key(date(2020, 5, 18), 3) == "states/.2020-05-18/03/states_2020-05-18-03.csv.tar"
    assert state_key(date(2020, 5, 25), 23) == "states/2020-05-25/23/states_2020-05-25-23.csv.tar"
    assert flight_list_key(date(2022, 7, 1), START, 2) == "flights/flightlist_20220701_20220701.csv.gz"
    assert flight_list_key(date(2022, 12, 9), date(2022, 1, 1), 365) == "flights/flightlist_20221201_20221231.csv.gz"


def good_states(bucket: Path) -> pl.DataFrame:
    """All states of sound lines, typed."""
    spoilt = {(d["object"], d["line_number"]) for d in truth(bucket, "defects").to_dicts()}
    frames = []
    for key, lines in objects(bucket, "state_vectors"):
        text = b"\n".join(line for i, line in enumerate(lines, 1) if (key, i) not in spoilt)
        frames.append(
            pl.read_csv(
                text,
                schema_overrides=dict.fromkeys(("icao24", "squawk", "onground"), pl.String),
                infer_schema_length=None,
            )
        )
    return pl.concat(frames, how="vertical_relaxed")


def test_states_are_plausible(bucket: Path) -> None:
    states = good_states(bucket)
    for name in ("lat", "lon", "velocity", "heading", "vertrate", "baroaltitude", "geoaltitude"):
        column = STATE_VECTORS.by_name[name]
        assert states[name].drop_nulls().is_between(column.minimum, column.maximum).all(), name
    assert (states["time"] % 10 == 0).all()
    assert states["time"].is_sorted()
    assert not states.select("icao24", "time").is_duplicated().any()
    age = states["time"] - states["lastcontact"]
    assert age.min() >= 0 and 250 < age.max() <= 300.001  # type: ignore[operator]
    assert (states["lastposupdate"] <= states["lastcontact"]).drop_nulls().all()
    assert states["callsign"].drop_nulls().str.len_chars().eq(8).all()
    assert 0.04 < states["lat"].null_count() / states.height < 0.25
    # A state without new contact stands still.
    stale = states.filter(age > 20, pl.col("lat").is_not_null())
    frozen = stale.group_by("icao24", "lastcontact").agg(pl.col("lat", "lon", "velocity", "baroaltitude").n_unique())
    assert stale.height and (frozen.drop("icao24", "lastcontact").max_horizontal() == 1).all()


def test_states_move_as_fast_as_they_say(bucket: Path) -> None:
    """Distance between positions over the time between them is the velocity, within the spelling's coarseness."""
    states = (
        good_states(bucket).filter(pl.col("lat").is_not_null(), pl.col("onground") == "False").sort("icao24", "time")
    )
    before, after = states[:-1], states[1:]
    elapsed = after["lastposupdate"] - before["lastposupdate"]
    a, b = (pl.DataFrame({"la": s["lat"].radians(), "lo": s["lon"].radians()}) for s in (before, after))
    cosine = a["la"].sin() * b["la"].sin() + a["la"].cos() * b["la"].cos() * (a["lo"] - b["lo"]).cos()
    moved = cosine.clip(-1, 1).arccos() * 6_371_008.8
    same = (before["icao24"] == after["icao24"]) & (elapsed > 5) & (elapsed < 15)
    error = (moved / elapsed - (before["velocity"] + after["velocity"]) / 2).abs().filter(same)
    assert len(error) > 1000
    assert error.quantile(0.99) < 5  # type: ignore[operator]


def test_flights_fit_their_days(bucket: Path) -> None:
    flights = truth(bucket, "flights")
    seen = flights.filter(pl.col("lastseen").is_not_null())
    assert (seen["takeoff"] < seen["landing"]).all() and (seen["firstseen"] <= seen["lastseen"]).all()
    assert set(seen["lastseen"].dt.date()) == {START, date(2022, 7, 1)}
    assert (seen["firstseen"].dt.date() < seen["lastseen"].dt.date()).sum() > 5  # over midnight
    assert seen.group_by("icao24").len()["len"].max() > 2  # type: ignore[operator]
    listed = sum(c["records"] for c in truth(bucket, "counts").filter(pl.col("table") == "flights").to_dicts())
    assert listed == flights["listed"].sum() + 1  # the overlong line
    airports = [
        line.split(b",")[5:7] for _, lines in objects(bucket, "flights") for line in lines[1:] if line.count(b",") == 15
    ]
    unknown = sum(not code for pair in airports for code in pair) / (2 * len(airports))
    assert 0.15 < unknown < 0.4


def test_aircraft_truth(bucket: Path) -> None:
    """The newest table of each address, found again by reading the tables with the csv module."""
    defects = truth(bucket, "defects").filter(pl.col("object").str.starts_with("metadata"))
    broken = {(d["object"], d["line_number"]) for d in defects.filter(reason="broken_record").to_dicts()}
    newest: dict[str, tuple[str, str]] = {}
    last: dict[str, str] = {}
    for key in truth(bucket, "counts").filter(pl.col("table") == "aircraft_database")["object"]:
        lines = (bucket / key).read_text().split("\n")
        text = "\n".join(line for i, line in enumerate(lines, 1) if (key, i) not in broken)
        quote = "'" if "complete" in key else '"'
        head, *rows = csv.reader(io.StringIO(text), quotechar=quote)
        for row in rows:
            assert len(row) == (len(head) or 15), row
            icao24 = row[0].lower()
            if re.fullmatch("[0-9a-f]{6}", icao24) and icao24 not in ("000000", "ffffff", "123456"):
                updated = row[1] if "complete" in key else "2022-03" if "2022-03" in key else ""
                last[icao24] = key
                newest[icao24] = max(newest.get(icao24, ("", "")), (updated, key))
    assert last == dict(truth(bucket, "aircraft").select("icao24", "newest_table").rows())
    assert {a: key for a, (_, key) in newest.items()} == dict(
        truth(bucket, "aircraft").select("icao24", "newest_record").rows()
    )
    for place in defects.filter(kind="multi_line_owner").to_dicts():
        assert line_of(bucket, place).endswith(b"Two Line Holdings")
    assert set(defects["reason"].drop_nulls()) == {"null_key", "bad_icao24", "junk_icao24", "broken_record"}


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    arguments = {"start": date(2020, 5, 18), "days": 2, "aircraft": 12, "states_hours": 26}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name / "bucket", seed=seed, **arguments)  # type: ignore[arg-type]
    a, b, c = (digest(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() >= {"bucket/SIMULATED.txt", "bucket/states/.2020-05-18/00/states_2020-05-18-00.csv.tar"}
    assert "bucket/states/2020-05-19/01/states_2020-05-19-01.csv.tar" in a
    assert a["bucket/metadata/aircraftDatabase.csv"] != c["bucket/metadata/aircraftDatabase.csv"]


def test_without_defects(tmp_path: Path) -> None:
    out = tmp_path / "bucket"
    summary = simulate(out, start=START, days=1, aircraft=30, seed=3, defects=0.0, states=False)
    assert summary.states == 0 and not (out / "states").exists()
    assert truth(out, "defects")["kind"].to_list() == ["empty_record"]
    assert sorted(p.name for p in out.iterdir()) == ["SIMULATED.txt", "flights", "metadata"]


def test_command_says_it_is_simulated_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bucket"
    command = ["--out", str(out), "--days", "1", "--aircraft", "5", "--states-hours", "1", "--quiet"]
    assert main(command) == 0
    assert "simulated" in (out / "SIMULATED.txt").read_text() and "seed: 7" in (out / "SIMULATED.txt").read_text()
    note = json.loads((tmp_path / "bucket.truth" / "simulated.json").read_text())
    assert note["simulated"] is True and note["arguments"]["aircraft"] == 5
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert main(command) == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert main([*command, "--seed", "8"]) == 2
    assert main([*command, "--seed", "8", "--force"]) == 0
    assert "already there" in capsys.readouterr().out
    # A run that was broken off is begun again.
    (tmp_path / "bucket.truth" / "simulated.json").unlink()
    (tmp_path / "bucket.truth" / "counts.parquet").unlink()
    assert main(command) == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "real.csv").touch()
    with pytest.raises(BucketExistsError, match="not simulated"):
        simulate(tmp_path / "other", start=START, days=1, aircraft=5, seed=1)
