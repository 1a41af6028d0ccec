"""Flights, the track of an aircraft, the states over a region. Values are bound to the query, never written into it."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from opensky_assets.lake import Lake
from opensky_assets.lake.connect import find_lake
from opensky_assets.lake.warehouse import quoted, select_rows
from opensky_assets.research.answer import Answer
from opensky_assets.research.interval import Instant, Interval, QuestionError, read_interval
from opensky_assets.schemas import AIRPORTS, ENRICHED_FLIGHTS, ENRICHED_STATES, Contract
from opensky_assets.schemas.contract import ICAO24_PATTERN
from opensky_assets.schemas.tables import table_named

logger = logging.getLogger(__name__)


Box = tuple[float, float, float, float]
"""South, west, north and east in degrees, in the order of OpenSky's API: lamin, lomin, lamax, lomax."""

Condition = tuple[str, list[Any]]
"""A condition in SQL with `?`, and the values of these."""


def flights(
    *,
    airline: str | None = None,
    airport: str | None = None,
    day: Instant | None = None,
    start: Instant | None = None,
    end: Instant | None = None,
    lake: Lake | str | Path | None = None,
) -> Answer:
    """Flights that were last seen on a `day`, or from `start` to `end`: rows of `enriched_flights`.

    `airline` is a three-letter ICAO code, which the callsign begins with, or an operator's name (`operator_name`).
    `airport` is the ICAO code of the origin or the destination. A day as `end` is included, a time is not; times
    without a zone are UTC. Only the files of these days are read.

    Raises `QuestionError` for what cannot be asked, or is unknown to the lake, and `LakeError` where there is no lake.
    """
    interval = read_interval(day, start, end)
    conditions: list[Condition] = [("lastseen >= ? AND lastseen < ?", [interval.start, interval.end])]
    words = ["flights"]
    if airline is not None:
        words.append(f"of {airline}")
        conditions.append(_airline_condition(airline))
    if airport is not None:
        airport = airport.strip().upper()
        words.append(f"from or to {airport}")
        conditions.append(("(origin = ? OR destination = ?)", [airport, airport]))
    found = find_lake(lake)
    question = f"{' '.join(words)}, {interval}"
    answer = _ask(found, ENRICHED_FLIGHTS, interval, conditions, ("lastseen", "icao24", "firstseen"), question)
    if not answer and airport is not None:
        _require_airport(found, airport)
    if not answer and airline is not None:
        _require_operator(found, airline, answer.days)
    return answer


def track(
    icao24: str,
    start: Instant,
    end: Instant,
    *,
    max_age_s: float | None = None,
    lake: Lake | str | Path | None = None,
) -> Answer:
    """The positions of an aircraft in the order of time: rows of `enriched_state_vectors` that have a position.

    OpenSky repeats a state for up to 300 s after the last message. `max_age_s` leaves out positions that were older at
    their row's time; 15 keeps fresh ones only. Times, and what is raised, as in `flights`.
    """
    address = icao24.strip().lower() if isinstance(icao24, str) else ""
    if not re.fullmatch(ICAO24_PATTERN.strip("^$"), address):
        raise QuestionError(f"icao24={icao24!r} is not a transponder address: six hexadecimal digits, as 4b1816")
    interval = read_interval(None, start, end)
    question = f"track of {address}, {interval}"
    conditions = [("icao24 = ?", [address]), *_states_conditions(interval, max_age_s)]
    return _ask(find_lake(lake), ENRICHED_STATES, interval, conditions, ("time",), question)


def states(
    box: Sequence[float | str],
    start: Instant,
    end: Instant,
    *,
    max_age_s: float | None = None,
    lake: Lake | str | Path | None = None,
) -> Answer:
    """The states within a `box` of (lamin, lomin, lamax, lomax) degrees: rows of `enriched_state_vectors`.

    A box whose lomin is greater than its lomax crosses the antimeridian. The answer is in memory: for a whole day over
    a continent, ask `connect()`, which can aggregate. Times, `max_age_s` and what is raised as in `track`.
    """
    south, west, north, east = _read_box(box)
    interval = read_interval(None, start, end)
    longitude = "lon BETWEEN ? AND ?" if west <= east else "(lon >= ? OR lon <= ?)"
    conditions = [
        (f"lat BETWEEN ? AND ? AND {longitude}", [south, north, west, east]),
        *_states_conditions(interval, max_age_s),
    ]
    question = f"states in {south:g} to {north:g} °N, {west:g} to {east:g} °E, {interval}"
    return _ask(find_lake(lake), ENRICHED_STATES, interval, conditions, ("time", "icao24"), question)


def _states_conditions(interval: Interval, max_age_s: float | None) -> Iterable[Condition]:
    yield "time >= ? AND time < ?", [interval.start, interval.end]
    yield "lat IS NOT NULL AND lon IS NOT NULL", []
    if max_age_s is not None:
        yield "epoch(time) - epoch(lastposupdate) <= ?", [float(max_age_s)]


def _airline_condition(airline: str) -> Condition:
    text = airline.strip()
    if re.fullmatch("[A-Za-z]{3}", text):
        return "airline_icao = ?", [text.upper()]
    if len(text) < 3:
        raise QuestionError(f"airline={airline!r}: give the three-letter ICAO code, as SWR, or the operator's name")
    return "lower(operator_name) = lower(?)", [text]


def _read_box(box: Sequence[float | str]) -> Box:
    try:
        south, west, north, east = (float(edge) for edge in box)
    except (TypeError, ValueError):
        raise QuestionError(f"box={box!r}: give (lamin, lomin, lamax, lomax) in degrees") from None
    if not -90 <= south <= north <= 90:
        raise QuestionError(f"box={box!r}: lamin and lamax must be from -90 to 90, and lamin not above lamax")
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise QuestionError(f"box={box!r}: lomin and lomax must be from -180 to 180")
    return south, west, north, east


def _ask(
    lake: Lake,
    contract: Contract,
    interval: Interval,
    conditions: Sequence[Condition],
    order: Sequence[str],
    question: str,
) -> Answer:
    """The rows of a table that meet the conditions, out of the files of the interval's days alone."""
    wanted = interval.days
    files = lake.day_files(contract.path, wanted)
    missing = [day for day in wanted if day not in files]
    if not files:
        raise QuestionError(f"{contract.name} has no rows on {_spans(missing)}; {_known_days(lake, contract)}")
    if missing:
        logger.warning(f"{contract.name} has no rows on {_spans(missing)}; {_known_days(lake, contract)}")
    columns = ", ".join(f'"{name}"' for name in ("day", *contract.schema.names))
    where = " AND ".join(condition for condition, _ in conditions)
    values = [value for _, of_condition in conditions for value in of_condition]
    query = f"SELECT {columns} FROM ({_rows(lake, contract, files)}) WHERE {where} ORDER BY {', '.join(order)}"
    with lake.attach(duckdb.connect()) as connection:
        rows = connection.sql(query, params=values).to_arrow_table()
    fields: list[pa.Field] = [pa.field("day", pa.date32()), *(pa.field(f.name, f.type) for f in contract.schema)]
    return Answer(rows.cast(pa.schema(fields)), question, tuple(files), tuple(missing))


def _rows(lake: Lake, contract: Contract, files: dict[str, list[str]]) -> str:
    table = table_named(contract.name)
    assert table is not None
    listed = ", ".join(quoted(lake.location(path)) for paths in files.values() for path in paths)
    return select_rows(table, f"[{listed}]", is_mixed=bool(contract.grown_columns))


def _known_days(lake: Lake, contract: Contract) -> str:
    days = lake.days(contract.path)
    return f"the lake {lake} has {_spans(days)}" if days else f"the lake {lake} has no day of it"


def _spans(days: Sequence[str], most: int = 4) -> str:
    """Days in words: single ones, and stretches of consecutive ones."""
    stretches: list[list[date]] = []
    for day in map(date.fromisoformat, days):
        if stretches and day - stretches[-1][-1] == timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    texts = [f"{s[0]}" if len(s) == 1 else f"{s[0]} to {s[-1]}" for s in stretches]
    more = f" and {len(texts) - most} more ranges" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _require_airport(lake: Lake, code: str) -> None:
    """Raise `QuestionError` where the airports table does not have the code."""
    if not lake.exists(AIRPORTS.path):
        return
    with lake.attach(duckdb.connect()) as connection:
        path = lake.location(AIRPORTS.path)
        rows = connection.execute("SELECT icao, iata FROM read_parquet(?)", [path]).fetchall()
    if code in {icao for icao, _ in rows}:
        return
    icao = next((icao for icao, iata in rows if iata == code), None)
    hint = f"it is the IATA code of {icao}: ask for that" if icao else "give an ICAO code, as LSZH"
    raise QuestionError(f"airport={code!r} is not in the airports table; {hint}")


def _require_operator(lake: Lake, airline: str, days: Sequence[str]) -> None:
    """Raise `QuestionError` where no flight of these days has an operator of that name. A code may fly on others."""
    if re.fullmatch("[A-Za-z]{3}", airline.strip()):
        return
    rows = _rows(lake, ENRICHED_FLIGHTS, lake.day_files(ENRICHED_FLIGHTS.path, days))
    with lake.attach(duckdb.connect()) as connection:
        names = [
            name for (name,) in connection.execute(f"SELECT DISTINCT operator_name FROM ({rows})").fetchall() if name
        ]
    by_lower = {name.lower(): name for name in sorted(names)}
    text = airline.strip().lower()
    if text in by_lower:
        return
    close = [by_lower[name] for name in difflib.get_close_matches(text, by_lower, cutoff=0.5)]
    hint = f"; is it {' or '.join(close)}?" if close else ""
    raise QuestionError(f"airline={airline!r}: no flight of {_spans(days)} has an operator of that name{hint}")
