"""Local times of departures and arrivals, against Python's own time zones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb
import ibis

from opensky_assets.ingest.airports import airports_table
from opensky_assets.transforms.instants import UTC, local_time

DAYS = ["2019-03-31", "2019-10-27"]
"""Clocks go forward and back in Europe."""


def test_every_time_zone_of_an_airport() -> None:
    """The local time around the changes of both days, in each zone that an airport has."""
    zones = sorted(set(airports_table()["timezone"].to_pylist()))
    instants = [datetime.fromisoformat(f"{day}T{hour:02d}:30:00+00:00") for day in DAYS for hour in (0, 1, 12)]
    pairs = [(zone, instant) for zone in zones for instant in instants]
    moments = ibis.table({"zone": "string", "instant": UTC}, name="moments")
    sql = ibis.to_sql(moments.select(found=local_time(moments.zone, moments.instant)), dialect="duckdb")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE moments (zone VARCHAR, instant TIMESTAMPTZ)")
        connection.executemany("INSERT INTO moments VALUES (?, ?)", pairs)
        found = connection.execute(sql).fetchall()
    expected = [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for zone, instant in pairs]
    assert len(zones) > 300
    assert [pair for pair, (one,), other in zip(pairs, found, expected, strict=True) if one != other] == []
