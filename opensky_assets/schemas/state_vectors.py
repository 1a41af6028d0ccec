"""Raw state vectors: one row an aircraft and instant, as in OpenSky's hourly files and its API."""

import pyarrow as pa

from opensky_assets.schemas.contract import ICAO24_PATTERN, TIMESTAMP, Column, Contract
from opensky_assets.schemas.reasons import Reason

STATE_VECTORS = Contract(
    name="state_vectors",
    path="raw/state_vectors",
    version="1",
    description="State vectors as OpenSky's hourly files give them, typed and checked, by the day of the object's key.",
    key=("icao24", "time"),
    day_column="time",
    columns=(
        Column("time", TIMESTAMP, "Instant of the state, on a 10 s grid", unit="UTC", nullable=False, epoch=True),
        Column(
            "icao24",
            pa.string(),
            "Transponder address, six hexadecimal digits in lower case",
            nullable=False,
            pattern=ICAO24_PATTERN,
            pattern_reason=Reason.BAD_ICAO24,
            strip=True,
            lower=True,
        ),
        Column("lat", pa.float64(), "Latitude, WGS84", unit="degrees", minimum=-90, maximum=90),
        Column("lon", pa.float64(), "Longitude, WGS84", unit="degrees", minimum=-180, maximum=180),
        Column("velocity", pa.float64(), "Speed over ground", unit="m/s", minimum=0, maximum=700, repeats=True),
        Column("heading", pa.float64(), "Track, clockwise from true north", unit="degrees", minimum=0, maximum=360),
        Column(
            "vertrate",
            pa.float64(),
            "Vertical rate, positive is climb",
            unit="m/s",
            minimum=-150,
            maximum=150,
            repeats=True,
        ),
        Column("callsign", pa.string(), "Identifier sent by the aircraft, blanks around it removed", strip=True),
        Column("onground", pa.bool_(), "The aircraft sends surface positions"),
        Column("alert", pa.bool_(), "Special alert indicator"),
        Column("spi", pa.bool_(), "Special purpose indicator"),
        Column("squawk", pa.string(), "Transponder code, four octal digits, as text"),
        Column(
            "baroaltitude", pa.float64(), "Barometric altitude", unit="m", minimum=-500, maximum=20000, repeats=True
        ),
        Column("geoaltitude", pa.float64(), "Geometric altitude", unit="m", minimum=-500, maximum=20000, repeats=True),
        Column(
            "lastposupdate", TIMESTAMP, "Age of the position: when it was received", unit="UTC", epoch=True, steps=True
        ),
        Column("lastcontact", TIMESTAMP, "When the last message was received", unit="UTC", epoch=True, steps=True),
        Column("origin_country", pa.string(), "Country of registration (API answers only)"),
        Column("category", pa.int8(), "Emitter category, 0 to 20 (API answers only)", minimum=0, maximum=20),
        Column(
            "position_source",
            pa.int8(),
            "0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM (API answers only)",
            minimum=0,
            maximum=3,
        ),
    ),
)
