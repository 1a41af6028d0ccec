"""Made-up report data: a busy range of days, as large as a page may get."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from opensky_assets.report.data import MAP_AIRPORTS, MAP_ROUTES, Airline, Airport, Matrix, ReportData, Route, States


def busy_day(simulated: bool = True) -> ReportData:
    """One day with something for every figure, the map full of the longest routes there can be."""
    airports = [
        Airport(
            f"X{at:03d}",
            f"Airport {at} <&>",
            500_000 // (at + 1),
            400_000 // (at + 1),
            (at * 7 % 360 - 180.0, at * 5 % 140 - 70.0),
        )
        for at in range(MAP_AIRPORTS)
    ]
    routes = []
    for at in range(MAP_ROUTES):
        lon, lat = at * 37 % 360 - 180.0, at * 11 % 120 - 60.0
        ends = (lon, lat, (lon + 350) % 360 - 180.0, -lat)
        routes.append(Route(f"X{at % 250:03d}", f"X{(at + 1) % 250:03d}", 1 + 4000 // (at + 1), 19_000.0, ends))
    codes = [airport.code for airport in airports[:15]]
    return ReportData(
        first="2022-06-26",
        last="2022-06-26",
        simulated=simulated,
        days=["2022-06-26"],
        totals={"flights": 90_000, "aircraft": 20_000, "distance_km": 1.2e8, "hours": 180_000.0},
        hours=[(3000 + 40 * hour, 3900 - 30 * hour) for hour in range(24)],
        peak=("X000", 97),
        daily=[("2022-06-26", 90_000)],
        top_routes=routes[:10],
        map_routes=routes,
        route_count=25_000,
        airports=airports,
        matrix=Matrix(codes, [[(y * x) % 7 * 20 for x in range(15)] for y in range(15)], 160, 0.76, 0.8),
        manufacturers=[("BOEING", 40_000), ("AIRBUS", 38_000), (None, 9_000), ("ATR", 3_000)],
        types=[("BOEING", "B738", 30_000), (None, None, 9_000)],
        airlines=[
            Airline(f"A{chr(65 + at // 26 % 26)}{chr(65 + at % 26)}", f"Airline {at} <&>", 9_000 // (at + 1), 50)
            for at in range(650)
        ]
        + [Airline(None, None, 20_000, 5_000)],
        quality={
            ("flights", "read"): 90_010,
            ("flights", "written"): 90_000,
            ("flights", "quarantined"): 10,
            ("enriched_flights", "flights"): 90_000,
            ("enriched_flights", "unknown_origin"): 20_000,
            ("enriched_flights", "unknown_destination"): 18_000,
            ("enriched_flights", "unmatched_aircraft"): 1_000,
        },
        states=States(
            ["2022-06-26"], 40_000_000, [9000.0] * 24, [0.5, 0.3, 0.1, 0.02, 0.02, 0.02, 0.03, 0.01], 0.9, 90, 0.1
        ),
        next_day_there=False,
        objects={
            "flights": ["flights/flightlist_20220601_20220630.csv.gz"],
            "state_vectors": [f"s{n}" for n in range(24)],
        },
        landed_days=0.3,
    )


def busy_range() -> ReportData:
    """Ten years of days."""
    first = date(2017, 1, 1)
    days = [((first + timedelta(n)).isoformat(), 80_000 + n) for n in range(3650)]
    names = [day for day, _ in days]
    return replace(busy_day(False), first=names[0], last=names[-1], daily=days, days=names)


def nothing() -> ReportData:
    """A day of which the lake has nothing."""
    return replace(
        busy_day(),
        totals={"flights": 0, "aircraft": 0, "distance_km": 0, "hours": 0},
        days=[], hours=[(0, 0)] * 24, peak=None, daily=[], top_routes=[], map_routes=[], route_count=0, airports=[],
        matrix=None, manufacturers=[], types=[], airlines=[], quality={}, states=None, objects={}, landed_days=None,
    )  # fmt: skip
