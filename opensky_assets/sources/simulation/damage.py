"""Objects that cannot be read as a whole, put beside the good ones under days and months before the first.

They hold a few sound lines each, none of which may reach a table.
"""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

from opensky_assets.schemas.reasons import Reason
from opensky_assets.sources.simulation.defects import FLIGHT_TABLE, STATE_TABLE, Outcome, Spot
from opensky_assets.sources.simulation.files import state_key, tar_bytes, whole_file

LINES = 2_000  # enough for the damage to come after blocks that unpack well


def write_damaged_objects(out: Path, start: date, seed: int) -> list[Spot]:
    """Write every kind of damaged object, of flights in the months before `start`, of states in the day before."""
    spots = []
    first = start.replace(day=1)
    for kind, reason, content in flight_damage(seed):
        last = first - timedelta(days=1)
        first = last.replace(day=1)
        key = f"flights/flightlist_{first:%Y%m%d}_{last:%Y%m%d}.csv.gz"
        spots.append(put(out, key, "flights", kind, reason, content))
    day = start - timedelta(days=1)
    for hour, (kind, reason, content) in enumerate(state_damage(day, seed)):
        spots.append(put(out, state_key(day, hour), "state_vectors", kind, reason, content))
    return spots


def put(out: Path, key: str, table: str, kind: str, reason: Reason, content: bytes) -> Spot:
    with whole_file(out / key) as f:
        f.write(content)
    spot = Spot(key, table)
    spot.note(kind, 0, Outcome.OBJECT_REJECTED, reason)
    return spot


def flight_damage(seed: int) -> list[tuple[str, Reason, bytes]]:
    row = b"SIM%d,,%06x,,,,,2022-01-01 00:00:00+00:00,2022-01-01 01:00:00+00:00,2022-01-01 00:00:00+00:00,,,,,,"
    lines = b"".join(row % (i, 0x3C0000 + seed + i) + b"\r\n" for i in range(LINES))
    header = ",".join(FLIGHT_TABLE.header).encode() + b"\r\n"
    whole = packed(header + lines)
    return [
        ("cut_gzip", Reason.DAMAGED_CONTAINER, whole[: len(whole) // 2]),
        ("flipped_byte", Reason.DAMAGED_CONTAINER, flipped(whole)),
        ("empty_object", Reason.EMPTY_OBJECT, b""),
        ("empty_gzip", Reason.EMPTY_OBJECT, packed(b"")),
        ("wrong_header", Reason.WRONG_HEADER, packed(header.replace(b"lastseen", b"last_seen") + lines)),
    ]


def state_damage(day: date, seed: int) -> list[tuple[str, Reason, bytes]]:
    header = ",".join(STATE_TABLE.header).encode() + b"\n"
    row = b"%d,%06x,,,,,,,False,False,False,,,,,"
    lines = b"".join(row % (1_600_000_000 + 10 * i, 0x3C0000 + seed + i) + b"\n" for i in range(LINES))
    whole = packed(header + lines)
    name = f"states_{day}.csv.gz"
    tar = tar_bytes(name, whole)
    return [
        ("cut_gzip", Reason.DAMAGED_CONTAINER, tar_bytes(name, whole[: len(whole) // 2])),
        ("flipped_byte", Reason.DAMAGED_CONTAINER, tar_bytes(name, flipped(whole))),
        ("cut_tar", Reason.DAMAGED_CONTAINER, tar[: 512 + len(whole) // 2]),
        ("broken_tar", Reason.DAMAGED_CONTAINER, b"\xa5" * 512 + tar[512:]),
        ("empty_object", Reason.EMPTY_OBJECT, b""),
        ("empty_member", Reason.EMPTY_OBJECT, tar_bytes(name, packed(b""))),
        ("wrong_header", Reason.WRONG_HEADER, tar_bytes(name, packed(header.replace(b"icao24", b"address") + lines))),
    ]


def packed(text: bytes) -> bytes:
    return gzip.compress(text, 6, mtime=0)


def flipped(data: bytes) -> bytes:
    """One byte of the checksum at the end changed: everything unpacks, and is not to be trusted."""
    return data[:-6] + bytes([data[-6] ^ 0xFF]) + data[-5:]
