"""The comparison of two checkouts finds planted differences, in tiny folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opensky_assets_tests.compare.__main__ import main
from opensky_assets_tests.compare.checkouts import Checkout, Place
from opensky_assets_tests.compare.differences import (
    Comparison,
    compare_bytes,
    compare_pages,
    compare_records,
    compare_rows,
    compare_texts,
    compare_values,
    mask,
    own_lines,
)
from opensky_assets_tests.compare.scenarios import Pair, asked

TABLE = pa.table({"icao24": ["4b1801", "4b1802", "4b1802"], "altitude": [600.0, None, None]})
TABLE = TABLE.replace_schema_metadata({"opensky.contract_version": "1"})
FILE = "raw/flights/day=2022-06-25/list.parquet"
MANIFEST = "_manifest/flights/0123.json"


@pytest.fixture
def lakes(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal lakes, with a table, a manifest, a lock and a report."""
    before = tmp_path / "before"
    write_table(before, TABLE)
    record = {"read": 3, "files": [{"path": FILE, "rows": 3, "bytes": 900}], "version": "ab", "inputs": {"a": "1"}}
    write(before, MANIFEST, json.dumps(record))
    write(before, "_manifest/commit.lock", "1")
    write(before, "reports/day=2022-06-25/report.html", f"<p>made 2026-01-01 08:00:00.123+00:00</p>\n<p>{before}</p>")
    write(before, "reports/day=2022-06-25/map.png", "png")
    after = Path(shutil.copytree(before, tmp_path / "after"))
    page = after / "reports/day=2022-06-25/report.html"
    page.write_text(page.read_text().replace("08:00:00.123", "09:30:00.456").replace(str(before), str(after)))
    write(after, "_manifest/commit.lock", "2")
    return before, after


def write(lake: Path, path: str, text: str) -> None:
    (lake / path).parent.mkdir(parents=True, exist_ok=True)
    (lake / path).write_text(text)


def write_table(lake: Path, table: pa.Table, **options: Any) -> None:
    (lake / FILE).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, lake / FILE, **options)


def compare_all(before: Path, after: Path) -> dict[str, Comparison]:
    folders = ({str(before): "<lake>"}, {str(after): "<lake>"})
    return {
        "rows": compare_rows("rows", before, after, "raw"),
        "bytes": compare_bytes("bytes", before, after, "raw"),
        "records": compare_records("records", before, after, True),
        "pages": compare_pages("pages", before, after, folders),
    }


def change_manifest(after: Path, old: str, new: str) -> None:
    write(after, MANIFEST, (after / MANIFEST).read_text().replace(old, new))


def value(after: Path) -> None:
    write_table(after, TABLE.set_column(1, "altitude", pa.array([600.0, None, 1.0])))


def column_type(after: Path) -> None:
    write_table(after, TABLE.set_column(1, "altitude", pa.array([600.0, None, None], pa.float32())))


def footer(after: Path) -> None:
    write_table(after, TABLE.replace_schema_metadata({"opensky.contract_version": "2"}))


PLANTED: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    "a changed value": (value, {"rows", "bytes"}, "1 rows only before, the first ('4b1802', None)"),
    "a lost row": (lambda after: write_table(after, TABLE.slice(0, 2)), {"rows", "bytes"}, "1 rows only before"),
    "a doubled row": (
        lambda after: write_table(after, pa.concat_tables([TABLE, TABLE.slice(0, 1)])),
        {"rows", "bytes"},
        "1 rows only after, the first ('4b1801', 600.0)",
    ),
    "another type": (column_type, {"rows", "bytes"}, "columns.altitude: 'double' before, 'float' after"),
    "another footer": (footer, {"rows", "bytes"}, "footer.opensky.contract_version: '1' before, '2' after"),
    "other bytes, the same rows": (lambda after: write_table(after, TABLE, compression="zstd"), {"bytes"}, FILE),
    "other order of rows": (lambda after: write_table(after, TABLE.take([2, 0, 1])), {"bytes"}, FILE),
    "a lost file": (lambda after: (after / FILE).unlink(), {"rows", "bytes"}, f"{FILE}: only before"),
    "a manifest's field": (
        lambda after: change_manifest(after, '"read": 3', '"read": 4'),
        {"records"},
        f"{MANIFEST}.read: 3 before, 4 after",
    ),
    "a manifest's new field": (
        lambda after: change_manifest(after, '"read"', '"notes": {}, "read"'),
        {"records"},
        f"{MANIFEST}.notes: absent before, {{}} after",
    ),
    "a digest": (lambda after: change_manifest(after, '"ab"', '"cd"'), {"records"}, "version: 'ab' before"),
    "a manifest too many": (lambda after: write(after, "_manifest/flights/9.json", "{}"), {"records"}, "9.json"),
    "a report's words": (
        lambda after: write(after, "reports/day=2022-06-25/report.html", "<p>other</p>"),
        {"pages"},
        "+ <p>other</p>",
    ),
    "a chart": (lambda after: write(after, "reports/day=2022-06-25/map.png", "gnp"), {"pages"}, "map.png: other bytes"),
}


def test_equal_lakes_are_equal_but_for_times_paths_and_locks(lakes: tuple[Path, Path]) -> None:
    assert all(comparison.is_equal for comparison in compare_all(*lakes).values())


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found_where_it_is(lakes: tuple[Path, Path], name: str) -> None:
    plant, expected, words = PLANTED[name]
    plant(lakes[1])
    found = compare_all(*lakes)
    assert {kind for kind, comparison in found.items() if not comparison.is_equal} == expected
    lines = [line for kind in expected for line in found[kind].lines()]
    assert any(words in line for line in lines), lines
    assert lines[0].startswith("DIFFERENT")


def test_what_follows_from_bytes_is_left_out_only_where_bytes_differ(lakes: tuple[Path, Path]) -> None:
    for field, new in (('"bytes": 900', '"bytes": 901'), ('"ab"', '"cd"'), ('"a": "1"', '"a": "2"')):
        change_manifest(lakes[1], field, new)
    assert len(compare_records("records", *lakes, True).differences) == 3
    assert compare_records("records", *lakes, False).is_equal


def test_nothing_compared_is_not_equal(tmp_path: Path) -> None:
    for comparison in compare_all(tmp_path / "a", tmp_path / "b").values():
        assert not comparison.is_equal
        assert comparison.lines() == [f"DIFFERENT  {comparison.name}: nothing to compare"]


def look(key: str, first: str = "2022-06-25", **given: Any) -> dict[str, Any]:
    request = {"run_key": key, "assets": ["flights"], "tags": {"start": first}, "partition": None}
    return {"requests": [request], "skip": None, "cursor": "x", **given}


def test_another_run_key_is_found() -> None:
    old = look("2022-06-25…2022-06-26 flights 1795864706.1.ab12cd34")
    later = look("2022-06-25…2022-06-26 flights 1795864799.3.ab12cd34", cursor="y")
    other = look("2022-06-25…2022-06-26 flights 1795864706.1.ffffffff")
    assert compare_values("same cursor", asked(old), asked(old)).is_equal
    assert not compare_values("same cursor", asked(old), asked(later)).is_equal
    assert compare_values("own cursor", asked(old, True), asked(later, True)).is_equal
    (told,) = compare_values("own cursor", asked(old, True), asked(other, True)).differences
    assert "requests[0].run_key" in told and "ffffffff" in told
    assert not compare_values("day", asked(old), asked(look(old["requests"][0]["run_key"], "2022-06-24"))).is_equal
    assert not compare_values("none", asked(old), asked(old | {"requests": []})).is_equal


def test_a_definition_that_changes_or_goes_is_found() -> None:
    old = {"flights": {"deps": {"raw_flights": None}, "code_version": "3"}, "routes": {"deps": {}, "code_version": "1"}}
    assert compare_values("assets", old, json.loads(json.dumps(old))).is_equal
    gone = {"flights": {**old["flights"], "code_version": "4"}}
    assert compare_values("assets", old, gone).differences == (
        "flights.code_version: '3' before, '4' after",
        "routes.deps: {} before, absent after",
        "routes.code_version: '1' before, absent after",
    )
    assert not compare_values("types", {"rows": 1}, {"rows": True}).is_equal


def test_texts_are_compared_without_times_ids_and_lines_of_dbt() -> None:
    printed = [
        f"check  unique_key of raw_flights warns: 2 of 3 days unusual\n\n{stamp}  1 of 47 START sql table model\n"
        f"8 of 8 objects, 20,807 records, {seconds} records/s, 0.4 MB/s, about 0 s left\n"
        f"run {run}\ntime       {seconds} s\nlake {folder}/lake"
        for stamp, run, seconds, folder in (
            ("08:00:00", "7cb2e1ac-9107-4080-a7e3-155c5eb29efd", 43, "/tmp/before"),
            ("08:01:00", "dac2f754-9107-4080-a7e3-155c5eb29efd", 7, "/tmp/after"),
        )
    ]
    old, new = (
        own_lines(mask(text, {f"/tmp/{name}": "<place>"}))
        for text, name in zip(printed, ("before", "after"), strict=True)
    )
    assert compare_texts("output", old, new).is_equal
    assert compare_texts("output", old, new.replace("2 of 3", "1 of 3")).differences == (
        "- check  unique_key of raw_flights warns: 2 of 3 days unusual",
        "+ check  unique_key of raw_flights warns: 1 of 3 days unusual",
    )


def test_each_comparison_is_a_line_and_counts(lakes: tuple[Path, Path], tmp_path: Path) -> None:
    said: list[str] = []
    checkout = Checkout("BEFORE", tmp_path)
    for lake in lakes:
        for top in ("quarantine", "core", "marts", "reference"):
            shutil.copytree(lake / "raw", lake / top)
        shutil.copytree(lake, tmp_path / f"place-{lake.name}" / "lake")
    places = [Place(checkout, tmp_path / f"place-{lake.name}", tmp_path) for lake in lakes]
    pair = Pair("tiny", places[0], places[1], said.append)
    (places[1].lake / "core/flights/day=2022-06-25/list.parquet").write_bytes((places[0].lake / FILE).read_bytes()[:-1])
    pair.lakes("round")
    assert any("list.parquet: does not read after" in line for line in said)
    said.clear()
    write_table(places[1].lake, TABLE.slice(0, 2))
    shutil.copy(places[1].lake / FILE, places[1].lake / "core/flights/day=2022-06-25/list.parquet")
    pair.comparisons.clear()
    pair.lakes("round")
    assert {comparison.name for comparison in pair.comparisons if not comparison.is_equal} >= {
        "tiny: round: rows of raw",
        "tiny: round: bytes of core",
    }
    assert any(line.startswith("ok         tiny: round: rows of marts (1 compared)") for line in said)


def test_a_checkout_without_an_environment_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "opensky_assets").mkdir()
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "has no .venv; run `python3 -m opensky_assets setup` in it" in capsys.readouterr().err
    assert main([str(tmp_path / "none"), str(tmp_path)]) == 2
    assert "is not a checkout" in capsys.readouterr().err
