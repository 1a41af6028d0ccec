"""One name for each operator: the aircraft database writes `operator` as a name, a code or a callsign."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

OPERATOR_CODE = "^[A-Z]{3}$"
"""An operator's ICAO code. Whatever else stands in the field of the code is not one."""


def name_operators(aircraft: ir.Table) -> ir.Table:
    """One row for each ICAO code of the aircraft database: `code`, and its `name`, null where it has none.

    The name is the text that most aircraft of the code have as their operator; of equally frequent ones one that holds
    its callsign, as "Asiana Airlines" does, then the first in the alphabet. A text that only repeats the ICAO or IATA
    code is not a name. Where a code has no name, its most frequent radio callsign stands in for it.
    """
    import ibis

    coded = aircraft.filter(aircraft.operatoricao.re_search(OPERATOR_CODE))
    text = coded.operator
    is_code = (text.upper() == coded.operatoricao) | (text == coded.operatoriata).fill_null(False)
    columns = {"code": "operatoricao", "callsign": "operatorcallsign"}
    names = coded.filter(~is_code).select(**columns, name="operator", rank=ibis.literal(0))
    callsigns = coded.select(**columns, name="operatorcallsign", rank=ibis.literal(1))
    known = ibis.union(names, callsigns)
    counts = known.group_by("code", "rank", "name").agg(
        aircraft=lambda t: t.count(), alike=lambda t: t.name.upper().contains(t.callsign).any().fill_null(False)
    )
    order = [counts.name.isnull(), counts.rank, counts.aircraft.desc(), counts.alike.desc(), counts.name]
    place = ibis.row_number().over(group_by="code", order_by=order)
    placed = counts.mutate(place=place)
    return placed.filter(placed.place == 0).select("code", "name")


def with_operator_names(aircraft: ir.Table, names: ir.Table) -> ir.Table:
    """Aircraft with `operator` and `operatoricao`, with `operator_name` beside them; `names` are of `name_operators`.

    An aircraft with a code has the code's name. One without has its own text, unless that is itself a code.
    """
    import ibis

    # No pattern is asked here: this is done for every aircraft, with every chunk of rows.
    named = aircraft.left_join(names, ibis.coalesce(aircraft.operatoricao, aircraft.operator) == names.code)
    return named.mutate(operator_name=ibis.ifelse(named.code.notnull(), named.name, named.operator)).drop(
        "code", "name"
    )
