"""Small state files and polls, written as OpenSky writes them. Invented aircraft: the data may not be copied here."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opensky_assets.schemas.api import STATES_API

HEADER = (
    "time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,baroaltitude,geoaltitude,"
    "lastposupdate,lastcontact"
)


def epoch(day: str, hour: int = 0, second: int = 0) -> int:
    return int(datetime.fromisoformat(f"{day}T{hour:02d}:00:00+00:00").replace(tzinfo=UTC).timestamp()) + second


def state(at: int, icao24: str = "4b1801", contact: float | None = None) -> str:
    """One line: an aircraft in cruise at `at`, heard `contact` seconds before."""
    heard = at - (contact or 0)
    return f"{at},{icao24},47.45,8.55,231.5,92.25,0.0,SWR1    ,False,False,False,1000,10972.8,11201.4,{heard},{heard}"


def write_hour(bucket: Path, day: str, hour: int, lines: Sequence[str]) -> Path:
    """`states/<day>/<hour>/states_<day>-<hour>.csv.gz` with these lines."""
    path = bucket / "states" / day / f"{hour:02d}" / f"states_{day}-{hour:02d}.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, gzip.compress("".join(f"{line}\n" for line in (HEADER, *lines)).encode(), mtime=0))
    return path


def replace(path: Path, data: bytes) -> None:
    """Put an object as a store does: whole, and never with the time of the one before."""
    staged = path.with_name(f".{path.name}.new")
    staged.write_bytes(data)
    os.utime(staged, ns=(time.time_ns(), time.time_ns()))
    os.replace(staged, path)


def answered(icao24: str = "4b1801", contact: int = 1758790508, **fields: Any) -> dict[str, Any]:
    """One state as the API gives it, by name."""
    values = [icao24, "SWR1    ", "Switzerland", contact, contact, 8.55, 47.45, 10972.8, False, 231.5, 92.25, 0, None]
    values += [11201.4, "1000", False, 0, 3]
    return {**dict(zip(STATES_API, values, strict=True)), **fields}


def write_poll(bucket: Path, at: int, records: Sequence[Any]) -> Path:
    """`poll/states/states_<epoch>.json.gz`, one record a line; a text stands as it is."""
    path = bucket / "poll" / "states" / f"states_{at}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    replace(path, gzip.compress("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"), mtime=0))
    return path
