"""Marts over any range of days: the table macros `<mart>_between(first, last)`, in SQL."""

from collections.abc import Iterator

from opensky_assets.schemas.tables import project

MATRIX = "od_matrix_between"

RANGES = {
    "airport_movements_hourly": """
        SELECT airport, hour(hour AT TIME ZONE 'UTC') AS hour_of_day, sum(arrivals)::BIGINT AS arrivals,
               sum(departures)::BIGINT AS departures, max(rolling_60min_max) AS rolling_60min_max
        FROM airport_movements_hourly WHERE {days}
        GROUP BY ALL ORDER BY airport, hour_of_day
    """,
    "airport_traffic": """
        SELECT airport, max(airport_name) AS airport_name, max(country) AS country,
               sum(outbound)::BIGINT AS outbound, sum(inbound)::BIGINT AS inbound
        FROM airport_traffic WHERE {days}
        GROUP BY airport ORDER BY sum(outbound + inbound) DESC, airport
    """,
    "routes": """
        SELECT origin, destination, sum(flights)::BIGINT AS flights, max(distance_km) AS distance_km,
               sum(mean_duration_s * flights) / sum(flights) FILTER (mean_duration_s IS NOT NULL) AS mean_duration_s
        FROM routes WHERE {days}
        GROUP BY origin, destination ORDER BY flights DESC, origin, destination
    """,
    "manufacturers": """
        SELECT manufacturer, typecode, sum(flights)::BIGINT AS flights, sum(distance_km) AS distance_km
        FROM manufacturers WHERE {days}
        GROUP BY manufacturer, typecode ORDER BY flights DESC, manufacturer, typecode
    """,
    "aircraft_utilisation": """
        SELECT icao24, max_by(registration, day) AS registration, max_by(typecode, day) AS typecode,
               max_by(operator, day) AS operator, count(*) AS days, sum(legs)::BIGINT AS legs, sum(hours) AS hours,
               sum(distance_km) AS distance_km, sum(legs_with_distance)::BIGINT AS legs_with_distance
        FROM aircraft_utilisation WHERE {days}
        GROUP BY icao24 ORDER BY legs DESC, icao24
    """,
    "data_quality_daily": """
        SELECT table_name, measure, sum(records)::BIGINT AS records
        FROM data_quality_daily WHERE {days}
        GROUP BY table_name, measure ORDER BY table_name, measure
    """,
}
"""Daily mart → its rows over any range of days, as the table macro `<mart>_between(first, last)`. What cannot be added
up over days (distinct aircraft, distinct airports) is not in it."""

OD_MATRIX_BETWEEN = """
    CREATE MACRO od_matrix_between(first_day, last_day, busiest := {busiest}) AS TABLE
    WITH pairs AS (
        SELECT origin, destination, sum(flights)::BIGINT AS flights FROM routes
        WHERE day BETWEEN first_day::DATE AND last_day::DATE GROUP BY ALL
    ),
    ends AS (SELECT origin AS airport, flights FROM pairs UNION ALL SELECT destination, flights FROM pairs),
    ranked AS (
        SELECT airport, row_number() OVER (ORDER BY sum(flights) DESC, airport) AS place FROM ends GROUP BY airport
    ),
    chosen AS (SELECT airport, place FROM ranked WHERE place <= busiest),
    cells AS (
        SELECT one.place AS origin_rank, other.place AS destination_rank, one.airport AS origin,
               other.airport AS destination, coalesce(pairs.flights, 0) AS flights
        FROM chosen AS one CROSS JOIN chosen AS other
        LEFT JOIN pairs ON pairs.origin = one.airport AND pairs.destination = other.airport
    ),
    measured AS (
        SELECT *, max(origin_rank) OVER () AS airports,
               count(*) FILTER (flights > 0 AND origin <> destination) OVER () AS pairs_served,
               count(*) FILTER (flights > 0) OVER () AS cells_served
        FROM cells
    )
    SELECT * EXCLUDE (cells_served), pairs_served / nullif(airports * (airports - 1), 0) AS connectivity,
           cells_served / (airports * airports) AS connectivity_all_cells
    FROM measured ORDER BY origin_rank, destination_rank
"""
"""The matrix of a range is not a sum of daily ones: the busiest airports of the range are others."""


def busiest() -> int:
    """How many airports the daily origin-destination matrix has: a variable of the dbt project."""
    found = project().variable("busiest")
    return found if isinstance(found, int) else 15


def range_statements(table: str) -> Iterator[tuple[str, str]]:
    """(name, CREATE statement) of the macros over a daily mart."""
    if query := RANGES.get(table):
        days = "day BETWEEN first_day::DATE AND last_day::DATE"
        name = f"{table}_between"
        yield name, f"CREATE MACRO {name}(first_day, last_day) AS TABLE {query.format(days=days)}"
    if table == "routes":
        yield MATRIX, OD_MATRIX_BETWEEN.format(busiest=busiest())
