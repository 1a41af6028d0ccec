"""The page: one HTML file that needs nothing else. Its own policy forbids it to load anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import TYPE_CHECKING

from opensky_assets.report import figures
from opensky_assets.report.data import AGE_STEPS_S, MAP_AIRPORTS, TOP, ReportData
from opensky_assets.report.figures import number
from opensky_assets.report.theme import DARK, LIGHT, PAGE, SEQUENCE, Theme, css_variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 2_000_000
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Card:
    """One figure with its heading, what it tells in a sentence, its numbers as a table, and a caveat."""

    name: str
    title: str
    lead: str
    draw: Callable[[Theme], Figure]
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    narrow: Callable[[Theme], Figure] | None = None
    """Another drawing for narrow screens."""


def span(data: ReportData) -> str:
    """The days in words."""
    first, last = date.fromisoformat(data.first), date.fromisoformat(data.last)
    if data.one_day:
        return f"{first:%A}, {first.day} {first:%B %Y}"
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


def cards(data: ReportData) -> list[Card]:
    """Every figure that the data has something for."""
    found = [_map(data), _hours(data), _routes(data), _matrix(data), *_airports(data), _manufacturers(data)]
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
        ("Route", "Flights", "Distance (km)"),
        [
            (f"{r.origin} → {r.destination}", r.flights, "" if r.distance_km is None else round(r.distance_km))
            for r in data.map_routes[:50]
        ],
        "The table has the first 50." if shown > 50 else "",
        narrow=lambda theme: figures.route_map(data.map_routes, located, theme, wide=False),
    )


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
        data.daily if len(data.daily) <= 400 else data.daily[-400:],
        "The table has the last 400 days." if len(data.daily) > 400 else "",
    )


def _hours(data: ReportData) -> Card | None:
    if not any(arrivals or departures for arrivals, departures in data.hours):
        return None
    days = max(len(data.days), 1)
    hour = max(range(24), key=lambda at: sum(data.hours[at]))
    busiest = sum(data.hours[hour]) / days
    mean = "" if days == 1 else " on the mean day"
    late = data.one_day and not data.next_day_there
    return Card(
        "hours",
        "Arrivals and departures by hour",
        f"The busiest hour begins at {hour:02d}:00 UTC: {number(busiest)} movements{mean}."
        + (f" Most within any 60 minutes at one airport: {data.peak[1]:,} at {data.peak[0]}." if data.peak else ""),
        lambda theme: figures.hours(data.hours, days, theme),
        ("Hour (UTC)", "Arrivals", "Departures"),
        [(f"{at:02d}", *data.hours[at]) for at in range(24)],
        "A departure counts when its flight is first seen, an arrival when it is last seen."
        + (" Departures that landed on the next day will be added when that day is in the lake." if late else ""),
    )


def _routes(data: ReportData) -> Card | None:
    if not data.top_routes:
        return None
    bars = [(f"{route.origin} → {route.destination}", float(route.flights)) for route in data.top_routes]
    share = sum(value for _, value in bars) / max(data.totals["flights"], 1)
    return Card(
        "routes",
        "Top routes",
        f"{bars[0][0]} leads with {number(bars[0][1])} flights; these {len(bars)} are {share:.1%} of all flights.",
        lambda theme: figures.ranked(bars, theme, "flights"),
        ("Route", "Flights", "Distance (km)"),
        [
            (f"{r.origin} → {r.destination}", r.flights, "" if r.distance_km is None else round(r.distance_km))
            for r in data.top_routes
        ],
    )


def _matrix(data: ReportData) -> Card | None:
    matrix = data.matrix
    if matrix is None:
        return None
    size = len(matrix.airports)
    connected = "" if matrix.connectivity is None else f", connectivity {matrix.connectivity:.1%}"
    return Card(
        "matrix",
        f"Between the {size} busiest airports",
        f"{matrix.pairs_served} of {size * (size - 1)} pairs are served{connected}. "
        f"Of all {size}² cells, the diagonal included, {matrix.connectivity_all_cells:.1%} are filled.",
        lambda theme: figures.heatmap(matrix, theme),
        ("From \\ to", *matrix.airports),
        [(origin, *row) for origin, row in zip(matrix.airports, matrix.flights, strict=True)],
    )


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
                f"{escape(first.name or first.code)} leads with {number(bars[0][1])} {title}.",
                lambda theme, bars=bars, role=role, title=title: figures.ranked(bars, theme, title, role),  # type: ignore[misc]
                ("Airport", "Name", "Departures", "Arrivals"),
                [(a.code, a.name or "", a.outbound, a.inbound) for a in top],
            )
        )
    return found


def _manufacturers(data: ReportData) -> Card | None:
    if not data.manufacturers:
        return None
    known = [(name.title() if len(name) > 3 else name, float(flights)) for name, flights in data.manufacturers if name]
    bars = known[:TOP]
    others = sum(flights for _, flights in known[TOP:])
    unknown = float(sum(flights for name, flights in data.manufacturers if not name))
    bars += [(name, flights) for name, flights in (("others", others), (NOT_KNOWN, unknown)) if flights]
    total = max(data.totals["flights"], 1)
    lead = f"{bars[0][0]} flies {bars[0][1] / total:.0%} of the flights. " if known else ""
    kinds = [row for row in data.types if row[0] or row[1]][:20]
    return Card(
        "manufacturers",
        "Manufacturers",
        f"{lead}For {unknown / total:.0%} the aircraft database tells no manufacturer.",
        lambda theme: figures.ranked(bars, theme, "flights", quiet=frozenset({"others", NOT_KNOWN})),
        ("Manufacturer", "Type", "Flights"),
        [(manufacturer or NOT_KNOWN, kind or NOT_KNOWN, flights) for manufacturer, kind, flights in kinds],
        "The table has the 20 most flown types.",
    )


def _aircraft(data: ReportData) -> Card | None:
    states = data.states
    if states is None:
        return None
    hour = max(range(24), key=lambda at: states.aircraft_by_hour[at])
    mean = "" if len(states.days) == 1 else f", the mean of the last {len(states.days)} days that have states"
    return Card(
        "aircraft",
        "Aircraft in the air or on the ground, by hour",
        f"Distinct aircraft in the state vectors{mean}. Most from {hour:02d}:00 UTC: "
        f"{number(round(states.aircraft_by_hour[hour]))}.",
        lambda theme: figures.aircraft_by_hour(states, theme),
        ("Hour (UTC)", "Aircraft"),
        [(f"{at:02d}", round(states.aircraft_by_hour[at], 1)) for at in range(24)],
        f"{states.records:,} state vectors of {', '.join(states.days)}.",
    )


def _ages(data: ReportData) -> Card | None:
    states = data.states
    if states is None or not states.age_shares or states.age_median_s is None or states.age_95_s is None:
        return None
    late = sum(states.age_shares[AGE_STEPS_S.index(15) + 1 :])
    names = [f"up to {AGE_STEPS_S[0]}", *(f"over {step}" for step in AGE_STEPS_S)]
    return Card(
        "ages",
        "Delay of positions",
        f"Half of the positions are at most {number(states.age_median_s)} s old, 95 % at most "
        f"{number(states.age_95_s)} s. {late:.1%} are older than 15 s: OpenSky repeats the last known one for up to "
        "300 s.",
        lambda theme: figures.position_age(states, theme),
        ("Age (s)", "Share (%)"),
        [(name, f"{100 * share:.2f}") for name, share in zip(names, states.age_shares, strict=True)],
        f"{states.without_position:.1%} of the state vectors have no position at all.",
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
    read, kept = (
        sum(n for (table, name), n in data.quality.items() if name == measure and table != "enriched_flights")
        for measure in ("read", "written")
    )
    return Card(
        "quality",
        "Data quality",
        f"{kept:,} of {read:,} records read are in the tables, {read - kept:,} in quarantine, each with its reason. "
        + _landed(data.landed_days),
        lambda theme: figures.shares(bars, theme),
        ("Table", "Measure", "Records"),
        rows,
        "Flights with an unknown airport are left out where that airport is counted.",
    )


def _landed(days: float | None) -> str:
    if days is None:
        return ""
    told = f"{days * 24:.0f} hours" if days < 3 else f"{days:,.0f} days" if days < 730 else f"{days / 365.25:.1f} years"
    return f"A day's flights were in the lake {told} after the day's end (median)." if days > 0 else ""


# --- HTML --------------------------------------------------------------------------------------------------------

STYLE = """
:root{color-scheme:light dark;LIGHT;--page:#f4f6f9;--line:#dfe4ea;--warn:#8a3b00;--warnbg:#fff1e2}
@media (prefers-color-scheme:dark){:root{DARK;--page:#0e141c;--line:#263140;--warn:#ffc78f;--warnbg:#3a2410}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1240px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:clamp(1.5rem,5vw,2.2rem);line-height:1.2;margin:0;letter-spacing:-.01em}
header p{margin:.3rem 0 0;color:var(--muted)}
.simulated{display:block;margin:16px 0 0;padding:10px 14px;border-radius:10px;background:var(--warnbg);
color:var(--warn);font-weight:600}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:20px 0}
dl div{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:10px 14px}
dt{color:var(--muted);font-size:.82rem}
dd{margin:0;font-size:1.45rem;font-weight:650;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
dd small{font-size:.85rem;font-weight:400;color:var(--muted)}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:14px}
section{background:var(--surface);border:1px solid var(--line);border-radius:14px;padding:14px 16px;min-width:0}
section.whole{grid-column:1/-1}
h2{font-size:1.08rem;margin:0 0 .2rem}
section p{margin:0 0 .6rem;color:var(--muted);font-size:.9rem}
section p.note{margin:.5rem 0 0;font-size:.82rem}
figure{margin:0}
svg{display:block;width:100%;height:auto}
svg text{font-family:inherit}
.narrow{display:none}
header details{margin:.5rem 0}
header summary{color:var(--ink)}
header ul{margin:.3rem 0 .3rem 1.2rem;padding:0;color:var(--muted)}
header dl+details{margin-top:0}
header>details:last-child{margin-bottom:18px}
@media (max-width:640px){.wide{display:none}.narrow{display:block}section{padding:12px 12px}}
.scale{display:flex;align-items:center;gap:8px;font-size:.82rem;color:var(--muted);margin-top:8px}
.scale i{display:inline-block;width:22px;height:8px;border-radius:2px}
details{margin-top:.6rem;font-size:.85rem}
summary{cursor:pointer;color:var(--muted)}
.scroll{overflow:auto;max-height:320px;margin-top:.4rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{position:sticky;top:0;background:var(--surface);color:var(--muted);font-weight:600}
td.n,th.n{text-align:right}
footer{padding:22px 16px 40px;color:var(--muted);font-size:.85rem}
footer p{margin:.4rem 0;max-width:80ch}
a{color:inherit}
@media print{body{background:none}details{display:none}section{break-inside:avoid}}
"""

CITATION = (
    "M. Schäfer, M. Strohmeier, V. Lenders, I. Martinovic, M. Wilhelm: “Bringing Up OpenSky: A Large-scale ADS-B "
    "Sensor Network for Research”, IPSN 2014. The OpenSky Network, https://opensky-network.org"
)


def page(data: ReportData) -> str:
    """The whole report as HTML."""
    title = f"Air traffic, {span(data)}"
    empty = "No flight of these days is in the lake."
    return document(title, _header(data, title), cards(data), _footer(data), empty)


def document(title: str, header: str, found: Sequence[Card], footer: str, empty: str) -> str:
    """A page of cards between a header and a footer; `empty` is said where there is no card."""
    style = STYLE.replace("LIGHT;", css_variables(LIGHT)).replace("DARK;", css_variables(DARK))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    nothing = "" if found else f"<section class=whole><p>{empty}</p></section>"
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<style>{style}</style></head>\n<body>\n'
        f"{header}\n<main>\n{nothing}" + "\n".join(map(_section, found)) + f"\n</main>\n{footer}\n"
        "</body></html>\n"
    )


def _header(data: ReportData, title: str) -> str:
    banner = ""
    if data.simulated:
        banner = (
            '<strong class="simulated">Simulated data: no flight here was flown. '
            "Made to try things out, in the formats of the OpenSky Network.</strong>"
        )
    source = "made up by the simulator" if data.simulated else "from the OpenSky Network"
    days = "" if data.one_day else f" {len(data.days)} days with flights."
    totals = data.totals
    tiles = [
        ("Flights", number(totals["flights"]), ""),
        ("Aircraft", number(totals["aircraft"]), ""),
        ("Airports", number(len(data.airports)), ""),
        ("Routes", number(data.route_count), ""),
        ("Flown", *_large(totals["distance_km"], "km")),
        ("Observed", *_large(totals["hours"], "h")),
    ]
    return (
        f"<header><h1>{escape(title)}</h1><p>Flights {source}, by the UTC day on which they were last seen.{days}</p>"
        f"{banner}{tile_list(tiles)}</header>"
    )


def tile_list(tiles: Sequence[tuple[str, str, str]]) -> str:
    """Names, values and units as the row of large numbers at the top."""
    listed = "".join(
        f"<div><dt>{name}</dt><dd>{value}{f' <small>{unit}</small>' if unit else ''}</dd></div>"
        for name, value, unit in tiles
    )
    return f"<dl>{listed}</dl>"


def _large(value: float, unit: str) -> tuple[str, str]:
    return (f"{value / 1e6:.3g}", f"million {unit}") if value >= 1e6 else (number(round(value)), unit)


def _section(card: Card) -> str:
    label = escape(f"{card.title}. {card.lead}", quote=True)
    if card.narrow:
        drawings = (
            f'<div class="wide">{figures.as_svg(card.draw(PAGE), card.name, label)}</div>'
            f'<div class="narrow">{figures.as_svg(card.narrow(PAGE), f"{card.name}-narrow", label)}</div>{_scale()}'
        )
    else:
        drawings = figures.as_svg(card.draw(PAGE), card.name, label)
    note = f'<p class="note">{escape(card.note)}</p>' if card.note else ""
    whole = ' class="whole"' if card.narrow else ""
    return (
        f'<section{whole} id="{card.name}"><h2>{escape(card.title)}</h2><p>{card.lead}</p>\n'
        f"<figure>{drawings}</figure>\n{note}<details><summary>Numbers</summary>{_table(card)}</details></section>"
    )


def _scale() -> str:
    steps = "".join(f'<i style="background:var(--{role})"></i>' for role in SEQUENCE[2:])
    return f'<div class="scale">fewer flights {steps} more</div>'


def _table(card: Card) -> str:
    head = "".join(f"<th{_number_class(card, at)}>{escape(str(name))}</th>" for at, name in enumerate(card.columns))
    rows = (
        "".join(f"<td{_number_class(card, at)}>{_value(cell)}</td>" for at, cell in enumerate(row)) for row in card.rows
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number_class(card: Card, at: int) -> str:
    numbers = any(isinstance(row[at], (int, float)) for row in card.rows)
    return ' class="n"' if numbers else ""


def _value(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, (int, float)) else escape(str(cell))


def _footer(data: ReportData) -> str:
    objects = []
    for table, keys in data.objects.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            objects.append(f"{table.replace('_', ' ')}: {escape(', '.join(keys[:3]))}{more}")
    source = "a simulated bucket" if data.simulated else "the OpenSky Network, for research and non-profit use"
    return (
        "<footer>"
        f"<p>Source: {source}. {'; '.join(objects)}.</p>"
        f"<p>{escape(CITATION)}</p>"
        "<p>Airports: airportsdata (MIT). Outlines: Natural Earth 1:110m (public domain), borders as drawn there. "
        "Airports of flights are estimates by OpenSky, not cross-checked. Distances are great circles between airports "
        "on a sphere of radius 6,371 km. Times are UTC.</p></footer>"
    )
