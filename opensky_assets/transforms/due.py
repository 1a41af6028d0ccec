"""Which days of core tables and marts are due: not made yet, made of other inputs than the lake has now, or broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from opensky_assets.ingest.plan import RAW_TABLES, Plan
from opensky_assets.lake import Lake
from opensky_assets.lake.days import due_days
from opensky_assets.lake.manifest import Inputs
from opensky_assets.schemas import CORE_FLIGHTS, SUPERSEDED_FLIGHTS, Contract
from opensky_assets.schemas.dbt_project import Mart
from opensky_assets.schemas.tables import marts
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT, Enrichment
from opensky_assets.transforms.flights import inputs_of_flights
from opensky_assets.transforms.inputs import inputs_of_enrichment
from opensky_assets.transforms.mart_days import inputs_of_mart

InputsOf = Callable[[Lake, Iterable[str]], dict[str, Inputs]]


def derived_tables() -> Iterator[tuple[Contract, InputsOf]]:
    """Every daily table that is made of others, upstream first, and what its days are made of."""
    yield CORE_FLIGHTS, inputs_of_flights
    yield SUPERSEDED_FLIGHTS, inputs_of_flights
    for what in (FLIGHT_ENRICHMENT, STATE_ENRICHMENT):
        yield what.result, partial(_of_enrichment, what=what)
    for mart in marts():
        yield mart.contract, partial(_of_mart, mart=mart)


def _of_enrichment(lake: Lake, days: Iterable[str], what: Enrichment) -> dict[str, Inputs]:
    return inputs_of_enrichment(lake, what, days)


def _of_mart(lake: Lake, days: Iterable[str], mart: Mart) -> dict[str, Inputs]:
    return inputs_of_mart(lake, mart, days)


def due_by_table(lake: Lake, days: Iterable[str]) -> dict[str, list[str]]:
    """Those of `days` that are due, by the path of the table; of tables below one that is due, only what is due by
    itself."""
    wanted = list(days)
    found = {table.path: due_days(lake, table.path, inputs_of(lake, wanted)) for table, inputs_of in derived_tables()}
    return {path: due for path, due in found.items() if due}


def due_days_of(lake: Lake, plan: Plan, days: Iterable[str], refresh: bool = False) -> list[str]:
    """Those of `days` that are due: an object of them is to be read, or a table of them is to be made."""
    wanted = sorted(days)
    due = {day for table in RAW_TABLES for o in plan.of(table) if o.is_due(refresh) for day in o.days or ()}
    due |= {day for made in due_by_table(lake, wanted).values() for day in made}
    return [day for day in wanted if day in due]
