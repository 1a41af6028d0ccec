"""The recorded polls, counted by DuckDB's own JSON reader and by the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from opensky_assets.ingest.plan import make_plan
from opensky_assets.ingest.quality import connection, read_days, repeats
from opensky_assets.ingest.sync import sync_days
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import SHARED_DATA, needs_shared_data
from opensky_assets_tests.lakes import LocalLake

POLLS = SHARED_DATA / "rest" / "poll"
TODAY = date(2025, 10, 1)

_RAW = """
    SELECT icao24, coalesce(trim(callsign), '') AS callsign, origin_country, time_position::DOUBLE AS lastposupdate,
           last_contact::DOUBLE AS lastcontact, longitude::DOUBLE AS lon, latitude::DOUBLE AS lat,
           baro_altitude::DOUBLE AS baroaltitude, on_ground::BOOLEAN AS onground, velocity::DOUBLE AS velocity,
           true_track::DOUBLE AS heading, vertical_rate::DOUBLE AS vertrate, geo_altitude::DOUBLE AS geoaltitude,
           squawk::VARCHAR AS squawk, spi::BOOLEAN AS spi, position_source::INT AS position_source,
           category::INT AS category, regexp_extract(filename, '_(\\d{10})[.]json[.]gz$', 1)::DOUBLE AS time
    FROM read_json(?, format = 'newline_delimited', filename = true, sample_size = -1)
"""
_LAKE = """
    SELECT icao24, coalesce(callsign, '') AS callsign, origin_country, epoch(lastposupdate) AS lastposupdate,
           epoch(lastcontact) AS lastcontact, lon, lat, baroaltitude, onground, velocity, heading, vertrate,
           geoaltitude, squawk, spi, position_source::INT AS position_source, category::INT AS category,
           epoch(time) AS time
    FROM read_parquet(?)
"""


@needs_shared_data
@pytest.mark.slow
def test_every_recorded_state_is_in_the_lake_as_it_came(tmp_path: Path) -> None:
    lake, store, settings = LocalLake.at(tmp_path / "lake"), LocalStore(POLLS), load_settings()
    planned = make_plan(store, lake, settings, TODAY).of(STATE_VECTORS.name)
    days = sorted({day for planned_object in planned for day in planned_object.days or ()})
    done = sync_days(STATE_VECTORS, days, store, lake, settings, TODAY, lambda text: None)
    assert (len(planned), done.messages, done.failed) == (260, [], {})

    source = str(POLLS / "states" / "*" / "*.json.gz")
    with duckdb.connect() as duck:
        counted = duck.execute(f"SELECT count(*), count(DISTINCT (icao24, lastcontact)) FROM ({_RAW})", [source])
        assert counted.fetchone() == (103_729, 98_313)
        published = str(lake.path("raw/state_vectors") / "day=*" / "*.parquet")
        columns = ", ".join(sorted({*STATE_VECTORS.schema.names} - {"alert"}))
        for one, other in (((_RAW, source), (_LAKE, published)), ((_LAKE, published), (_RAW, source))):
            lost = duck.execute(
                f"SELECT {columns} FROM ({one[0]}) EXCEPT ALL SELECT {columns} FROM ({other[0]})", [one[1], other[1]]
            ).fetchall()
            assert lost == []

    table = read_days(lake, STATE_VECTORS, days)
    with connection(lake) as duck:
        assert sum(repeats(duck, table.poll_files, "icao24", "lastcontact").values()) == 103_729 - 98_313
        assert repeats(duck, table.files, "icao24", "time") == {}


@needs_shared_data
@pytest.mark.slow
def test_every_recorded_flight_is_in_the_lake(tmp_path: Path) -> None:
    lake, store, settings = LocalLake.at(tmp_path / "lake"), LocalStore(POLLS), load_settings()
    done = sync_days(FLIGHTS, ["2025-09-24"], store, lake, settings, TODAY, lambda text: None)
    assert done.messages == []
    with duckdb.connect() as duck:
        sources = [str(path) for path in POLLS.glob("flights_*/*/*/*.json.gz")]
        (there,) = duck.execute(
            "SELECT (count(*), count(DISTINCT (icao24, lastSeen))) "
            "FROM read_json(?, format = 'newline_delimited', union_by_name = true)",
            [sources],
        ).fetchall()
        published = str(lake.path("raw/flights") / "day=*" / "*.parquet")
        (here,) = duck.execute(
            "SELECT (count(*), count(DISTINCT (icao24, lastseen))) FROM read_parquet(?)", [published]
        ).fetchall()
    assert here == there
    assert sum(manifest.total.quarantined for manifest in done.read) == 0


@needs_shared_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("all_2017-01-08_1483905640_13cols", 2039),
        ("bbox_2021-03-11_1615497080", 15),
        ("all_2022-04-08_1649392659", 4181),
    ],
)
def test_whole_recorded_answers(tmp_path: Path, name: str, count: int) -> None:
    lake, store = LocalLake.at(tmp_path / "lake"), LocalStore(SHARED_DATA / "rest")
    planned = {o.source.key: o for o in make_plan(store, lake, load_settings(), TODAY).of(STATE_VECTORS.name)}
    (day,) = planned[f"states/{name}.json"].days or ()
    done = sync_days(STATE_VECTORS, [day], store, lake, load_settings(), TODAY, lambda text: None)
    assert (done.days[day].counts.written, done.days[day].counts.quarantined) == (count, 0)
