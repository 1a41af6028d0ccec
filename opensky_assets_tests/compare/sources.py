"""The sources that both checkouts read: a simulated bucket in two rounds, and a folder of recorded objects."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from opensky_assets_tests.buckets import put
from opensky_assets_tests.containers import hour_tar
from opensky_assets_tests.flight_lists import flight, write_list
from opensky_assets_tests.state_files import answered, epoch, state, write_hour, write_poll

SIMULATE = (
    *("simulate", "--start", "2022-06-25", "--days", "2", "--aircraft", "60", "--seed", "11", "--states-hours", "4"),
    *("--defects", "0.02", "--damaged-objects", "--quiet"),
)
"""Arguments of the command that makes the bucket, but for `--out`."""
SIMULATED_DAYS = ("2022-06-24", "2022-06-29")
HELD_DAY = "2022-06-27"
TOO_BROKEN = f"flights/flightlist_{HELD_DAY.replace('-', '')}_{HELD_DAY.replace('-', '')}.csv.gz"

RECORDED = (
    "bucket/flights/flightlist_20200401_20200430.csv.gz",
    "bucket/metadata/*",
    "bucket/states/**/*",
    "rest/flights/*",
    "rest/poll/flights_*/**/*.gz",
    "rest/states/*.json",
    "variants/*",
)
"""What is taken of the recorded data; of the polls in `rest/poll/states`, one in `EVERY_POLL`."""
EVERY_POLL = 12
RECORDED_DAYS = (
    ("2017-02-05", "2017-02-05"),
    ("2020-04-01", "2020-04-30"),
    ("2023-04-01", "2023-04-01"),
    ("2025-09-22", "2025-09-26"),
)


# --- simulated -----------------------------------------------------------------------------------------------------


def add_first_round(bucket: Path, truth: Path) -> None:
    """What the simulation does not write: answers, polls, repeats, an object over the limit, keys without days."""
    (flight_list,) = bucket.glob("flights/flightlist_202206*.csv.gz")
    put(bucket, flight_list.relative_to(bucket).as_posix().removesuffix(".gz"), _unzip(flight_list))
    hour = next(bucket.glob("states/*2022-06-25/01/*.csv.tar"))
    put(bucket, hour.relative_to(bucket).as_posix().removesuffix(".tar") + ".gz", _csv_of(hour, zipped=True))

    answers = _answers_like(truth / "flights.parquet")
    put(bucket, "flights_api/2022-06-25/flights_all_2022-06-25T10.json.gz", _json(answers[::2]))
    put(bucket, "flights_api/2022-06-25/flights_all_2022-06-25T10_again.json.gz", _json(answers[::2]))
    put(bucket, "flights_api/2022-06-26/flights_arrival_LSZH.json", json.dumps(answers[1::3]).encode())
    put(bucket, "flights_api/2022-06-26/flights_all_2022-06-26T22.json.gz", _json([]))

    write_list(bucket, HELD_DAY, HELD_DAY, _list_lines(HELD_DAY, 8) + ["one,field,too,few"] * 3)
    for number in range(3):
        at = epoch("2022-06-26", 20, 90 * number)
        records = [answered(f"4b18{n:02d}", contact=at - 5) for n in range(40)]
        write_poll(bucket, at, [*records, records[0], "{broken"])
    header, *lines = gzip.decompress((bucket / TOO_BROKEN).read_bytes()).splitlines(keepends=True)
    put(bucket, "flights/unnamed.csv", header + b"".join(lines[:5]))
    put(bucket, "data/more/unnamed.json", json.dumps(answers[2::7]).encode())
    put(bucket, "notes.txt", b"no table")


def make_second_round(bucket: Path, truth: Path) -> None:
    """A later state of the bucket: objects are new, changed, mended and gone."""
    day = "2022-06-28"
    write_list(bucket, day, day, [*_list_lines(day, 6), "broken"])
    write_list(bucket, HELD_DAY, HELD_DAY, _list_lines(HELD_DAY, 9))
    write_hour(bucket, day, 3, [state(epoch(day, 3, 10 * n), icao24) for n in range(20) for icao24 in ("4b1801", "a")])
    write_poll(bucket, epoch(day, 9), [answered(contact=epoch(day, 9))])
    hour = next(bucket.glob("states/*2022-06-25/02/*.csv.tar"))
    lines = _csv_of(hour, zipped=False).splitlines(keepends=True)
    put(bucket, hour.relative_to(bucket).as_posix(), hour_tar(b"".join(lines[:-25]), name=hour.name[:-4] + ".gz"))
    answers = _answers_like(truth / "flights.parquet")
    put(bucket, "flights_api/2022-06-26/flights_arrival_LSZH.json", json.dumps(answers[1::4]).encode())
    put(bucket, "flights_api/2022-06-26/flights_departure_EDDF.json", json.dumps(answers[::5]).encode())
    next(bucket.glob("flights/flightlist_202206*_*.csv")).unlink()
    next(bucket.glob("states/*2022-06-25/00/*.csv.tar")).unlink()
    (bucket / "flights/unnamed.csv").unlink()
    table = bucket / "metadata/aircraftDatabase.csv"
    lines = table.read_bytes().splitlines(keepends=True)
    put(bucket, table.relative_to(bucket).as_posix(), b"".join(lines[:-10]))


def make_third_round(bucket: Path) -> None:
    """What is left once the objects that were damaged as a whole are gone."""
    for path in [*bucket.glob("states/2022-06-24/**/*.tar"), *bucket.glob("flights/flightlist_20220[1-5]*")]:
        path.unlink()


def _list_lines(day: str, count: int) -> list[str]:
    return [flight(day, hour=hour, icao24=f"4b18{hour:02d}") for hour in range(1, count + 1)]


def _answers_like(truth: Path) -> list[dict[str, Any]]:
    """Answers of the API about true flights, a minute off, and some that no list has."""
    found = duckdb.execute(
        f"SELECT icao24, callsign, origin, destination, epoch(firstseen)::BIGINT, epoch(lastseen)::BIGINT "
        f"FROM '{truth.as_posix()}' WHERE lastseen < TIMESTAMPTZ '2022-06-27 00:00:00+00' ORDER BY ALL LIMIT 60"
    ).fetchall()
    return [
        {
            "icao24": icao24 if number % 5 else f"{number:06x}",
            "firstSeen": first + 60,
            "estDepartureAirport": origin,
            "lastSeen": last - 60,
            "estArrivalAirport": destination if number % 4 else None,
            "callsign": callsign,
            "estDepartureAirportHorizDistance": 100,
            "estDepartureAirportVertDistance": 20,
            "estArrivalAirportHorizDistance": 300,
            "estArrivalAirportVertDistance": None,
            "departureAirportCandidatesCount": 1,
            "arrivalAirportCandidatesCount": 0,
        }
        for number, (icao24, callsign, origin, destination, first, last) in enumerate(found)
    ]


def _json(records: Sequence[Any]) -> bytes:
    return gzip.compress(json.dumps(records).encode(), mtime=0)


def _unzip(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _csv_of(path: Path, zipped: bool) -> bytes:
    """The table in an hour's tar, as gzip or unpacked."""
    with tarfile.open(path) as archive:
        member = next(name for name in archive.getnames() if name.endswith(".csv.gz"))
        file = archive.extractfile(member)
        assert file is not None
        data = file.read()
    return data if zipped else gzip.decompress(data)


# --- recorded ------------------------------------------------------------------------------------------------------


def copy_recorded(shared: Path, bucket: Path) -> int:
    """Copy a part of the recorded data, with times, to where a source has them; how many objects."""
    found = [path for pattern in RECORDED for path in sorted(shared.glob(pattern)) if path.is_file()]
    found += sorted((shared / "rest/poll/states").glob("**/*.gz"))[::EVERY_POLL]
    for path in found:
        _copy(path, bucket / _key(path.relative_to(shared).parts))
    return len(found)


def _key(parts: Iterable[str]) -> str:
    top, *rest = parts
    return "/".join({"bucket": rest, "rest": rest, "variants": ["data", "variants", *rest]}[top])


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to)
