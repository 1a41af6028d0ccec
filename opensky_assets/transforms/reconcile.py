"""Every flight once, out of the records of flight lists and of the API's answers: ibis expressions, for any engine.

A record here has the columns of `FLIGHTS`, its `day` (date: the UTC day of `lastseen`), its `source_object` (key of its
object) and its `origin_kind`: `list` or `api`.

1. Records with equal (icao24, firstseen, lastseen) are one flight. Each column has the first value that is not null:
   of a list before the API, then of the object whose key sorts last, then by the other columns. So an answer about
   arrivals gives the destination, and one about departures the origin.
2. A flight has other times in a list than in the API. A flight that only the API has is superseded by a list's flight
   of the same aircraft if their spans of time share at least half of the shorter one. A span without length (no
   firstseen before lastseen) is the instant lastseen: it has to lie in the other span, ends included. Of several
   flights the one that shares most wins, then the earliest.

Reach: a flight is compared with the lists' flights of its own day and of `REACH_DAYS` before and after, no further. So
the rows of a day depend on the records of these days alone. A flight whose `lastseen` in the list is two days from
that in the API stays two flights; flights of more than 24 hours are rare (96 of 120,000 in samples of twelve lists).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from opensky_assets.schemas import FLIGHTS, Contract
from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.transforms.flights import API, LIST, REACH_DAYS
from opensky_assets.transforms.instants import UTC
from opensky_assets.transforms.rows import BATCH_ROWS, conform, daily_schema

EPOCH_US_FUNCTION = """
    CREATE OR REPLACE TEMPORARY FUNCTION epoch_us(instant TIMESTAMP) RETURNS BIGINT RETURN unix_micros(instant)
"""
"""DuckDB's function of this name, for a session of Spark that runs these expressions."""

KEY = CORE_FLIGHTS.key
_VALUES = tuple(name for name in FLIGHTS.schema.names if name not in KEY)


@ibis.udf.scalar.builtin(name="epoch_us", signature=((UTC,), dt.int64))
def epoch_us(instant):  # type: ignore[no-untyped-def]
    """Microseconds since 1970. ibis' own ways give whole seconds, or no valid SQL for DuckDB."""


def _min_by(kind: dt.DataType) -> Callable[[ir.Value, ir.Value], ir.Value]:
    """The value at the least rank, on both engines; a null rank does not count. ibis' `argmin` sorts each group on
    DuckDB, which takes ten times as long."""

    @ibis.udf.agg.builtin(name="min_by", signature=((kind, dt.int64), kind))
    def min_by(value, rank):  # type: ignore[no-untyped-def]
        ...

    return min_by


_FIRST = {kind: _min_by(kind) for kind in (dt.string, dt.float64)}


@dataclass(frozen=True)
class Reconciled:
    """What the records of the wanted days come to.

    `flights` and `superseded` have a `day`, then the columns of `CORE_FLIGHTS` and `SUPERSEDED_FLIGHTS`, in no order.
    `counts` has a row for each `day` and `origin_kind` with a record: `records` = `flights` + `repeated` +
    `superseded`. Of a flight that a list has, the row counts there, and every record of the API is repeated.
    """

    flights: ir.Table
    superseded: ir.Table
    counts: ir.Table


def days_with_reach(days: Collection[date]) -> set[date]:
    """The days whose records `reconcile` needs for the wanted `days`."""
    return {day + timedelta(days=n) for day in days for n in range(-REACH_DAYS, REACH_DAYS + 1)}


def reconcile(
    records: ir.Table, days: Collection[date], keep: Callable[[str, ir.Table], ir.Table] = lambda name, table: table
) -> Reconciled:
    """The flights of the wanted `days` out of the `records` of `days_with_reach(days)`; records of more days change
    nothing.

    Two narrow tables serve all results: `keep` is called with the name and the expression of each and gives a table
    that an engine has computed once. On Spark, `EPOCH_US_FUNCTION` is run before.
    """
    near = records.filter(records.day.isin(sorted(days_with_reach(days))))
    near = near.mutate(firstseen=near.firstseen.cast(UTC), lastseen=near.lastseen.cast(UTC))
    keys = keep(
        "keys",
        near.group_by("day", *KEY).agg(
            list_records=near.count(where=near.origin_kind == LIST).cast("int64"),
            api_records=near.count(where=near.origin_kind == API).cast("int64"),
        ),
    )
    wanted_keys = keys.filter(keys.day.isin(sorted(days)))
    superseded = keep("superseded", _superseded(wanted_keys, keys))

    # Nearly all flights of lists have one record: they pass as they are, and what is merged is little.
    wanted = near.filter(near.day.isin(sorted(days)))
    several = wanted_keys.filter(wanted_keys.list_records + wanted_keys.api_records > 1)
    single = wanted.anti_join(several, _same_flight(wanted, several))
    single = single.anti_join(superseded, _same_flight(single, superseded))
    single = single.mutate(source_objects=ibis.array([single.source_object]))
    several = several.anti_join(superseded, _same_flight(several, superseded))
    merged = _merged(wanted.semi_join(several, _same_flight(wanted, several)), _VALUES)
    columns = ("day", *CORE_FLIGHTS.schema.names)
    return Reconciled(
        single.select(*columns).union(merged.select(*columns)),
        _with_winners(near, superseded),
        _counts(wanted_keys, superseded),
    )


def _same_flight(one: ir.Table, other: ir.Table) -> list[ir.BooleanValue]:
    """Equal keys; a null firstseen equals a null one."""
    return [one[name].identical_to(other[name]) if name == "firstseen" else one[name] == other[name] for name in KEY]


def _merged(records: ir.Table, values: Iterable[str]) -> ir.Table:
    """One row a key: `day`, the key, these columns, `source_objects` and `origin_kind`."""
    order = [
        ibis.desc(records.origin_kind == LIST),
        ibis.desc(records.source_object),
        *(ibis.asc(records[name], nulls_first=False) for name in _VALUES),
    ]
    t = records.mutate(rank=ibis.row_number().over(group_by=KEY, order_by=order))
    return t.group_by("day", *KEY).agg(
        **{name: _FIRST[t[name].type()](t[name], ibis.ifelse(t[name].notnull(), t["rank"], None)) for name in values},
        source_objects=t.source_object.collect(distinct=True).sort(),
        origin_kind=t.origin_kind.max(),  # "list" sorts behind "api"
    )


def _superseded(wanted: ir.Table, keys: ir.Table) -> ir.Table:
    """Keys of the flights that only the API has and that give way, with the times of the flight that each gives way
    to."""
    api = wanted.filter(wanted.list_records == 0)
    # Joined day by day: all flights of an aircraft in a month with each other would be a thousand times as many pairs.
    number = api.day.epoch_days().cast("int64")
    near = ibis.array([number + n for n in range(-REACH_DAYS, REACH_DAYS + 1)])
    api = api.select("day", *KEY, near_day=near.unnest())
    lists = keys.filter(keys.list_records > 0)
    lists = lists.select(
        by_icao24="icao24",
        by_firstseen="firstseen",
        by_lastseen="lastseen",
        by_day=lists.day.epoch_days().cast("int64"),
    )
    t = api.inner_join(lists, [api.icao24 == lists.by_icao24, api.near_day == lists.by_day])
    (start, end), (by_start, by_end) = _span(t.firstseen, t.lastseen), _span(t.by_firstseen, t.by_lastseen)
    t = t.mutate(
        shared=ibis.ifelse(end < by_end, end, by_end) - ibis.ifelse(start > by_start, start, by_start),
        shorter=ibis.ifelse(end - start < by_end - by_start, end - start, by_end - by_start),
    )
    t = t.filter((t.shared >= 0) & (t.shared * 2 >= t.shorter))
    order = [ibis.desc(t.shared), ibis.asc(t.by_firstseen, nulls_first=False), t.by_lastseen]
    t = t.mutate(rank=ibis.row_number().over(group_by=KEY, order_by=order))
    return t.filter(t["rank"] == 0).select("day", *KEY, "by_firstseen", "by_lastseen")


def _span(firstseen: ir.Value, lastseen: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Start and end in microseconds. Without a firstseen before lastseen, both are lastseen."""
    return epoch_us(ibis.ifelse(firstseen < lastseen, firstseen, lastseen)), epoch_us(lastseen)


def _with_winners(records: ir.Table, superseded: ir.Table) -> ir.Table:
    """The superseded flights with the columns of `SUPERSEDED_FLIGHTS` behind `day`."""
    flights = _merged(
        records.semi_join(superseded, _same_flight(records, superseded)), ("callsign", "origin", "destination")
    )
    winners = superseded.select(icao24="icao24", firstseen="by_firstseen", lastseen="by_lastseen").distinct()
    t = records.semi_join(winners, _same_flight(records, winners))
    winners = t.group_by(by_icao24="icao24", by_firstseen="firstseen", by_lastseen="lastseen").agg(
        by_source_objects=t.source_object.collect(distinct=True).sort()
    )
    t = superseded.inner_join(flights.drop("day"), _same_flight(superseded, flights), rname="{name}_merged")
    t = t.inner_join(
        winners,
        [
            t.icao24 == winners.by_icao24,
            t.by_firstseen.identical_to(winners.by_firstseen),
            t.by_lastseen == winners.by_lastseen,
        ],
        rname="{name}_winner",
    )
    return t.select("day", *SUPERSEDED_FLIGHTS.schema.names)


def _counts(keys: ir.Table, superseded: ir.Table) -> ir.Table:
    gone = superseded.select(**{f"gone_{name}": name for name in KEY})
    t = keys.left_join(
        gone,
        [
            keys.icao24 == gone.gone_icao24,
            keys.firstseen.identical_to(gone.gone_firstseen),
            keys.lastseen == gone.gone_lastseen,
        ],
    )
    one, none = ibis.literal(1, "int64"), ibis.literal(0, "int64")
    by_list = t.filter(t.list_records > 0).select(
        "day",
        origin_kind=ibis.literal(LIST),
        records="list_records",
        flights=one,
        repeated=t.list_records - 1,
        superseded=none,
    )
    alone, gives_way = t.list_records == 0, t.gone_lastseen.notnull()
    by_api = t.filter(t.api_records > 0).select(
        "day",
        origin_kind=ibis.literal(API),
        records="api_records",
        flights=ibis.ifelse(alone & ~gives_way, one, none),
        repeated=ibis.ifelse(alone, t.api_records - 1, t.api_records),
        superseded=ibis.ifelse(gives_way, one, none),
    )
    t = by_list.union(by_api)
    sums = {name: t[name].sum().cast("int64") for name in ("records", "flights", "repeated", "superseded")}
    return t.group_by("day", "origin_kind").agg(**sums)


def reconcile_on_duckdb(
    connection: ibis.backends.duckdb.Backend, records: ir.Table, days: Collection[date]
) -> Reconciled:
    """`reconcile` on a connection of DuckDB. What its results share is in two temporary tables of the connection, which
    the next call replaces: use the results before."""

    def keep(name: str, table: ir.Table) -> ir.Table:
        kept = f"reconcile_{name}"
        connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {kept} AS {connection.compile(table)}")
        return connection.table(kept)

    return reconcile(records, days, keep)


def daily_batches(
    connection: ibis.backends.duckdb.Backend, table: ir.Table, contract: Contract
) -> pa.RecordBatchReader:
    """`flights` or `superseded` as DuckDB gives them: `day`, then exactly the types of the contract, sorted by day,
    lastseen, icao24 and firstseen."""
    schema = daily_schema(contract)

    def batches() -> Iterator[pa.RecordBatch]:
        sql = connection.compile(table.order_by("day", "lastseen", "icao24", "firstseen"))
        for batch in connection.con.sql(sql).to_arrow_reader(BATCH_ROWS):
            yield conform(batch, schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
