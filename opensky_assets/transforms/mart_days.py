"""What a day of a mart is made of, and which days around it flights of a day reach."""

from __future__ import annotations

from collections.abc import Iterable

from opensky_assets.calendar import days_around
from opensky_assets.datasets import daily_contracts
from opensky_assets.lake import Lake
from opensky_assets.lake.manifest import Inputs
from opensky_assets.schemas import CORE_FLIGHTS, DATA_QUALITY_DAILY, ENRICHED_FLIGHTS, ENRICHED_STATES, Contract
from opensky_assets.schemas.marts import BY_MOVEMENT
from opensky_assets.transforms.inputs import made_versions, versions_of

MOVEMENTS_BEFORE, MOVEMENTS_AFTER = 2, 1
"""The movements of a day are those of its flights and of the flights of the two days after it; a rolling count reaches
back into the day before. So flights of day D have a part in the movement days D-2 … D+1."""


def tables_of(mart: Contract) -> tuple[Contract, ...]:
    """The tables that a mart is made of."""
    if mart is DATA_QUALITY_DAILY:
        return (ENRICHED_FLIGHTS, *daily_contracts(), CORE_FLIGHTS, ENRICHED_STATES)
    return (ENRICHED_FLIGHTS,)


def movement_days_of(days: Iterable[str]) -> list[str]:
    """The days on which flights of `days` have a part in the movements."""
    return days_around(days, MOVEMENTS_BEFORE, MOVEMENTS_AFTER)


def flight_days_of(days: Iterable[str]) -> list[str]:
    """The days whose flights have a part in the movements of `days`: the other way round."""
    return days_around(days, MOVEMENTS_AFTER, MOVEMENTS_BEFORE)


def neighbours_of(mart: Contract, days: Iterable[str]) -> list[str]:
    """The days of a mart, beside `days`, that a run over the flights of `days` makes anew."""
    chosen = set(days)
    return sorted({*movement_days_of(chosen)} - chosen) if mart in BY_MOVEMENT else []


def inputs_of_mart(lake: Lake, mart: Contract, days: Iterable[str]) -> dict[str, Inputs]:
    """What each of the days of a mart is made of; days without any input are not in it."""
    wanted = list(days)

    def flight_days(of: list[str]) -> list[str]:
        return flight_days_of(of) if mart in BY_MOVEMENT else of

    flights = made_versions(lake, ENRICHED_FLIGHTS, flight_days(wanted))
    others = {c.path: versions_of(lake, c, wanted) for c in tables_of(mart) if c is not ENRICHED_FLIGHTS}
    inputs: dict[str, Inputs] = {}
    for day in wanted:
        found = {f"{ENRICHED_FLIGHTS.path}/{d}": flights[d] for d in flight_days([day]) if d in flights}
        found |= {f"{path}/{day}": versions[day] for path, versions in others.items() if day in versions}
        if found:
            inputs[day] = {**found, "contract": mart.version}
    return inputs
