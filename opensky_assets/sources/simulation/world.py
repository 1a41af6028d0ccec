"""The simulated world: airports, receivers and a fleet, all drawn from one seed.

`airportsdata` gives no size. The proxy: the airports of `catalog.HUBS` in their order have weights that fall off
as Zipf's law (1 / rank^0.7); then come airports that have both an IATA code and a four-letter ICAO code (so,
airports with public traffic), drawn by the seed, three times as likely where the name says "International", with
the weight of the last hub halved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opensky_assets.sources.simulation.catalog import COUNTRIES, HUBS, SPECIAL_ICAO24, TYPES

EARTH_RADIUS = 6_371_008.8  # m, mean radius (IUGG)
FOOT = 0.3048  # m
SMALL_AIRPORTS = 260
CANDIDATES = 8  # destinations in the network of one aircraft
MAX_AIRCRAFT = 60_000  # what the smallest address block can hold at its country's share
FLOOR_CELLS = 2  # cells of the coverage raster a degree
RADIO_RANGE = 400_000.0  # m
HORIZON = 4_120.0  # m of range a square root of a metre of height (four-thirds earth)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Airports:
    """Airports by index; `lat`, `lon` in degrees, `elevation` in m, `unit` the vectors from the earth's centre."""

    icao: list[str]
    country: list[str]
    lat: Floats
    lon: Floats
    elevation: Floats
    weight: Floats
    receiver: NDArray[np.bool_]
    unit: Floats


@dataclass(frozen=True)
class Fleet:
    """Aircraft by index. `airline` is the index within its country's airlines, -1 is private."""

    icao24: list[str]
    registration: list[str]
    country: Ints
    type: Ints
    airline: Ints
    home: Ints
    candidates: Ints
    activity: Floats
    adsb: NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    airports: Airports
    fleet: Fleet
    floor: NDArray[np.float32]
    """Lowest visible altitude in m, by cells of latitude and longitude; infinite where no receiver is near."""
    spare_icao24: list[str]
    """Addresses of aircraft that stand in the aircraft tables but do not fly."""


def unit_vectors(lat: Floats, lon: Floats) -> Floats:
    """Unit vectors (n, 3) of positions in degrees."""
    la, lo = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(la) * np.cos(lo), np.cos(la) * np.sin(lo), np.sin(la)], axis=-1)


def build_world(aircraft: int, seed: int) -> World:
    """Airports, coverage and a fleet of `aircraft`; the same seed gives the same world."""
    if not 1 <= aircraft <= MAX_AIRCRAFT:
        raise ValueError(f"aircraft must be between 1 and {MAX_AIRCRAFT}, not {aircraft}")
    airports = load_airports(np.random.default_rng([seed, 1]))
    fleet, spare = build_fleet(airports, aircraft, np.random.default_rng([seed, 2]))
    return World(airports, fleet, coverage_floor(airports), spare)


def load_airports(rng: np.random.Generator) -> Airports:
    """The hubs and a seeded draw of smaller airports, sorted by weight."""
    import airportsdata

    table = airportsdata.load("ICAO")
    known = {
        str(a["iata"]): a
        for icao, a in sorted(table.items())
        if a["iata"] and len(icao) == 4 and icao.isalpha() and abs(a["lat"]) < 72
    }
    hubs = [known[code] for code in HUBS.split() if code in known]
    rest = [a for code, a in sorted(known.items()) if code not in HUBS.split()]
    odds = np.array([3.0 if "International" in str(a["name"]) else 1.0 for a in rest])
    drawn = rng.choice(len(rest), size=SMALL_AIRPORTS, replace=False, p=odds / odds.sum())
    chosen = hubs + [rest[i] for i in drawn]
    weight: Floats = (1.0 / np.arange(1, len(chosen) + 1) ** 0.7).astype(np.float64)
    weight[len(hubs) :] = weight[len(hubs) - 1] / 2
    lat = np.array([a["lat"] for a in chosen], dtype=np.float64)
    lon = np.array([a["lon"] for a in chosen], dtype=np.float64)
    # Feeders are dense in Europe and North America and thin elsewhere.
    dense = (lat > 25) & (((lon > -130) & (lon < -60)) | ((lon > -12) & (lon < 35)))
    receiver = rng.random(len(chosen)) < np.where(dense, 0.9, 0.55)
    return Airports(
        icao=[str(a["icao"]) for a in chosen],
        country=[str(a["country"]) for a in chosen],
        lat=lat,
        lon=lon,
        elevation=np.array([a["elevation"] * FOOT for a in chosen], dtype=np.float64),
        weight=weight,
        receiver=receiver,
        unit=unit_vectors(lat, lon),
    )


def coverage_floor(airports: Airports) -> NDArray[np.float32]:
    """The lowest altitude (m) that some receiver sees over each cell: the radio horizon of the nearest ones."""
    rows, cols = 180 * FLOOR_CELLS, 360 * FLOOR_CELLS
    floor = np.full((rows, cols), np.inf, dtype=np.float32)
    cell_lat = (np.arange(rows) + 0.5) / FLOOR_CELLS - 90
    cell_lon = (np.arange(cols) + 0.5) / FLOOR_CELLS - 180
    for i in np.flatnonzero(airports.receiver):
        near = np.flatnonzero(np.abs(cell_lat - airports.lat[i]) < 4.0)
        grid = unit_vectors(cell_lat[near][:, None] + 0 * cell_lon, cell_lon + 0 * cell_lat[near][:, None])
        distance = EARTH_RADIUS * np.arccos(np.clip(grid @ airports.unit[i], -1, 1))
        sight = airports.elevation[i] + (np.maximum(distance - 25_000, 0) / HORIZON) ** 2
        sight[distance > RADIO_RANGE] = np.inf
        floor[near] = np.minimum(floor[near], sight)
    return floor


def build_fleet(airports: Airports, count: int, rng: np.random.Generator) -> tuple[Fleet, list[str]]:
    """`count` aircraft, and half as many addresses more for aircraft that do not fly."""
    share = np.array([c.share for c in COUNTRIES])
    total = count + max(10, count // 2)
    country = rng.choice(len(COUNTRIES), size=total, p=share / share.sum())
    addresses = draw_addresses(country, rng)
    addresses[: min(count, len(SPECIAL_ICAO24))] = SPECIAL_ICAO24[: min(count, len(SPECIAL_ICAO24))]
    private = rng.random(count) < 0.15
    types = draw_types(private, rng)
    carriers = np.array([len(c.airlines) for c in COUNTRIES])[country[:count]]
    airline = np.where(private, -1, (rng.random(count) * carriers).astype(np.int64))
    home = draw_homes(airports, country[:count], rng)
    return (
        Fleet(
            icao24=addresses[:count],
            registration=draw_registrations(country[:count], rng),
            country=country[:count],
            type=types,
            airline=airline,
            home=home,
            candidates=draw_candidates(airports, home, types, rng),
            activity=np.where(private, rng.uniform(0.05, 0.25, count), rng.uniform(0.25, 0.6, count)),
            adsb=rng.random(count) >= 0.07,
        ),
        addresses[count:],
    )


def draw_addresses(country: Ints, rng: np.random.Generator) -> list[str]:
    """Transponder addresses without repeats, each within its country's block."""
    out = np.zeros(len(country), dtype=np.int64)
    taken = {int(text, 16) for text in SPECIAL_ICAO24}
    for i, c in enumerate(COUNTRIES):
        members = np.flatnonzero(country == i)
        drawn = c.block + rng.choice(c.size, size=len(members) + len(taken), replace=False)
        out[members] = [d for d in drawn.tolist() if d not in taken][: len(members)]
    return [f"{address:06x}" for address in out.tolist()]


def draw_registrations(country: Ints, rng: np.random.Generator) -> list[str]:
    """Tail numbers without repeats, in the manner of each country."""
    seen: set[str] = set()
    out: list[str] = []
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for i in country.tolist():
        prefix = COUNTRIES[i].prefix
        while True:
            a, b, c, d = (int(x) for x in rng.integers(0, 26, 4))
            number = int(rng.integers(1, 1000))
            if prefix == "N":
                text = f"N{number}{letters[a]}{letters[b]}"
            elif prefix in ("JA", "HL", "B-"):
                text = f"{prefix}{number:03d}{letters[a]}" if prefix == "JA" else f"{prefix}{number * 9 + d % 9:04d}"
            else:
                text = prefix + letters[a] + letters[b] + letters[c] + (letters[d] if prefix[0] in "DFGIH" else "")
            if text in seen:
                text = f"{text}{number}"
            if text not in seen:
                seen.add(text)
                out.append(text)
                break
    return out


def draw_types(private: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    out = np.zeros(len(private), dtype=np.int64)
    for mask, airline in ((private, False), (~private, True)):
        share = np.array([t.share if t.airline is airline else 0.0 for t in TYPES])
        out[mask] = rng.choice(len(TYPES), size=int(mask.sum()), p=share / share.sum())
    return out


def draw_homes(airports: Airports, country: Ints, rng: np.random.Generator) -> Ints:
    """A home airport in the aircraft's own country, by weight; anywhere where the country has none."""
    out = np.zeros(len(country), dtype=np.int64)
    where = np.array(airports.country)
    for i, c in enumerate(COUNTRIES):
        members = np.flatnonzero(country == i)
        own = np.where(where == c.code, airports.weight, 0.0)
        own = own if own.sum() > 0 else airports.weight
        out[members] = rng.choice(len(own), size=len(members), p=own / own.sum())
    return out


def draw_candidates(airports: Airports, home: Ints, types: Ints, rng: np.random.Generator) -> Ints:
    """The network of each aircraft: airports within its type's range, by weight, nearer ones preferred."""
    out = np.zeros((len(home), CANDIDATES), dtype=np.int64)
    shortest = np.array([t.shortest for t in TYPES]) * 1000
    longest = np.array([t.longest for t in TYPES]) * 1000
    for pair in np.unique(home * len(TYPES) + types).tolist():
        at, kind = divmod(pair, len(TYPES))
        members = np.flatnonzero((home == at) & (types == kind))
        distance = EARTH_RADIUS * np.arccos(np.clip(airports.unit @ airports.unit[at], -1, 1))
        odds = airports.weight * np.exp(-distance / (0.35 * longest[kind]))
        odds[(distance < shortest[kind]) | (distance > longest[kind])] = 0.0
        if odds.sum() == 0:  # an island with nothing in range: the nearest airport beyond a hop
            odds[np.argmin(np.where(distance < 120_000, np.inf, distance))] = 1.0
        out[members] = rng.choice(len(odds), size=(len(members), CANDIDATES), p=odds / odds.sum())
    return out
