"""What a report shows, read from the marts of exactly its days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import duckdb

from opensky_assets.ingest.quality import Notice, notices
from opensky_assets.lake import Lake, Manifest
from opensky_assets.lake.connect import connect_days
from opensky_assets.schemas import ENRICHED_FLIGHTS, FLIGHTS, STATE_VECTORS
from opensky_assets.schemas.ranges import busiest
from opensky_assets.sources.keys import is_poll
from opensky_assets.transforms.inputs import manifests_of
from opensky_assets.transforms.repeats import overlapping

TOP = 10
MAP_ROUTES = 300
"""Routes on the map, the busiest first: more would be one blot, and the page must stay small."""

MAP_AIRPORTS = 3000

STATE_DAYS = 7
"""Days of state vectors that a report reads, the newest ones: a day can have 50 million rows."""

AGE_STEPS_S = (1, 5, 10, 15, 30, 60, 300)
"""Upper ends of the classes of a position's age."""


@dataclass(frozen=True)
class Route:
    origin: str
    destination: str
    flights: int
    distance_km: float | None
    ends: tuple[float, float, float, float] | None
    """Longitude and latitude of the origin, then of the destination, where both are known."""


@dataclass(frozen=True)
class Airport:
    code: str
    name: str | None
    outbound: int
    inbound: int
    position: tuple[float, float] | None
    """Longitude, latitude."""


@dataclass(frozen=True)
class Airline:
    code: str | None
    """As the callsigns have it; `None`: flights without an airline callsign."""
    name: str | None
    """As the aircraft database names the operator that has this code, most often."""
    flights: int
    aircraft: int


@dataclass(frozen=True)
class Matrix:
    airports: list[str]
    flights: list[list[int]]
    """One row an origin, one column a destination."""
    pairs_served: int
    connectivity: float | None
    connectivity_all_cells: float


@dataclass(frozen=True)
class States:
    """What the state vectors of `days` say, of one kind of objects: hourly files where any day has them, else polls.
    They are not comparable: an hourly file has each aircraft every few seconds, a poll has what was asked for, when."""

    days: list[str]
    records: int
    aircraft_by_hour: list[float]
    """Distinct aircraft in each hour of the day, the mean over the days."""
    age_shares: list[float]
    """Shares of the positions in the classes that `AGE_STEPS_S` parts, older ones last."""
    age_median_s: float | None
    age_95_s: float | None
    without_position: float
    polls: bool = False
    """Whether they are of polls of `/states/all`."""
    days_with_polls: int = 0
    """Days of the range that have polls."""


@dataclass(frozen=True)
class ReportData:
    first: str
    last: str
    simulated: bool
    days: list[str]
    """Those of the range that have flights."""
    totals: dict[str, float]
    hours: list[tuple[int, int]]
    """Arrivals and departures in each hour of the day."""
    peak: tuple[str, int] | None
    """The airport with the most movements within 60 minutes, and how many."""
    daily: list[tuple[str, int]]
    top_routes: list[Route]
    map_routes: list[Route]
    route_count: int
    airports: list[Airport]
    matrix: Matrix | None
    manufacturers: list[tuple[str | None, int]]
    types: list[tuple[str | None, str | None, int]]
    airlines: list[Airline]
    """The most flights first."""
    quality: dict[tuple[str, str], int]
    states: States | None
    next_day_there: bool
    """Whether the flights of the day after the last are in the lake: without them, departures of the last day whose
    flight landed after midnight are not counted yet."""
    objects: dict[str, list[str]] = field(default_factory=dict)
    """Keys of the source objects, by table."""
    landed_days: float | None = None
    """Days from the end of a day to when its flights were in the lake, the median."""
    notices: list[Notice] = field(default_factory=list)
    """Checks that touch what is shown, and what they say of these days."""

    @property
    def one_day(self) -> bool:
        return self.first == self.last


_PEAK = "SELECT airport, rolling_60min_max FROM airport_movements_hourly ORDER BY 2 DESC, 1, hour LIMIT 1"


_AIRLINES = """
    WITH names AS (
        SELECT airline_icao, operator, count(*) AS n FROM enriched_flights
        WHERE operatoricao = airline_icao AND operator <> airline_icao GROUP BY ALL
    ),
    chosen AS (SELECT airline_icao, first(operator ORDER BY n DESC, operator) AS name FROM names GROUP BY ALL)
    SELECT airline_icao, any_value(name), count(*), count(DISTINCT icao24)
    FROM enriched_flights LEFT JOIN chosen USING (airline_icao) GROUP BY airline_icao ORDER BY 3 DESC, 1
"""


def report_data(lake: Lake, first: str, last: str, days: Sequence[str]) -> ReportData:
    """Everything a report over `first` to `last` shows; `days` are those of them that may have rows."""
    with connect_days(lake, days) as connection:
        return _read(connection, lake, first, last, days)


def _read(connection: duckdb.DuckDBPyConnection, lake: Lake, first: str, last: str, days: Sequence[str]) -> ReportData:
    ends_of_range = [date.fromisoformat(first), date.fromisoformat(last)]

    def rows(query: str, *values: object) -> list[tuple]:
        return connection.execute(query, list(values)).fetchall()

    def between(query: str) -> list[tuple]:
        return rows(query, *ends_of_range)

    quality = {(table, measure): n for table, measure, n in between("FROM data_quality_daily_between(?, ?)")}
    names = ("flights", "aircraft", "distance_km", "hours")
    legs = "sum(legs)::BIGINT, count(DISTINCT icao24), sum(distance_km), sum(hours)"
    totals = dict(zip(names, rows(f"SELECT {legs} FROM aircraft_utilisation")[0], strict=True))
    by_hour = {
        hour: (arrivals, departures)
        for hour, arrivals, departures in between(
            "SELECT hour_of_day, sum(arrivals)::BIGINT, sum(departures)::BIGINT "
            "FROM airport_movements_hourly_between(?, ?) GROUP BY ALL"
        )
    }
    daily = rows(
        "SELECT day::VARCHAR, records FROM data_quality_daily "
        "WHERE table_name = 'enriched_flights' AND measure = 'flights' ORDER BY day"
    )
    routes = [
        Route(origin, destination, flights, km, None if None in ends else ends)
        for origin, destination, flights, km, *found in between(
            "SELECT origin, destination, flights, distance_km, one.lon, one.lat, other.lon, other.lat "
            "FROM routes_between(?, ?) LEFT JOIN airports AS one ON one.icao = origin "
            "LEFT JOIN airports AS other ON other.icao = destination ORDER BY flights DESC, origin, destination"
        )
        for ends in [tuple(found)]
    ]
    airports = [
        Airport(code, name, outbound, inbound, None if lon is None or lat is None else (lon, lat))
        for code, name, outbound, inbound, lon, lat in between(
            "SELECT airport, airport_name, outbound, inbound, lon, lat "
            "FROM airport_traffic_between(?, ?) LEFT JOIN airports ON icao = airport "
            "ORDER BY outbound + inbound DESC, airport"
        )
    ]
    types = between("SELECT manufacturer, typecode, flights FROM manufacturers_between(?, ?)")
    manufacturers: dict[str | None, int] = {}
    for manufacturer, _, flights in types:
        manufacturers[manufacturer] = manufacturers.get(manufacturer, 0) + flights
    manifests = {contract.name: list(manifests_of(lake, contract, days)) for contract in (FLIGHTS, STATE_VECTORS)}
    after = (ends_of_range[1] + timedelta(days=1)).isoformat()
    return ReportData(
        first=first,
        last=last,
        simulated=lake.kind == "simulated",
        days=[day for day, _ in daily],
        totals={name: value or 0 for name, value in totals.items()},
        hours=[by_hour.get(hour, (0, 0)) for hour in range(24)],
        peak=next(iter(rows(_PEAK)), None),
        daily=daily,
        top_routes=routes[:TOP],
        map_routes=[route for route in routes if route.ends][:MAP_ROUTES],
        route_count=len(routes),
        airports=airports,
        matrix=_matrix(
            between(
                "SELECT origin_rank, destination_rank, origin, flights, pairs_served, connectivity, "
                f"connectivity_all_cells FROM od_matrix_between(?, ?, busiest := {busiest()}) ORDER BY ALL"
            )
        ),
        manufacturers=sorted(manufacturers.items(), key=lambda item: (-item[1], item[0] or "")),
        types=types,
        airlines=[Airline(*found) for found in rows(_AIRLINES)],
        quality=quality,
        states=_states(connection, lake, days, manifests[STATE_VECTORS.name]),
        next_day_there=bool(lake.day_files(ENRICHED_FLIGHTS.path, [after])),
        objects={table: sorted(m.source.key for m in found) for table, found in manifests.items()},
        landed_days=_landed(lake, days),
        notices=[
            notice
            for contract in (FLIGHTS, STATE_VECTORS)
            for notice in notices(lake, contract, first, last, days, manifests[contract.name])
        ],
    )


def _matrix(rows: Sequence[tuple]) -> Matrix | None:
    if not rows:
        return None
    size = max(row[0] for row in rows)
    flights = [[0] * size for _ in range(size)]
    airports = [""] * size
    for origin_rank, destination_rank, origin, count, *_ in rows:
        flights[origin_rank - 1][destination_rank - 1] = count
        airports[origin_rank - 1] = origin
    return Matrix(airports, flights, *rows[0][4:])


def _states(
    connection: duckdb.DuckDBPyConnection, lake: Lake, days: Sequence[str], manifests: Sequence[Manifest]
) -> States | None:
    by_kind: dict[bool, dict[str, list[tuple[str, int]]]] = {True: {}, False: {}}
    present = {day: set(paths) for day, paths in lake.day_files(STATE_VECTORS.path, days).items()}
    for manifest in manifests:
        of_kind = by_kind[is_poll(manifest.source.key)]
        for output in manifest.files:
            if output.path in present.get(output.day, ()):
                of_kind.setdefault(output.day, []).append((output.path, output.rows))
    polls = not by_kind[False]
    there = sorted(by_kind[polls])[-STATE_DAYS:]
    if not there:
        return None
    files = [by_kind[polls][day] for day in there]
    paths = [lake.location(path) for of_day in files for path, _ in of_day]
    rows = "read_parquet(?, hive_partitioning = true, hive_types = {'day': DATE}, filename = true)"
    if any(len(group.files) > 1 for of_day in files for group in overlapping(STATE_VECTORS, lake, of_day)):
        # A state that several objects have counts once, as in enriched_state_vectors.
        rows = f"(SELECT DISTINCT ON (icao24, time) * FROM {rows} ORDER BY icao24, time, filename)"
    only = f"FROM {rows}"
    hours = dict(
        connection.execute(
            "SELECT hour, sum(n) / ? "
            f"FROM (SELECT day, hour(time) AS hour, count(DISTINCT icao24) AS n {only} GROUP BY ALL) GROUP BY hour",
            [len(there), paths],
        ).fetchall()
    )
    age = "epoch(time) - epoch(lastposupdate)"
    classes = ", ".join(f"coalesce(sum(n) FILTER (age <= {step}), 0)" for step in AGE_STEPS_S)
    # Exact quantiles, over the counts of each millisecond of age: approximate ones differ between two runs.
    known = "sum(n) FILTER (age IS NOT NULL) OVER"
    records, positions, aged, median, late, *counts = connection.execute(
        "SELECT coalesce(sum(n), 0), coalesce(sum(lats), 0), coalesce(any_value(aged), 0), "
        f"min(age) FILTER (up_to >= 0.5 * aged), min(age) FILTER (up_to >= 0.95 * aged), {classes} "
        f"FROM (SELECT *, {known} (ORDER BY age) AS up_to, {known} () AS aged FROM "
        "(SELECT age, count(*) AS n, count(lat) AS lats FROM "
        f"(SELECT lat, CASE WHEN lat IS NOT NULL THEN round({age}, 3) END AS age {only}) GROUP BY age))",
        [paths],
    ).fetchall()[0]
    counts, records, positions, aged = [int(n) for n in counts], int(records), int(positions), int(aged)
    ups = [*counts, aged]
    shares = [(up - low) / aged for low, up in zip([0, *ups[:-1]], ups, strict=True)] if aged else []
    return States(
        there,
        records,
        [hours.get(hour, 0) for hour in range(24)],
        shares,
        median,
        late,
        1 - positions / records if records else 0.0,
        polls,
        len(by_kind[True]),
    )


def _landed(lake: Lake, days: Sequence[str]) -> float | None:
    """How long after its end a day's flights were in the lake, as the files' times have it."""
    lags = []
    for day in days:
        end = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + 86_400
        if written := [file.modified for file in lake.files.walk(f"{FLIGHTS.path}/day={day}")]:
            lags.append((max(written) - end) / 86_400)
    return sorted(lags)[len(lags) // 2] if lags else None
