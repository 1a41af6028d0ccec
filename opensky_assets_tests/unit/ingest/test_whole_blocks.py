"""A block read at once gives what the same block gives when each line is looked at."""

import dataclasses
import random
from datetime import date

import pytest
from polars.testing import assert_frame_equal

from opensky_assets.calendar import Period
from opensky_assets.ingest import parse
from opensky_assets.ingest.blocks import Block
from opensky_assets.ingest.csv_format import CSV
from opensky_assets.ingest.layout import read_layout
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.schemas.contract import ICAO24_PATTERN

HEADER = b"time,icao24,lat,lon,velocity,callsign,onground,squawk,lastcontact"
DAY = date(2022, 6, 25)
LINEWISE = dataclasses.replace(CSV, whole=lambda lines, layout: None)
PIECES = [
    *(
        b"1656115200",
        b"1656115200.5",
        b"1656200000",
        b"4b1815",
        b"4B1815",
        b" 4b1815",
        b"47.5",
        b"-0",
        b"1e3",
        b"1e400",
    ),
    *(b"inf", b"-inf", b"nan", b"NaN", b"NA", b"null", b"", b" ", b"SWR1  ", b"True", b"false", b"1", b"x", b"7000"),
    *(b'"', b"\x00", b"\xc3\xa9"),
]


def line() -> bytes:
    return b",".join(
        [b"1656115210", b"4b1815", b"47.5", b"8.5", b"200.25", b"SWR1  ", b"False", b"7000", b"1656115209.5"]
    )


def mutated(rng: random.Random) -> bytes:
    lines = [line() for _ in range(rng.randrange(1, 6))]
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(lines))
        fields = lines[at].split(b",")
        act = rng.random()
        if act < 0.7:
            fields[rng.randrange(len(fields))] = rng.choice(PIECES)
        elif act < 0.85:
            fields.insert(rng.randrange(len(fields)), rng.choice(PIECES))
        else:
            fields.pop()
        lines[at] = b",".join(fields)
    return rng.choice([b"\n", b"\r\n"]).join(lines) + rng.choice([b"\n", b""])


@pytest.mark.parametrize("seed", range(400))
def test_same_rows_and_rejects_either_way(seed: int) -> None:
    layout = read_layout(HEADER, STATE_VECTORS)
    block = Block(mutated(random.Random(seed)), 2)
    at_once = parse.parse_block(block, layout, Period(DAY, DAY))
    by_line = parse.parse_block(block, layout, Period(DAY, DAY), LINEWISE)
    assert at_once.records == by_line.records == at_once.rows.height + at_once.rejects.height
    assert_frame_equal(at_once.rows, by_line.rows)
    assert_frame_equal(at_once.rejects, by_line.rejects)


@pytest.mark.parametrize("bad", [b"1,2,3\n4,5\n", b"4,5\n1,2,3\n", b"7,8,9\n4,5\n"])
def test_a_long_and_a_short_line_do_not_make_up_for_each_other(bad: bytes) -> None:
    layout = read_layout(b"time,icao24", STATE_VECTORS)
    block = Block(b"1656115200,4b1815\n" + bad.replace(b"4,5", b"4") + b"1656115200,4b1815\n", 2)
    parsed = parse.parse_block(block, layout, Period(DAY, DAY))
    assert (parsed.records, parsed.rows.height, parsed.rejects.height) == (4, 2, 2)


def test_patterns_let_neither_blanks_nor_capitals_in() -> None:
    """What reads a block at once does not tidy a column whose values all match."""
    columns = [c for contract in (FLIGHTS, STATE_VECTORS) for c in contract.columns if c.pattern]
    assert {c.pattern for c in columns} == {ICAO24_PATTERN}
