"""ibis expressions as DuckDB's SQL."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from opensky_assets.engines.on_duckdb import Query
from opensky_assets.schemas import Contract
from opensky_assets.transforms.enrich import Enrichment
from opensky_assets.transforms.operators import name_operators
from opensky_assets.transforms.repeats import first_of_each
from opensky_assets.transforms.rows import daily_schema


def compile_enrichment(what: Enrichment, snapshot: str) -> Query:
    """The SQL of an enrichment, once for all of a run's chunks."""
    references = [_view(reference) for reference in what.references]
    names = name_operators(references[0])
    operator_names = ibis.table(names.schema(), name="operator_names")
    if not what.order:
        references[0] = _of_aircraft_in(_view(what.raw), references[0])
    rows = _view(what.raw, day="string")
    repeated = first_of_each(_view(what.raw, day="string", filename="string"), what.raw, "filename")

    def sql(rows: ir.Table, order: tuple[str, ...]) -> str:
        query = what.expression(rows.mutate(day=rows.day.cast("date")), *references, operator_names, snapshot)
        return _sql(query.order_by(["day", *order]) if order else query)

    return Query(
        raw=what.raw.name,
        time=what.raw.day_column or "",
        references={reference.name: reference.path for reference in what.references},
        lookups={"operator_names": _sql(names)},
        schema=daily_schema(what.result),
        sql=sql(rows, what.order),
        sql_of_repeated=sql(repeated, what.order or what.raw.key),
        is_sorted=bool(what.order),
    )


def _of_aircraft_in(rows: ir.Table, aircraft: ir.Table) -> ir.Table:
    """The aircraft that stand in a chunk: a join that keeps the order of its rows hashes all that it is given, and a
    chunk has some thousands of OpenSky's 600,000."""
    return aircraft.semi_join(rows, "icao24")


def _sql(table: ir.Table) -> str:
    return str(ibis.to_sql(table, dialect="duckdb", pretty=False))


def _view(contract: Contract, **more: str) -> ir.Table:
    """A table as `on_duckdb.create_view` makes it. Its columns may be null: a contract's `nullable` is no promise of
    a file to a planner of queries."""
    schema = pa.schema([field.with_nullable(True) for field in contract.schema])
    return ibis.table({**ibis.Schema.from_pyarrow(schema), **more}, name=contract.name)
