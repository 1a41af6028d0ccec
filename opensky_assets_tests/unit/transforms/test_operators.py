"""One name for each operator, out of what the aircraft database says of its aircraft."""

from __future__ import annotations

import ibis
import pytest

from opensky_assets.transforms.operators import name_operators, with_operator_names

COLUMNS = ("icao24", "operator", "operatoricao", "operatoriata", "operatorcallsign")
AIRCRAFT = [
    ("000001", "Turkish Airlines", "THY", "TK", "TURKAIR"),
    ("000002", "Turkish Airlines", "THY", "TK", "TURKAIR"),
    ("000003", "Turkish Cargo", "THY", "TK", "TURKAIR"),
    ("000004", "THY", "THY", None, None),
    ("000005", "Thy", "THY", None, None),
    ("000006", "TK", "THY", "TK", None),
    ("000007", None, "THY", None, None),
    ("000010", "Americ Air", "AAR", None, "ASIANA"),
    ("000011", "Asiana Airlines", "AAR", None, "ASIANA"),
    ("000020", "Zebra", "TIE", None, None),
    ("000021", "Antelope", "TIE", None, None),
    ("000030", "SKW", "SKW", None, "SKYWEST"),
    ("000040", "NON", "NON", None, None),
    ("000050", "THY", None, None, None),
    ("000051", "Flying Club", None, None, None),
    ("000052", None, None, None, None),
    ("000053", "Fly One", "FI5", None, None),
    ("000054", "Wataniya", "-", None, None),
]
NAMES = {
    **dict.fromkeys((f"00000{n}" for n in range(1, 8)), "Turkish Airlines"),
    **dict.fromkeys(("000010", "000011"), "Asiana Airlines"),
    **dict.fromkeys(("000020", "000021"), "Antelope"),
    "000030": "SKYWEST",
    "000040": None,
    "000050": "Turkish Airlines",
    "000051": "Flying Club",
    "000052": None,
    "000053": "Fly One",
    "000054": "Wataniya",
}


@pytest.mark.parametrize("rows", [AIRCRAFT, AIRCRAFT[::-1]], ids=["in order", "the other way round"])
def test_each_operator_has_one_name(rows: list[tuple[str | None, ...]]) -> None:
    schema = dict.fromkeys(COLUMNS, "string")
    aircraft = ibis.memtable([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=schema)
    named = with_operator_names(aircraft, name_operators(aircraft)).select("icao24", "operator_name")
    found = ibis.duckdb.connect().to_pyarrow(named).to_pylist()
    assert {row["icao24"]: row["operator_name"] for row in found} == NAMES
    assert len(found) == len(AIRCRAFT)
