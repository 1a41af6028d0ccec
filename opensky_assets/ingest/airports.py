"""The airport reference out of the package `airportsdata`."""

from __future__ import annotations

import pyarrow as pa

from opensky_assets.schemas.airports import AIRPORTS

METRES_PER_FOOT = 0.3048


def airports_table() -> pa.Table:
    """All airports of the package, `AIRPORTS.schema`, one row a code, sorted by `icao`; elevation in metres.

    The package's key is the ICAO code, and for airports without one the local code (`86MI`): flight lists write them
    the same way. The FAA's local codes of airports that have an ICAO code are left out: on 179,677 references in the
    OpenSky flight list they add nothing to the 98.0 % that resolve without them, and an airport would have two rows.
    """
    import airportsdata  # a quarter second of CSV, only when asked for

    rows = sorted(airportsdata.load("ICAO").values(), key=lambda airport: airport["icao"])
    texts = {
        "icao": "icao",
        "iata": "iata",
        "name": "name",
        "city": "city",
        "subdivision": "subd",
        "country": "country",
        "timezone": "tz",
    }
    columns: dict[str, list[str | None] | list[float]] = {
        name: [str(row[key]).strip() or None for row in rows]  # type: ignore[literal-required]
        for name, key in texts.items()
    }
    columns["elevation_m"] = [row["elevation"] * METRES_PER_FOOT for row in rows]
    columns["lat"] = [row["lat"] for row in rows]
    columns["lon"] = [row["lon"] for row in rows]
    return pa.table([columns[name] for name in AIRPORTS.schema.names], schema=AIRPORTS.schema)
