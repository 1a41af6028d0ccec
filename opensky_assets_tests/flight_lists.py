"""Small flight lists, written as OpenSky writes them. Invented flights: the data itself may not be copied here."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

HEADER = (
    "callsign,number,icao24,registration,typecode,origin,destination,firstseen,lastseen,day,"
    "latitude_1,longitude_1,altitude_1,latitude_2,longitude_2,altitude_2"
)


def flight(day: str, icao24: str = "4b1801", hour: int = 10, origin: str = "LSZH", destination: str = "EDDF") -> str:
    """One line: a flight of one hour that ends at `hour` of `day`."""
    return (
        f"SWR{hour:03d},,{icao24},HB-JVA,A320,{origin},{destination},{day} {hour - 1:02d}:00:00+00:00,"
        f"{day} {hour:02d}:00:00+00:00,{day} 00:00:00+00:00,47.45,8.55,600.0,50.03,8.57,450.5"
    )


def write_list(bucket: Path, first: str, last: str, lines: Sequence[str], header: str = HEADER) -> Path:
    """`flights/flightlist_<first>_<last>.csv.gz` with these lines."""
    path = bucket / "flights" / f"flightlist_{first.replace('-', '')}_{last.replace('-', '')}.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\r\n" for line in (header, *lines))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


AIRCRAFT = """\
"icao24","registration","manufacturericao","manufacturername","model","typecode","serialnumber","linenumber",\
"icaoaircrafttype","operator","operatorcallsign","operatoricao","operatoriata","owner","testreg","registered",\
"reguntil","status","built","firstflightdate","seatconfiguration","engines","modes","adsb","acars","notes",\
"categoryDescription"
"","","","","","","","","","","","","","","","","","","","","","","false","false","false","",""
"4b1801","HB-JVA","AIRBUS","Airbus","A320-214","A320","1","","L2J","Swiss","SWISS","SWR","LX","","","","","",\
"2010-01-01","","","","false","false","false","",""
"""


def write_aircraft(bucket: Path) -> Path:
    """`metadata/aircraftDatabase.csv` with one aircraft."""
    path = bucket / "metadata" / "aircraftDatabase.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(AIRCRAFT)
    return path
