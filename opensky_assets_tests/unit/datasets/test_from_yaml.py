"""Tables in YAML: what they give, and what is said of a wrong one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from opensky_assets.calendar import Partitions, Period
from opensky_assets.datasets import dataset_names, load_datasets, recognise, registered_within
from opensky_assets.datasets.from_yaml import DatasetError, datasets_in, read_dataset
from opensky_assets.schemas.contract import TIMESTAMP
from opensky_assets.schemas.tables import table_named

METAR: dict[str, Any] = {
    "name": "metar",
    "description": "Reports.",
    "keys": [r"metar/(?P<day>\d{4}-?\d{2}-?\d{2})\.csv$"],
    "day": "valid",
    "key": ["station", "valid"],
    "columns": {
        "station": {"type": "text", "description": "Station", "nullable": False, "pattern": "^[A-Z]{4}$"},
        "valid": {"type": "timestamp", "description": "Time", "unit": "UTC", "nullable": False},
        "tmpc": {"type": "double", "description": "Air", "unit": "degrees Celsius", "minimum": -90, "maximum": 60},
    },
}


def dump(entry: dict[str, Any]) -> str:
    return str(yaml.safe_dump(entry, sort_keys=False))


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registered_within():
        yield


def test_a_file_gives_contract_and_recognition(tmp_path: Path) -> None:
    path = tmp_path / "metar.yaml"
    path.write_text(dump(METAR))
    (dataset,) = load_datasets(str(path))
    contract = dataset.contract
    assert (contract.path, contract.version, contract.day_column) == ("raw/metar", "1", "valid")
    assert contract.schema == pa.schema(
        [
            pa.field("station", pa.string(), nullable=False),
            pa.field("valid", TIMESTAMP, nullable=False),
            pa.field("tmpc", pa.float64()),
        ]
    )
    tmpc = contract.by_name["tmpc"]
    assert (tmpc.unit, tmpc.minimum, tmpc.maximum, tmpc.nullable) == ("degrees Celsius", -90, 60, True)
    facts = recognise("x/metar/20220625.csv")
    assert facts is not None
    assert (facts.table, facts.period) == ("metar", Period(date(2022, 6, 25), date(2022, 6, 25)))
    assert recognise("metar/2022-02-30.csv") is None
    assert (table_named("raw_metar"), table_named("quarantine_metar")) == (dataset.table, dataset.quarantine)
    assert load_datasets(str(path)) == [dataset]  # the same again changes nothing


def test_a_pattern_has_a_reason_of_its_own() -> None:
    assert _reason_of({}) == "unexpected_text"
    assert _reason_of({"pattern_reason": "bad_station"}) == "bad_station"


def _reason_of(more: dict[str, str]) -> str:
    station = {**METAR["columns"]["station"], **more}
    entry = {**METAR, "columns": {**METAR["columns"], "station": station}}
    return read_dataset(entry).contract.by_name["station"].pattern_reason


def test_folders_and_several_documents_in_a_file(tmp_path: Path) -> None:
    one, other, third = ({**METAR, "name": name, "keys": [f"^{name}/"]} for name in ("one", "other", "third"))
    (tmp_path / "a.yaml").write_text("---\n".join(dump(entry) for entry in (one, other)))
    (tmp_path / "README").write_text("no YAML: [")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "third.yml").write_text(dump(third))
    load_datasets(os.pathsep.join([str(tmp_path), str(tmp_path / "b")]))
    assert dataset_names()[-3:] == ["one", "other", "third"]


@pytest.mark.parametrize(
    ("pattern", "key", "first", "last"),
    [
        (r"^(?P<year>\d{4})\.csv$", "2022.csv", date(2022, 1, 1), date(2022, 12, 31)),
        (r"^(?P<year>\d{4})/(?P<month>\d\d)\.csv$", "2024/02.csv", date(2024, 2, 1), date(2024, 2, 29)),
        (r"^(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/", "2022/06/25/a", date(2022, 6, 25), date(2022, 6, 25)),
        (r"_(?P<first>\d{8})_(?P<last>\d{8})", "x_20220101_20220131", date(2022, 1, 1), date(2022, 1, 31)),
        (r"(?P<day>\d{4}_\d\d_\d\d)", "2022_06_25", date(2022, 6, 25), date(2022, 6, 25)),
    ],
)
def test_groups_of_a_key_tell_its_days(pattern: str, key: str, first: date, last: date) -> None:
    facts = read_dataset({**METAR, "keys": pattern}).read_key(key)
    assert facts is not None and facts.period == Period(first, last)


def test_keys_that_tell_no_days_and_none_at_all() -> None:
    assert read_dataset({**METAR, "keys": "^metar/"}).read_key("metar/x").period is None  # type: ignore[union-attr]
    by_header = read_dataset({**{k: v for k, v in METAR.items() if k != "keys"}, "header": ["station", "tmpc"]})
    assert by_header.header == {"station", "tmpc"}
    assert by_header.read_key("metar/2022-06-25.csv") is None


def test_years_and_whole_tables() -> None:
    yearly = read_dataset({**METAR, "partitions": "year"})
    assert yearly.partitions is Partitions.YEAR
    whole = {k: v for k, v in METAR.items() if k != "day"} | {"partitions": "none", "keys": "^metar.csv$"}
    assert read_dataset(whole).partitions is Partitions.NONE


def changed(path: str, value: object) -> dict[str, Any]:
    """METAR with another value somewhere; `None`: without it."""
    entry: dict[str, Any] = yaml.safe_load(dump(METAR))
    *above, last = path.split(".")
    inner = entry
    for name in above:
        inner = inner[name]
    inner[last] = value
    if value is None:
        del inner[last]
    return entry


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("name", None, "name: is missing"),
        ("name", 5, "name: 5 must be a text"),
        ("colums", {}, "colums: unknown entry; allowed are columns, day, "),
        ("columns", [], "columns: [] must be a mapping of names"),
        ("columns.tmpc.type", "txt", "columns.tmpc.type: 'txt' must be one of text, boolean, int8, "),
        ("columns.tmpc.type", None, "columns.tmpc.type: is missing"),
        ("columns.tmpc.unti", "C", "columns.tmpc.unti: unknown entry; allowed are description, "),
        ("columns.tmpc.minimum", "low", "columns.tmpc.minimum: 'low' must be a number"),
        ("columns.tmpc.nullable", "no", "columns.tmpc.nullable: 'no' must be true or false"),
        ("columns.station.pattern", "[", "columns.station.pattern: '[' is not a regular expression"),
        ("columns.tmpc.pattern", "x", "columns.tmpc.pattern: 'x' is for columns of type text only"),
        ("partitions", "month", "partitions: 'month' must be one of day, year, none"),
        ("format", "xlsx", "format: 'xlsx' must be one of csv"),
        ("day", "when", "day: 'when' is not a column; the columns are station, valid, tmpc"),
        ("day", "tmpc", "day: 'tmpc' must be a column of type timestamp or date with nullable: false"),
        ("day", None, "dataset metar: a table by day needs the column whose UTC day is the partition"),
        ("keys", ["("], "has no regular expression in '('"),
        ("keys", ["(?P<hour>x)"], "has the groups hour in '(?P<hour>x)'; they can be none, or year; month and year; "),
        ("keys", None, "keys: and header: are both missing, so no object of the table can be recognised"),
        ("key", ["icao"], "dataset metar: no column icao; there are station, valid, tmpc"),
        ("header", [1], "header: [1] must be a list of texts"),
        ("name", "Metar", "dataset Metar: a name is lower case letters, digits and _"),
        ("name", "core", "dataset core: the name is taken"),
        ("name", "flights", "dataset flights: another dataset of this name is registered"),
        ("partitions", "none", "names days in"),
        ("columns.tmpc.type", ["text"], "columns.tmpc.type: ['text'] must be one of text, "),
    ],
)
def test_a_wrong_entry_is_told_in_one_line(path: str, value: object, told: str, tmp_path: Path) -> None:
    file = tmp_path / "metar.yaml"
    file.write_text(dump(changed(path, value)))
    before = dataset_names()
    with pytest.raises(DatasetError) as found:
        load_datasets(str(file))
    message = str(found.value)
    assert message.startswith(f"{file}: ") and told in message and "\n" not in message, message
    assert dataset_names() == before and table_named("raw_metar") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [("- a", "must be a mapping with name, columns and so on"), ("a: [", "is not YAML"), (b"\xff", "is not YAML")],
)
def test_what_is_no_dataset_at_all(text: str | bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DatasetError, match=told):
        list(datasets_in(file))
