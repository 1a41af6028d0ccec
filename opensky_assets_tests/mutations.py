"""Seeded damage to sound files: lines cut, doubled, flipped, wrongly quoted, over-long, in other encodings, …

`damaged_files(count, seed)` gives files with `count` mutations in all; the unit tests use some thousands, the soak
tests more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

FLIGHTS_HEADER = (
    b"callsign,number,icao24,registration,typecode,origin,destination,firstseen,lastseen,day,"
    b"latitude_1,longitude_1,altitude_1,latitude_2,longitude_2,altitude_2"
)
STATES_HEADER = (
    b"time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,"
    b"baroaltitude,geoaltitude,lastposupdate,lastcontact"
)
API_HEADER = STATES_HEADER + b",origin_country,category,position_source"

IDS = ("86e844", "000123", "407a3", "1e10", "1e1000", "ABCDEF", " 3c6589 ", "000000", "3c658g", "12345678", "0x1234")
NUMBERS = ("inf", "nan", "NaN", "NA", "1e400", "-1e400", "+5", ".5", "5.", " 5 ", " 5", "5 ", "  ", "-0", "1_000")
NUMBERS += ("0x10", "١", "1e-400", "3.5763200000000004", "--5", "1,5", "5e", "-Infinity", "007", "1e5", "true", "-.")
TIMES = ("2019-01-02", "2019-01-02T03:04:05Z", "2019-01-02 03:04:05", "2019-01-02 03:04:05.123456789+00:00")
TIMES += ("2019-01-02 03:04+00:00", "2019-01-02 03+00:00", "2019-01-02 03:04:05+00", "2019-01-02 03:04:05+0530")
TIMES += ("2019-01-02 03:04:60+00:00", "2019-01-02 24:00:00+00:00", "2019-02-30 00:00:00+00:00", "1546398245")
TIMES += ("0001-01-01 00:00:00+00:00", "0000-01-01 00:00:00+00:00", "12019-01-02 03:04:05+00:00", "1546398245.25")
TIMES += ("2019-1-2 3:4:5", "2019-01-0203:04:05", "2019-01-02  03:04:05Z", "2019-01-02 03:04:05 +00:00", "nan")
TIMES += ("9999-12-31 23:59:59-01:00", "2019-01-02 03:04:05z", "2019-01-02t03:04:05", "02/01/2019 03:04", "noon", " ")
EPOCHS = ("1546398245", "1546398245.0", "1546398245.123456", "-62135596800", "-62135596801", "253402300799", "9e11")
EPOCHS += ("253402300800", "884541340800", "inf", "nan", "-1", "0", "1e400", "1.546398245e9", "2019-01-02", " ", "1e20")
BOOLS = ("true", "True", "TRUE", "tRuE", "1", "0", "false", "FALSE", " true ", "yes", "1.0", "2", "NA", "T", "f", "  ")
BYTES = ("0", "20", "127", "128", "-128", "-129", "1.0", "1.5", "300", "1e2", "nan", "", "x")
TEXTS = ("Zürich", "Łódź", "日本", "\u2028", "NA", "null", "nan", " padded ", "a;b", "'", "\\", "é" * 40, "0042", "🛩")
SPECIAL = IDS + NUMBERS + TIMES + EPOCHS + BOOLS + BYTES + TEXTS


@dataclass(frozen=True)
class Damaged:
    """A file of `table` with `mutations` mutations in it, and the period it is read under."""

    table: str
    data: bytes
    first: date
    last: date
    mutations: tuple[str, ...]


# --- sound lines ---------------------------------------------------------------------------------------------------


def _instant(rng: random.Random, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=rng.randrange(86400))


def _icao24(rng: random.Random) -> str:
    return rng.choice(("86e844", "000123", "123456", f"{rng.randrange(1 << 24):06x}"))


def flight_line(rng: random.Random, day: date) -> bytes:
    last = _instant(rng, day)
    first = last - timedelta(seconds=rng.randrange(40000))
    number = [repr(rng.uniform(-90, 90)), str(rng.randrange(90)), "", f"{rng.uniform(0, 12000):.2f}"]
    fields = [
        rng.choice(("DLH1AB", "", "EZY12  ", "N123", f"T{rng.randrange(10**6)}")),
        rng.choice(("", "LH12")),
        _icao24(rng),
        rng.choice(("", "D-ABCD")),
        rng.choice(("", "A320")),
        rng.choice(("", "EDDF", "60CO")),
        rng.choice(("", "EGLL", "KU42")),
        f"{first:%Y-%m-%d %H:%M:%S+00:00}",
        f"{last:%Y-%m-%d %H:%M:%S+00:00}",
        f"{last:%Y-%m-%d 00:00:00+00:00}",
        *(rng.choice(number) for _ in range(6)),
    ]
    return ",".join(fields).encode()


def state_line(rng: random.Random, day: date, api: bool = False) -> bytes:
    time = int(_instant(rng, day).timestamp())
    fields = [
        str(time),
        _icao24(rng),
        rng.choice(("", repr(rng.uniform(-90, 90)))),
        rng.choice(("", repr(rng.uniform(-180, 180)))),
        rng.choice(("", "3.5763200000000004", "0", "1684.2")),
        rng.choice(("", "-221", "90.5")),
        rng.choice(("", "0.32512", "-600")),
        rng.choice(("", "DLH1AB  ", "        ", f"T{rng.randrange(10**6)}")),
        rng.choice(("true", "false", "")),
        rng.choice(("true", "false", "")),
        rng.choice(("true", "false")),
        rng.choice(("", "0042", "7700", f"{rng.randrange(8**4):04o}")),
        rng.choice(("", "-304.8", "11277.6")),
        rng.choice(("", "28559")),
        f"{time - rng.random() * 300:.3f}",
        f"{time - rng.random() * 15:.3f}",
    ]
    if api:
        fields += [rng.choice(("", "Germany")), rng.choice(("", "0", "20")), rng.choice(("", "0", "3"))]
    return ",".join(fields).encode()


# --- mutations of one line -----------------------------------------------------------------------------------------

Mutation = Callable[[random.Random, bytes], bytes]


def _cut(rng: random.Random, line: bytes) -> bytes:
    return line[: rng.randrange(len(line) + 1)]


def _double(rng: random.Random, line: bytes) -> bytes:
    return line + rng.choice((b"\n", b"\r\n", b"")) + line


def _flip_bit(rng: random.Random, line: bytes) -> bytes:
    broken = bytearray(line or b"x")
    broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _quote_field(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    at = rng.randrange(len(fields))
    fields[at] = b'"%s"' % fields[at].replace(b'"', b'""')
    return b",".join(fields)


def _quoted_comma(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    at = rng.randrange(len(fields))
    fields[at] = rng.choice((b'"a,b"', b'"say ""hi"", he said"', b'""', b'""""', b'","', b'"NA"', b'" 5 "'))
    return b",".join(fields)


def _stray_quote(rng: random.Random, line: bytes) -> bytes:
    at = rng.randrange(len(line) + 1)
    return line[:at] + rng.choice((b'"', b'""', b'","')) + line[at:]


def _nul(rng: random.Random, line: bytes) -> bytes:
    at = rng.randrange(len(line) + 1)
    return line[:at] + bytes([rng.choice((0, 0, 1, 9, 11, 12, 13, 26, 27, 127))]) * rng.randint(1, 3) + line[at:]


def _ragged(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    if rng.random() < 0.5:
        del fields[rng.randrange(len(fields))]
    else:
        fields.insert(rng.randrange(len(fields) + 1), rng.choice((b"", b"x", b"1", b"," * rng.choice((1, 255, 256)))))
    return b",".join(fields)


def _huge_field(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    size = rng.choice((300, 70_000, 140_000))
    fields[rng.randrange(len(fields))] = rng.choice((b"x", b"9", b" ", b"\xc3\xa9", b'"')) * size
    return b",".join(fields)


def _too_long(rng: random.Random, line: bytes) -> bytes:
    return line + b"x" * ((1 << 20) + rng.choice((-len(line), 1 - len(line), 0, 5000, 1 << 20)))


def _other_encoding(rng: random.Random, line: bytes) -> bytes:
    text = line.decode(errors="replace").replace("D", rng.choice(("ü", "Ł", "日")))
    return text.encode(rng.choice(("latin-1", "utf-16", "utf-16-le", "utf-8", "shift-jis")), errors="replace")


def _special_value(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    for _ in range(rng.randint(1, 2)):
        fields[rng.randrange(len(fields))] = rng.choice(SPECIAL).encode()
    return b",".join(fields)


def _swap(rng: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    a, b = rng.randrange(len(fields)), rng.randrange(len(fields))
    fields[a], fields[b] = fields[b], fields[a]
    return b",".join(fields)


def _blank(rng: random.Random, line: bytes) -> bytes:
    return line + rng.choice((b"\n", b"\n\r", b"\n\r\n\n", b"\n ", b"\r", b"\r\r"))


def _noise(rng: random.Random, line: bytes) -> bytes:
    return rng.randbytes(rng.randint(1, 200))


MUTATIONS: tuple[Mutation, ...] = (
    *(_cut, _double, _flip_bit, _flip_bit, _quote_field, _quoted_comma, _stray_quote, _nul, _ragged, _huge_field),
    *(_other_encoding, _special_value, _special_value, _special_value, _special_value, _swap, _blank, _noise),
)


# --- files ---------------------------------------------------------------------------------------------------------


def sound_file(rng: random.Random, table: str, lines: int, first: date, last: date) -> list[bytes]:
    """The lines of a sound file, the header first."""
    api = table == "state_vectors" and rng.random() < 0.3
    days = [first + timedelta(days=rng.randint(0, (last - first).days)) for _ in range(lines)]
    if table == "flights":
        return [FLIGHTS_HEADER, *(flight_line(rng, day) for day in days)]
    return [API_HEADER if api else STATES_HEADER, *(state_line(rng, day, api) for day in days)]


def damaged_files(count: int, seed: int) -> Iterator[Damaged]:
    """Files of both tables with `count` mutations in all. The header is spared: without it there are no rows."""
    rng = random.Random(seed)
    left = count
    while left > 0:
        table = rng.choice(("flights", "state_vectors"))
        first = date(2019, 1, 1) + timedelta(days=rng.randrange(3))
        last = first + timedelta(days=rng.choice((0, 0, 1, 30)))
        spoil = min(left, rng.choice((1, 1, 5, 60)))
        lines = sound_file(rng, table, spoil + rng.randrange(20), first, last)
        done = []
        for at in rng.sample(range(1, len(lines)), spoil):
            mutation = _too_long if rng.random() < 0.004 else rng.choice(MUTATIONS)
            lines[at] = mutation(rng, lines[at])
            done.append(mutation.__name__.lstrip("_"))
        ends = rng.choice(((b"\n",), (b"\r\n",), (b"\n", b"\r\n", b"\n\n")))
        data = b"".join(line + rng.choice(ends) for line in lines)
        if rng.random() < 0.3:
            data = data.rstrip(b"\r\n") + rng.choice((b"", b"\r"))
        yield Damaged(table, data, first, last, tuple(done))
        left -= spoil
