"""The airport reference: contract, units, codes."""

from pathlib import Path

import airportsdata
import duckdb
import pytest

from opensky_assets.ingest.airports import airports_table
from opensky_assets.schemas.airports import AIRPORTS

FLIGHTS = Path("../shared/data/bucket/flights")


@pytest.fixture(scope="module")
def airports():
    return airports_table()


def test_one_sorted_row_a_code_in_the_contracts_schema(airports):
    codes = airports["icao"].to_pylist()
    assert airports.schema.equals(AIRPORTS.schema)
    assert codes == sorted(set(codes))
    assert set(codes) == set(airportsdata.load("ICAO"))


def test_elevation_is_in_metres_and_empty_texts_are_null(airports):
    by_code = {row["icao"]: row for row in airports.to_pylist()}
    zurich = by_code["LSZH"]
    assert (zurich["iata"], zurich["country"], zurich["timezone"]) == ("ZRH", "CH", "Europe/Zurich")
    assert zurich["elevation_m"] == pytest.approx(432, abs=3)
    assert zurich["lat"] == pytest.approx(47.46, abs=0.02)
    assert by_code["86MI"]["iata"] is None  # a local code where there is no ICAO code
    for column in AIRPORTS.columns:
        if column.type == "string":
            assert "" not in airports[column.name].to_pylist()
    assert airports["elevation_m"].null_count == airports["lat"].null_count == airports["lon"].null_count == 0


@pytest.mark.skipif(not FLIGHTS.is_dir(), reason=f"recorded flight lists are not here: {FLIGHTS}")
def test_resolves_98_percent_of_the_flight_lists_references(airports):
    lists = f"read_csv('{FLIGHTS}/*.csv.gz', all_varchar=true)"
    ((known, references),) = duckdb.sql(
        f"""
        select count(*) filter (code in (select icao from airports)), count(*)
        from (select unnest([origin, destination]) as code from {lists}) where code <> ''
        """
    ).fetchall()
    assert references == 179_677
    assert known / references > 0.979
