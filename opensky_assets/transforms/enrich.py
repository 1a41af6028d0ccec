"""Tables joined with the reference tables: one ibis expression each. Not here: the engines that run it (`engines/`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensky_assets.schemas import (
    AIRCRAFT_DATABASE,
    AIRPORTS,
    CORE_FLIGHTS,
    ENRICHED_FLIGHTS,
    ENRICHED_STATES,
    STATE_VECTORS,
    Contract,
)
from opensky_assets.transforms.operators import with_operator_names

if TYPE_CHECKING:
    import ibis.expr.types as ir

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""

AIRLINE_CALLSIGN = "^[A-Z]{3}[0-9]"
"""An airline's callsign: its three-letter ICAO designator, then a flight identification that starts with a digit."""

STATE_PLANE = tuple(
    name
    for name in ENRICHED_STATES.schema.names
    if name not in {*STATE_VECTORS.schema.names, "aircraft_matched", "aircraft_snapshot", "operator_name"}
)
"""Columns of the aircraft database that a state vector gets."""


def great_circle_km(lat1: ir.Value, lon1: ir.Value, lat2: ir.Value, lon2: ir.Value) -> ir.Value:
    """Great-circle distance in km between two points in degrees (haversine)."""
    import ibis

    phi1, phi2 = lat1.radians(), lat2.radians()
    half_dphi, half_dlambda = (phi2 - phi1) / 2, (lon2 - lon1).radians() / 2
    h = half_dphi.sin() * half_dphi.sin() + phi1.cos() * phi2.cos() * half_dlambda.sin() * half_dlambda.sin()
    h = ibis.ifelse(h > 1, 1.0, h)  # rounding; not least(), which takes 1 for an unknown h
    return 2 * EARTH_RADIUS_KM * h.sqrt().asin()


def enrich_flights(
    flights: ir.Table, aircraft: ir.Table, airports: ir.Table, operator_names: ir.Table, snapshot: str
) -> ir.Table:
    """Every flight of `flights` once, with `ENRICHED_FLIGHTS`'s columns behind `day`.

    `aircraft` has one row an icao24, `airports` and `operator_names` (of `name_operators`) one row a code, so that no
    join doubles a flight; all are left joins, so that none loses one.
    """
    import ibis

    from opensky_assets.transforms.instants import UTC, local_time

    columns = ("icao24", "manufacturername", "manufacturericao", "model", "operator", "operatoricao")
    plane = with_operator_names(aircraft.select(columns), operator_names).rename(aircraft_icao24="icao24")
    joined = flights.left_join(plane, flights.icao24 == plane.aircraft_icao24)
    for end in ("origin", "destination"):
        airport = airports.select(
            **{
                f"{end}_{name}": airports[name]
                for name in ("icao", "name", "city", "country", "lat", "lon", "timezone")
            }
        )
        joined = joined.left_join(airport, joined[end] == airport[f"{end}_icao"])
    t = joined
    distance_km = great_circle_km(t.origin_lat, t.origin_lon, t.destination_lat, t.destination_lon)
    # The difference of whole seconds, not the whole seconds of the difference.
    duration_s = t.lastseen.truncate("s").epoch_seconds() - t.firstseen.truncate("s").epoch_seconds()
    t = t.mutate(distance_km=distance_km, duration_s=duration_s.cast("int64"))
    flown = (t.duration_s > 0) & (t.distance_km > 0)
    t = t.mutate(
        aircraft_matched=t.aircraft_icao24.notnull(),
        airline_icao=ibis.ifelse(t.callsign.re_search(AIRLINE_CALLSIGN), t.callsign.substr(0, 3), None),
        mean_speed_kmh=ibis.ifelse(flown, t.distance_km / t.duration_s * 3600, None),
        domestic=t.origin_country == t.destination_country,
        departure_local=local_time(t.origin_timezone, t.firstseen.cast(UTC)),
        arrival_local=local_time(t.destination_timezone, t.lastseen.cast(UTC)),
        aircraft_snapshot=ibis.literal(snapshot),
    )
    return t.select("day", *ENRICHED_FLIGHTS.schema.names)


def enrich_states(states: ir.Table, aircraft: ir.Table, operator_names: ir.Table, snapshot: str) -> ir.Table:
    """Every state vector of `states` once, with `ENRICHED_STATES`'s columns behind `day`, in the order they come in,
    as `engines/on_duckdb.py` runs its joins.

    `aircraft` has one row an icao24, `operator_names` one row a code, and these are left joins, so no state is doubled
    or lost.
    """
    import ibis

    plane = with_operator_names(aircraft.select("icao24", *STATE_PLANE), operator_names)
    plane = plane.rename(aircraft_icao24="icao24")
    t = states.left_join(plane, states.icao24 == plane.aircraft_icao24)
    t = t.mutate(aircraft_matched=t.aircraft_icao24.notnull(), aircraft_snapshot=ibis.literal(snapshot))
    return t.select("day", *ENRICHED_STATES.schema.names)


@dataclass(frozen=True)
class Enrichment:
    """A table joined with reference tables, for whatever engine runs it.

    `expression` takes the raw rows with their `day`, then a table for each of `references`, of which the aircraft
    database is the first, then the names of operators (`name_operators`), then the version of the aircraft database.
    `order` are the columns that a day's rows are sorted by; empty: they stay as the raw files have them, so that
    nothing need be held to sort it.
    """

    raw: Contract
    result: Contract
    references: tuple[Contract, ...]
    expression: Callable[..., ir.Table]
    order: tuple[str, ...] = ()
    reach: int = 0
    """Days around those of a run whose raw rows may change with them, so that they are made anew too."""


FLIGHT_ENRICHMENT = Enrichment(
    CORE_FLIGHTS,
    ENRICHED_FLIGHTS,
    (AIRCRAFT_DATABASE, AIRPORTS),
    enrich_flights,
    ("lastseen", "icao24", "firstseen"),
    reach=1,
)
STATE_ENRICHMENT = Enrichment(STATE_VECTORS, ENRICHED_STATES, (AIRCRAFT_DATABASE,), enrich_states)


NAME_LINEAGE = [
    ("aircraft_database", name) for name in ("operator", "operatoricao", "operatoriata", "operatorcallsign")
]


def _flight_lineage() -> dict[str, list[tuple[str, str]]]:
    found = {name: [("flights", name)] for name in CORE_FLIGHTS.schema.names}
    for name in ("manufacturername", "manufacturericao", "model", "operator", "operatoricao"):
        found[name] = [("aircraft_database", name)]
    found["operator_name"] = NAME_LINEAGE
    found["aircraft_matched"] = [("flights", "icao24"), ("aircraft_database", "icao24")]
    found["airline_icao"] = [("flights", "callsign")]
    ends = ("origin", "destination")
    for end in ends:
        for name in ("name", "city", "country"):
            found[f"{end}_{name}"] = [("flights", end), ("airports", name)]
    found["distance_km"] = [("flights", end) for end in ends] + [("airports", "lat"), ("airports", "lon")]
    found["duration_s"] = [("flights", "firstseen"), ("flights", "lastseen")]
    found["mean_speed_kmh"] = found["distance_km"] + found["duration_s"]
    found["domestic"] = [("flights", end) for end in ends] + [("airports", "country")]
    found["departure_local"] = [("flights", "firstseen"), ("flights", "origin"), ("airports", "timezone")]
    found["arrival_local"] = [("flights", "lastseen"), ("flights", "destination"), ("airports", "timezone")]
    return found


FLIGHT_LINEAGE = _flight_lineage()
"""Column of `ENRICHED_FLIGHTS` → the (asset, column) pairs it is made of."""

STATE_LINEAGE = {
    **{name: [("raw_state_vectors", name)] for name in STATE_VECTORS.schema.names},
    **{name: [("aircraft_database", name)] for name in STATE_PLANE},
    "operator_name": NAME_LINEAGE,
    "aircraft_matched": [("raw_state_vectors", "icao24"), ("aircraft_database", "icao24")],
}
"""Column of `ENRICHED_STATES` → the (asset, column) pairs it is made of."""
