"""Records of flights for `reconcile`: made at random, and reconciled slowly in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
from hypothesis import strategies as st

from opensky_assets.schemas import FLIGHTS
from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.transforms.reconcile import daily_batches, reconcile_on_duckdb

Record = dict[str, Any]
Result = tuple[list[Record], list[Record], list[Record]]
"""Flights, superseded flights and counts, each sorted."""

RECORDS = pa.schema(
    [
        *FLIGHTS.schema,
        pa.field("day", pa.date32(), nullable=False),
        pa.field("source_object", pa.string(), nullable=False),
        pa.field("origin_kind", pa.string(), nullable=False),
    ]
)
DAY = date(2020, 2, 29)
SOURCES = {
    "flights/flightlist_20200201_20200229.csv": "list",
    "flights/flightlist_20200201_20200229.csv.gz": "list",
    "flights/flightlist_20200215_20200310.csv.gz": "list",
    "flights/arrival_LSZH.json": "api",
    "flights/departure_LSZH.json": "api",
    "Flights_all_é.json": "api",
}


# --- made ----------------------------------------------------------------------------------------------------------


def _moments() -> st.SearchStrategy[datetime]:
    """Around the midnights of four days, on a coarse grid so that times meet, at times off it by a microsecond."""
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return st.builds(
        lambda day, quarter, us: midnight + timedelta(days=day, minutes=15 * quarter, microseconds=us),
        st.sampled_from([-2, -1, 0, 1, 2, 3]),
        st.integers(-8, 8),
        st.sampled_from([0, 0, 0, 0, -1, 1]),
    )


@st.composite
def records(draw: st.DrawFn, least: int = 0, most: int = 80) -> list[Record]:
    """Few aircraft, each with few times: equal keys, lists and answers mixed, in any order."""
    others = [name for name in FLIGHTS.schema.names if name not in CORE_FLIGHTS.key]
    times = {icao24: draw(st.lists(_moments(), min_size=1, max_size=5)) for icao24 in ("4b1801", "000123", "86e844")}
    lengths = st.one_of(st.none(), st.sampled_from([0, 15, 30, 45, 60, 90, 1500, -15]))
    made = st.tuples(st.sampled_from(sorted(times)), st.integers(0, 4), lengths, st.sampled_from(sorted(SOURCES)))
    found = []
    for icao24, number, length, source in draw(st.lists(made, min_size=least, max_size=most)):
        end = times[icao24][number % len(times[icao24])]
        found.append(
            {
                **dict.fromkeys(others),
                **draw(st.dictionaries(st.sampled_from(others), st.integers(0, 4), max_size=4).map(_filled)),
                "icao24": icao24,
                "firstseen": None if length is None else end - timedelta(minutes=length),
                "lastseen": end,
                "day": end.date(),
                "source_object": source,
                "origin_kind": SOURCES[source],
            }
        )
    return found


def _filled(numbers: dict[str, int]) -> Record:
    texts, floats = ("", "A", "B", "é", "日"), (-1.5, 0.0, 2.25, 1e300, -89.0)
    is_text = {field.name: field.type == pa.string() for field in FLIGHTS.schema}
    return {name: (texts if is_text[name] else floats)[number] for name, number in numbers.items()}


wanted_days = st.sampled_from([{DAY}, {DAY, DAY + timedelta(1)}, {DAY - timedelta(1), DAY + timedelta(1)}, set()])


# --- reconciled in plain Python ------------------------------------------------------------------------------------


def slowly(found: Iterable[Record], days: Iterable[date]) -> Result:
    """The rules of `reconcile`, flight by flight and pair by pair."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in found:
        groups.setdefault((record["icao24"], record["firstseen"], record["lastseen"]), []).append(record)
    merged = [_merged(group) for group in groups.values()]
    flights, superseded, counts = [], [], Counter()
    for row, group in zip(merged, groups.values(), strict=True):
        if row["day"] not in days:
            continue
        by = _gives_way_to(row, merged)
        for kind in {record["origin_kind"] for record in group}:
            counts[row["day"], kind, "records"] += (n := sum(record["origin_kind"] == kind for record in group))
            counts[row["day"], kind, "superseded"] += (gone := int(by is not None))
            counts[row["day"], kind, "flights"] += (is_flight := int(by is None and row["origin_kind"] == kind))
            counts[row["day"], kind, "repeated"] += n - gone - is_flight
        if by is None:
            flights.append({name: row[name] for name in ("day", *CORE_FLIGHTS.schema.names)})
        else:
            row |= {f"by_{name}": by[name] for name in ("firstseen", "lastseen", "source_objects")}
            superseded.append({name: row[name] for name in ("day", *SUPERSEDED_FLIGHTS.schema.names)})
    names = ("records", "flights", "repeated", "superseded")
    rows = [
        {"day": day, "origin_kind": kind, **{name: counts[day, kind, name] for name in names}}
        for day, kind in sorted({(day, kind) for day, kind, _ in counts})
    ]
    return ordered(flights), ordered(superseded), rows


def _merged(group: list[Record]) -> Record:
    def values(record: Record) -> list[tuple[Any, ...]]:
        return [(True,) if record[name] is None else (False, record[name]) for name in FLIGHTS.schema.names]

    ranked = sorted(group, key=values)
    ranked.sort(key=lambda record: record["source_object"], reverse=True)
    ranked.sort(key=lambda record: record["origin_kind"] != "list")
    row = {
        name: next((record[name] for record in ranked if record[name] is not None), None)
        for name in ("day", *FLIGHTS.schema.names)
    }
    row["source_objects"] = sorted({record["source_object"] for record in group})
    row["origin_kind"] = ranked[0]["origin_kind"]
    return row


def _gives_way_to(row: Record, merged: list[Record]) -> Record | None:
    if row["origin_kind"] == "list":
        return None
    found = []
    for other in merged:
        if other["origin_kind"] == "api" or other["icao24"] != row["icao24"] or abs(other["day"] - row["day"]).days > 1:
            continue
        (start, end), (by_start, by_end) = _span(row), _span(other)
        if start == end:
            qualifies, shared = by_start <= start <= by_end, timedelta(0)
        elif by_start == by_end:
            qualifies, shared = start <= by_start <= end, timedelta(0)
        else:
            shared = min(end, by_end) - max(start, by_start)
            qualifies = 2 * shared >= min(end - start, by_end - by_start)
        if qualifies:
            begins = other["firstseen"]
            found.append((-shared, begins is None, begins or other["lastseen"], other["lastseen"], other))
    return min(found, key=lambda candidate: candidate[:4])[4] if found else None


def _span(row: Record) -> tuple[datetime, datetime]:
    start, end = row["firstseen"], row["lastseen"]
    return (end, end) if start is None or start > end else (start, end)


def ordered(rows: Iterable[Record]) -> list[Record]:
    return sorted(rows, key=lambda row: (row["day"], row["icao24"], row["lastseen"], str(row["firstseen"])))


# --- reconciled by the package -------------------------------------------------------------------------------------


def on_duckdb(connection: ibis.backends.duckdb.Backend, found: pa.Table | list[Record], days: set[date]) -> Result:
    """`reconcile_on_duckdb` on these records; the rows are in the types of the contracts."""
    table = found if isinstance(found, pa.Table) else pa.Table.from_pylist(found, schema=RECORDS)
    connection.con.register("records", table)
    result = reconcile_on_duckdb(connection, connection.table("records"), days)
    flights = daily_batches(connection, result.flights, CORE_FLIGHTS).read_all().to_pylist()
    superseded = daily_batches(connection, result.superseded, SUPERSEDED_FLIGHTS).read_all().to_pylist()
    counts = connection.con.sql(connection.compile(result.counts.order_by("day", "origin_kind"))).to_arrow_table()
    return ordered(flights), ordered(superseded), counts.to_pylist()
