"""Instants in ibis expressions: their type, and the wall clock at a place. Importing this imports ibis."""

import ibis
import ibis.expr.datatypes as dt

UTC = dt.Timestamp(timezone="UTC", scale=6)


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, UTC), dt.Timestamp(scale=6)))
def local_time(timezone, instant):  # type: ignore[no-untyped-def]
    """DuckDB's `timezone(name, timestamptz)`: the wall clock there at that instant."""
