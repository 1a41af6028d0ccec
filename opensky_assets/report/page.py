"""The page: one HTML file that needs nothing else. Its own policy forbids it to load anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from opensky_assets.report import figures
from opensky_assets.report.data import (
    AGE_STEPS_S,
    MAP_AIRPORTS,
    MAP_ROUTES,
    TOP,
    Airline,
    Airport,
    Matrix,
    ReportData,
    Route,
)
from opensky_assets.report.figures import number, percent
from opensky_assets.report.geo import REGIONS, great_circle, make_view
from opensky_assets.report.html import csp_hash, render, script
from opensky_assets.report.theme import DARK, LIGHT, PAGE, SEQUENCE, Theme, css_variables

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

MOST_BYTES = 2_000_000
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Table:
    """Numbers of a figure. Its `name` is empty where a figure has one table."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns are numbers."""
        return [any(isinstance(row[at], int | float) for row in self.rows) for at in range(len(self.columns))]


@dataclass(frozen=True)
class Inset:
    """A part of a figure, drawn larger below it."""

    name: str
    title: str
    draw: Callable[[Theme], Figure]


Pick = Literal["near", "x", "y"]
"""Which mark is meant by a place beside it: the nearest one, the column above or below it, the bar beside it."""

Zoom = Literal["all", "x", "map"]
"""What zoom does: enlarge the drawing, stretch its columns sideways, or enlarge a map whose lines stay thin."""


@dataclass(frozen=True)
class Card:
    """One figure with its heading, what it tells in a sentence, its numbers as a table, and a caveat. Marks of the
    figure stand for rows of the table or, by `figures.marks`, of one of `more`."""

    name: str
    title: str
    lead: str
    draw: Callable[[Theme], Figure]
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    narrow: Callable[[Theme], Figure] | None = None
    """Another drawing for narrow screens."""
    more: Sequence[Table] = ()
    insets: Sequence[Inset] = ()
    pick: Pick = "near"
    zoom: Zoom = "all"
    table: str = ""
    """Name of the table, where there are more."""

    @property
    def tables(self) -> list[Table]:
        return [Table(self.table, self.columns, self.rows), *self.more]


def span(data: ReportData) -> str:
    """The days in words."""
    first, last = date.fromisoformat(data.first), date.fromisoformat(data.last)
    if data.one_day:
        return f"{first:%A}, {first.day} {first:%B %Y}"
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


def cards(data: ReportData) -> list[Card]:
    """Every figure that the data has something for."""
    found = [_map(data), _hours(data), _routes(data), _matrix(data), *_airports(data), _airlines(data)]
    found.append(_manufacturers(data))
    if not data.one_day:
        found.insert(1, _daily(data))
    found += [_aircraft(data), _ages(data), _quality(data)]
    return [card for card in found if card is not None]


def _map(data: ReportData) -> Card | None:
    if not data.map_routes:
        return None
    shown = len(data.map_routes)
    all_shown = "All routes" if shown == data.route_count else f"The {shown} busiest of {data.route_count:,} routes"
    located = [airport for airport in data.airports if airport.position][:MAP_AIRPORTS]
    return Card(
        "map",
        "Routes",
        f"{all_shown} with two known airports, as great circles: the stronger the line, the more flights. "
        f"Dots: {len(located):,} airports, larger with more movements.",
        lambda theme: figures.route_map(data.map_routes, located, theme, wide=True),
        ROUTE_COLUMNS,
        _route_rows(data.map_routes),
        "" if shown == data.route_count else f"More than {MAP_ROUTES} routes would hide one another.",
        narrow=lambda theme: figures.route_map(data.map_routes, located, theme, wide=False),
        table="Routes",
        more=[Table("Airports", AIRPORT_COLUMNS, _airport_rows(located))],
        insets=_insets(data, located),
        zoom="map",
    )


ROUTE_COLUMNS = ("Route", "Flights", "Distance (km)")
AIRPORT_COLUMNS = ("Airport", "Name", "Departures", "Arrivals")


def _route_rows(routes: Sequence[Route]) -> list[tuple[object, ...]]:
    return [
        (f"{r.origin} → {r.destination}", r.flights, "" if r.distance_km is None else round(r.distance_km))
        for r in routes
    ]


def _airport_rows(airports: Sequence[Airport]) -> list[tuple[object, ...]]:
    return [(a.code, a.name or "", a.outbound, a.inbound) for a in airports]


LEAST_INSET_ROUTES = 5


def _insets(data: ReportData, located: Sequence[Airport]) -> list[Inset]:
    """Below a world map, its crowded parts."""
    ways = [great_circle(*route.ends) for route in data.map_routes if route.ends]
    if not make_view(ways, 1.0, 1.0).world:
        return []
    found = []
    for region in REGIONS:
        view = region.view()
        inside = sum(any(view.holds(np.array(end)) for end in (way[0], way[-1])) for way in ways)
        if inside >= LEAST_INSET_ROUTES:
            found.append(
                Inset(
                    region.name,
                    region.title,
                    lambda theme, view=view: figures.route_map(  # type: ignore[misc]
                        data.map_routes, located, theme, wide=True, width=INSET_WIDTH, view=view
                    ),
                )
            )
    return found


INSET_WIDTH = 5.4
"""Inches."""


def _daily(data: ReportData) -> Card | None:
    if not data.daily:
        return None
    day, most = max(data.daily, key=lambda item: item[1])
    return Card(
        "daily",
        "Flights per day",
        f"{len(data.daily)} days have flights; the most on {day}: {most:,}.",
        lambda theme: figures.daily(data.daily, theme),
        ("Day", "Flights"),
        data.daily,
        pick="x",
        zoom="x",
    )


def _hours(data: ReportData) -> Card | None:
    if not any(arrivals or departures for arrivals, departures in data.hours):
        return None
    days = max(len(data.days), 1)
    hour = max(range(24), key=lambda at: sum(data.hours[at]))
    busiest = sum(data.hours[hour]) / days
    mean = "" if days == 1 else " on an average day"
    means = () if days == 1 else ("Arrivals a day (mean)", "Departures a day (mean)")
    late = data.one_day and not data.next_day_there
    return Card(
        "hours",
        "Arrivals and departures by hour",
        f"The busiest hour begins at {hour:02d}:00 UTC: {number(busiest)} movements{mean}."
        + (f" Most within any 60 minutes at one airport: {data.peak[1]:,} at {data.peak[0]}." if data.peak else ""),
        lambda theme: figures.hours(data.hours, days, theme),
        ("Hour (UTC)", *means, "Arrivals", "Departures"),
        [(f"{at:02d}:00", *(round(n / days, 1) for n in data.hours[at] if means), *data.hours[at]) for at in range(24)],
        "A departure counts when its flight is first seen, an arrival when it is last seen."
        + (" Departures that landed on the next day will be added when that day is in the lake." if late else ""),
        pick="x",
        zoom="x",
    )


def _routes(data: ReportData) -> Card | None:
    if not data.top_routes:
        return None
    bars = [(f"{route.origin} → {route.destination}", float(route.flights)) for route in data.top_routes]
    share = sum(value for _, value in bars) / max(data.totals["flights"], 1)
    return Card(
        "routes",
        "Top routes",
        f"{bars[0][0]} leads with {number(bars[0][1])} flights; these {len(bars)} are {percent(share)} of all flights.",
        lambda theme: figures.ranked(bars, theme, "flights"),
        ROUTE_COLUMNS,
        _route_rows(data.top_routes),
        pick="y",
    )


def _matrix(data: ReportData) -> Card | None:
    matrix = data.matrix
    if matrix is None:
        return None
    size = len(matrix.airports)
    served = f"{matrix.pairs_served} of {size * (size - 1)} pairs of two different airports are served"
    connected = "" if matrix.connectivity is None else f", a connectivity of {percent(matrix.connectivity)}"
    all_cells = (
        f"Some publications divide by all {size}² cells, which also count flights that end where they began: that "
        f"figure is {percent(matrix.connectivity_all_cells)}."
    )
    return Card(
        "matrix",
        f"Between the {size} busiest airports",
        f"{served}{connected}.",
        lambda theme: figures.heatmap(matrix, theme),
        ("From \\ to", *matrix.airports),
        [(origin, *row) for origin, row in zip(matrix.airports, matrix.flights, strict=True)],
        " ".join(filter(None, (all_cells, _empty_lines(matrix)))),
        table="Matrix",
        more=[Table("Pairs", ("Pair", "Flights"), _pairs(matrix))],
    )


def _pairs(matrix: Matrix) -> list[tuple[object, ...]]:
    """Every cell of the matrix as a row, origin by origin."""
    return [
        (f"{origin} → {destination}", flights)
        for origin, row in zip(matrix.airports, matrix.flights, strict=True)
        for destination, flights in zip(matrix.airports, row, strict=True)
    ]


def _empty_lines(matrix: Matrix) -> str:
    """Why rows and columns without a number are there: an airport is busy by all its flights, whoever is at the other
    end."""
    rows = [code for code, row in zip(matrix.airports, matrix.flights, strict=True) if not any(row)]
    columns = [code for code, *column in zip(matrix.airports, *matrix.flights, strict=True) if not any(column)]
    notes = []
    if rows:
        notes.append(f"Empty row: no departure of {', '.join(rows)} goes to one of these airports.")
    if columns:
        notes.append(f"Empty column: no arrival at {', '.join(columns)} comes from one of them.")
    return " ".join(notes)


def _airports(data: ReportData) -> list[Card | None]:
    found: list[Card | None] = []
    for name, title, role in (("outbound", "departures", "second"), ("inbound", "arrivals", "first")):
        top = sorted(data.airports, key=lambda a: (-getattr(a, name), a.code))[:TOP]
        top = [airport for airport in top if getattr(airport, name)]
        if not top:
            found.append(None)
            continue
        bars = [(airport.code, float(getattr(airport, name))) for airport in top]
        first = top[0]
        found.append(
            Card(
                name,
                f"Airports by {title}",
                f"{first.name or first.code} leads with {number(bars[0][1])} {title}.",
                lambda theme, bars=bars, role=role, title=title: figures.ranked(bars, theme, title, role),  # type: ignore[misc]
                AIRPORT_COLUMNS,
                _airport_rows(top),
                pick="y",
            )
        )
    return found


def _airlines(data: ReportData) -> Card | None:
    known = [line for line in data.airlines if line.code]
    if not known:
        return None
    total = max(data.totals["flights"], 1)
    bars = [(line.name or line.code or "", float(line.flights)) for line in known[:TOP]]
    first, top = known[0], sum(line.flights for line in known[:TOP])
    unknown = sum(line.flights for line in data.airlines if not line.code)
    told = f"{_airline_name(first)} leads with {number(first.flights)} flights"
    if len(known) > TOP:
        told += f"; these {TOP} of {number(len(known))} airlines have {percent(top / total)} of all flights"
    return Card(
        "airlines",
        "Airlines",
        f"{told}." + (f" {percent(unknown / total)} have no airline callsign." if unknown else ""),
        lambda theme: figures.ranked(bars, theme, "flights"),
        ("Airline", "Code", "Flights", "Share (%)", "Aircraft"),
        [
            (line.name or line.code, line.code, line.flights, _share(line.flights / total), line.aircraft)
            for line in known[:MOST_AIRLINES]
        ],
        "By the first three letters of the callsign, which are the airline's ICAO code. Names are those that the "
        "aircraft database gives most often for this code."
        + (f" The table has the first {MOST_AIRLINES}." if len(known) > MOST_AIRLINES else ""),
        pick="y",
    )


def _airline_name(airline: Airline) -> str:
    return f"{airline.name} ({airline.code})" if airline.name and airline.name != airline.code else airline.code or ""


def _share(share: float) -> float:
    """In percent, for a table."""
    return round(100 * share, 2)


OTHERS = "others"
MOST_AIRLINES = 500
MOST_TYPES = 300


def _manufacturers(data: ReportData) -> Card | None:
    if not data.manufacturers:
        return None
    known = [(name.title() if len(name) > 3 else name, float(flights)) for name, flights in data.manufacturers if name]
    bars = known[:TOP]
    others = sum(flights for _, flights in known[TOP:])
    unknown = float(sum(flights for name, flights in data.manufacturers if not name))
    bars += [(name, flights) for name, flights in ((OTHERS, others), (UNKNOWN, unknown)) if flights]
    total = max(data.totals["flights"], 1)
    lead = f"{bars[0][0]} flies {percent(bars[0][1] / total)} of the flights. " if known else ""
    kinds = [row for row in data.types if row[0] or row[1]][:MOST_TYPES]
    return Card(
        "manufacturers",
        "Manufacturers",
        lead + (f"For {percent(unknown / total)} the aircraft database names no manufacturer." if unknown else ""),
        lambda theme: figures.ranked(bars, theme, "flights", quiet=frozenset({OTHERS, UNKNOWN})),
        ("Manufacturer", "Flights", "Share (%)"),
        [(name, int(flights), _share(flights / total)) for name, flights in bars],
        f"The table of types has the {MOST_TYPES} most flown." if len(data.types) > MOST_TYPES else "",
        table="Manufacturers",
        more=[
            Table(
                "Types",
                ("Manufacturer", "Type", "Flights"),
                [(manufacturer or UNKNOWN, kind or UNKNOWN, flights) for manufacturer, kind, flights in kinds],
            )
        ],
        pick="y",
    )


def _aircraft(data: ReportData) -> Card | None:
    states = data.states
    if states is None:
        return None
    hour = max(range(24), key=lambda at: states.aircraft_by_hour[at])
    kind = "polls of /states/all" if states.polls else "hourly state files"
    mean = "" if len(states.days) == 1 else f", the mean of the last {len(states.days)} days that have them"
    others = "" if states.polls or not states.days_with_polls else " Polls of these days are not counted here."
    return Card(
        "aircraft",
        "Aircraft in the air or on the ground, by hour",
        f"Distinct aircraft in the {kind}{mean}. Most from {hour:02d}:00 UTC: "
        f"{number(round(states.aircraft_by_hour[hour]))}.",
        lambda theme: figures.aircraft_by_hour(states, theme),
        ("Hour (UTC)", "Aircraft"),
        [(f"{at:02d}:00", round(states.aircraft_by_hour[at], 1)) for at in range(24)],
        f"{states.records:,} state vectors of {', '.join(states.days)}.{others}",
        pick="x",
        zoom="x",
    )


def _ages(data: ReportData) -> Card | None:
    states = data.states
    if states is None or not states.age_shares or states.age_median_s is None or states.age_95_s is None:
        return None
    late = sum(states.age_shares[AGE_STEPS_S.index(15) + 1 :])
    names = [f"up to {AGE_STEPS_S[0]} s", *(f"over {low} to {up} s" for low, up in pairwise(AGE_STEPS_S))]
    names.append(f"over {AGE_STEPS_S[-1]} s")
    return Card(
        "ages",
        "Delay of positions",
        f"Half of the positions are at most {number(states.age_median_s)} s old, 95\N{NO-BREAK SPACE}% at most "
        f"{number(states.age_95_s)} s. {percent(late)} are older than 15 s: OpenSky repeats the last known one for up "
        "to 300 s.",
        lambda theme: figures.position_age(states, theme),
        ("Age", "Share (%)"),
        [(name, _share(share)) for name, share in zip(names, states.age_shares, strict=True)],
        f"{percent(states.without_position)} of the state vectors have no position at all.",
        pick="x",
    )


def _quality(data: ReportData) -> Card | None:
    flights = data.quality.get(("enriched_flights", "flights"), 0)
    rows = [
        (table, measure.replace("_", " ").replace(":", ": "), records)
        for (table, measure), records in sorted(data.quality.items())
    ]
    if not flights:
        return None

    def known(measure: str) -> float:
        return 1 - data.quality.get(("enriched_flights", measure), 0) / flights

    bars = [
        ("origin", known("unknown_origin")),
        ("destination", known("unknown_destination")),
        ("aircraft", known("unmatched_aircraft")),
    ]
    measures = [(name, _share(share), round(share * flights)) for name, share in bars]
    read, kept, quarantined, superseded = (
        sum(n for (table, name), n in data.quality.items() if name == measure and table != "enriched_flights")
        for measure in ("read", "written", "quarantined", "superseded")
    )
    told = f"{kept:,} of {read:,} records read are in the tables, "
    told += f"{quarantined:,} in quarantine, each with its reason" if quarantined else "none is in quarantine"
    told += f", {superseded:,} superseded by newer ones. " if superseded else ". "
    return Card(
        "quality",
        "Data quality",
        told + _landed(data.landed_days),
        lambda theme: figures.shares(bars, theme),
        ("Of the flights", "Known (%)", "Flights"),
        measures,
        "Flights with an unknown airport are left out where that airport is counted.",
        table="What is known",
        more=[Table("Records", ("Table", "Measure", "Records"), rows)],
        pick="y",
    )


MOST_LANDED_DAYS = 60
"""A day that came later was loaded for its history: that says nothing of how fast the source is."""


def _landed(days: float | None) -> str:
    if days is None or not 0 < days <= MOST_LANDED_DAYS:
        return ""
    told = f"{days * 24:.0f} hours" if days < 3 else f"{days:,.0f} days"
    return f"A day's flights were in the lake {told} after the day's end (median)."


# --- HTML --------------------------------------------------------------------------------------------------------

CITATION = (
    "M. Schäfer, M. Strohmeier, V. Lenders, I. Martinovic, M. Wilhelm: “Bringing Up OpenSky: A Large-scale ADS-B "
    "Sensor Network for Research”, IPSN 2014. The OpenSky Network, https://opensky-network.org"
)


def page(data: ReportData) -> str:
    """The whole report as HTML."""
    totals = data.totals
    tiles = [
        ("Flights", number(totals["flights"]), ""),
        ("Aircraft", number(totals["aircraft"]), ""),
        ("Airports", number(len(data.airports)), ""),
        ("Routes", number(data.route_count), ""),
        ("Flown", *_large(totals["distance_km"], "km")),
        ("Observed", *_large(totals["hours"], "h")),
    ]
    empty = "No flight of these days is in the lake."
    title = f"Air traffic, {span(data)}"
    return document("report.html", title, cards(data), empty, data=data, tiles=tiles, citation=CITATION)


def document(template: str, title: str, found: Sequence[Card], empty: str = "", **values: object) -> str:
    """A page of cards by a template that extends `document.html`; `empty` is said where there is no card."""
    from markupsafe import Markup

    colours = {"light": Markup(css_variables(LIGHT)), "dark": Markup(css_variables(DARK))}
    drawn = [_drawn(card) for card in found]
    code = script()
    return render(
        template, title=title, cards=drawn, empty=empty, scale=SEQUENCE[2:], script=code, script_hash=csp_hash(code),
        **colours, **values,
    )  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A card with its drawings as SVG."""

    card: Card
    wide: Markup
    narrow: Markup | None
    insets: list[tuple[str, Markup]]


def _drawn(card: Card) -> Drawn:
    label = f"{card.title}. {card.lead}"
    narrow = figures.as_svg(card.narrow(PAGE), f"{card.name}-narrow", label) if card.narrow else None
    insets = [
        (inset.title, figures.as_svg(inset.draw(PAGE), f"{card.name}-{inset.name}", f"{card.title}: {inset.title}."))
        for inset in card.insets
    ]
    return Drawn(card, figures.as_svg(card.draw(PAGE), card.name, label), narrow, insets)


def _large(value: float, unit: str) -> tuple[str, str]:
    return (f"{value / 1e6:.3g}", f"million {unit}") if value >= 1e6 else (number(round(value)), unit)
