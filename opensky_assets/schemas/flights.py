"""Raw flights: OpenSky's flight list (Zenodo 10.5281/zenodo.3931948), one row a flight."""

import pyarrow as pa

from opensky_assets.schemas.contract import ICAO24_PATTERN, TIMESTAMP, Column, Contract
from opensky_assets.schemas.reasons import Reason

FLIGHTS = Contract(
    name="flights",
    path="raw/flights",
    version="1",
    description="Flights as OpenSky's flight lists give them, typed and checked, by the UTC day of `lastseen`.",
    key=("icao24", "lastseen"),
    day_column="lastseen",
    columns=(
        Column("callsign", pa.string(), "Identifier on the controller's screen, blanks around it removed", strip=True),
        Column("number", pa.string(), "Commercial flight number, where known"),
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
        Column("registration", pa.string(), "Tail number, where known"),
        Column("typecode", pa.string(), "ICAO aircraft type designator, where known"),
        Column("origin", pa.string(), "Estimated airport of departure (ICAO or local code), not cross-checked"),
        Column("destination", pa.string(), "Estimated airport of arrival (ICAO or local code), not cross-checked"),
        Column("firstseen", TIMESTAMP, "First message received", unit="UTC"),
        Column("lastseen", TIMESTAMP, "Last message received; its day is the partition", unit="UTC", nullable=False),
        Column("latitude_1", pa.float64(), "Latitude of the first position", unit="degrees", minimum=-90, maximum=90),
        Column(
            "longitude_1", pa.float64(), "Longitude of the first position", unit="degrees", minimum=-180, maximum=180
        ),
        Column("altitude_1", pa.float64(), "Altitude of the first position", unit="m", minimum=-500, maximum=20000),
        Column("latitude_2", pa.float64(), "Latitude of the last position", unit="degrees", minimum=-90, maximum=90),
        Column(
            "longitude_2", pa.float64(), "Longitude of the last position", unit="degrees", minimum=-180, maximum=180
        ),
        Column("altitude_2", pa.float64(), "Altitude of the last position", unit="m", minimum=-500, maximum=20000),
    ),
    source_only=(Column("day", TIMESTAMP, "UTC day of the last message; must be the day of `lastseen`", unit="UTC"),),
)
