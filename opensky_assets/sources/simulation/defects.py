"""Defects put into lines of flight lists and state files, and what the contracts make of each.

A `Kind` makes one line wrong in one way. Its outcome follows from the contracts in `opensky_assets.schemas`: a
record is a physical line, its first fault in the order control character, encoding, quoting, field count, empty
key, address, values in the contract's order, `day`, period is the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from opensky_assets.schemas.contract import Contract
from opensky_assets.schemas.flights import FLIGHTS
from opensky_assets.schemas.reasons import Reason
from opensky_assets.schemas.state_vectors import STATE_VECTORS
from opensky_assets.sources.simulation.flight_list import FLIGHT_HEADER
from opensky_assets.sources.simulation.states import STATE_HEADER

DAY = 86_400
OVERLONG = (1 << 20) + 4096  # bytes: over what one line may have


class Outcome(StrEnum):
    """What becomes of a defect."""

    QUARANTINED = "quarantined"
    NORMALISED = "normalised"  # read as what it means
    FLAGGED = "flagged"  # implausible: stays, a check counts it
    UNTOUCHED = "untouched"  # looks odd, is right
    NOT_A_RECORD = "not_a_record"
    OBJECT_REJECTED = "object_rejected"


@dataclass(frozen=True)
class Defect:
    """One entry of the truth. `line_number` counts physical lines of the unpacked object, the header is 1; 0 is the
    whole object."""

    object: str
    line_number: int
    kind: str
    outcome: Outcome
    reason: Reason | None = None
    column: str | None = None


@dataclass
class Line:
    """A record as fields, with the means to write it back. `eol` ends its line, `lead` are lines put before it."""

    table: Table
    fields: list[bytes]
    eol: bytes
    column: str | None = None
    lead: bytes = b""

    def __getitem__(self, name: str) -> bytes:
        return self.fields[self.table.header.index(name)]

    def __setitem__(self, name: str, value: bytes) -> None:
        self.fields[self.table.header.index(name)] = value

    def bytes(self) -> bytes:
        return self.lead + b",".join(self.fields) + self.eol


Change = Callable[[Line, np.random.Generator], bool]
"""Spoils a line in place; False where this line cannot have the defect."""


@dataclass(frozen=True)
class Kind:
    """A kind of defect. `column` None: the change names it itself, where one is at fault."""

    name: str
    change: Change
    outcome: Outcome
    reason: Reason | None = None
    column: str | None = None


@dataclass(frozen=True)
class Table:
    """How a table's lines look in its objects, and the kinds of defects they get."""

    contract: Contract
    header: tuple[str, ...]
    eol: bytes
    kinds: tuple[Kind, ...] = ()

    @property
    def day_column(self) -> str:
        return self.contract.day_column or ""

    @property
    def numbers(self) -> list[str]:
        """Columns that hold numbers and may be empty, in the file's order."""
        columns = self.contract.by_name
        return [n for n in self.header if columns[n].nullable and (columns[n].epoch or columns[n].unit in PLAIN_UNITS)]

    @property
    def nullable(self) -> list[str]:
        columns = self.contract.by_name
        return [n for n in self.header if columns[n].nullable and n != "day"]


PLAIN_UNITS = ("degrees", "m", "m/s")


def put(column: str, *values: bytes) -> Change:
    """Write one of `values` over a column."""

    def change(line: Line, rng: np.random.Generator) -> bool:
        line[column] = values[int(rng.integers(len(values)))]
        return True

    return change


def rewrite(column: str, how: Callable[[bytes], bytes]) -> Change:
    """Rewrite a column that is not empty; where that changes nothing the line cannot have the defect."""

    def change(line: Line, rng: np.random.Generator) -> bool:
        before = line[column]
        if not before:
            return False
        line[column] = how(before)
        return line[column] != before

    return change


def in_a_number(*values: bytes) -> Change:
    """Write one of `values` over some column of numbers, and name it."""

    def change(line: Line, rng: np.random.Generator) -> bool:
        numbers = line.table.numbers
        line.column = numbers[int(rng.integers(len(numbers)))]
        line[line.column] = values[int(rng.integers(len(values)))]
        return True

    return change


def null_text(line: Line, rng: np.random.Generator) -> bool:
    names = line.table.nullable
    line.column = names[int(rng.integers(len(names)))]
    line[line.column] = (b"NA", b"NaN", b"nan", b"null")[int(rng.integers(4))]
    return True


def missing_field(line: Line, rng: np.random.Generator) -> bool:
    del line.fields[int(rng.integers(len(line.fields)))]
    return True


def extra_field(line: Line, rng: np.random.Generator) -> bool:
    line.fields.append(b"1")
    return True


def blank_line(line: Line, rng: np.random.Generator) -> bool:
    line.lead = line.eol
    return True


def other_line_end(line: Line, rng: np.random.Generator) -> bool:
    line.eol = b"\n" if line.eol == b"\r\n" else b"\r\n"
    return True


def two_bad_values(line: Line, rng: np.random.Generator) -> bool:
    """The first bad column of the contract is the one to be named."""
    names = [c.name for c in line.table.contract.columns if c.name in line.table.numbers]
    first, second = sorted(int(i) for i in rng.choice(len(names), size=2, replace=False))
    line[names[second]] = b"x"
    line[names[first]] = b"1.2.3"
    line.column = names[first]
    return True


def bad_address_and_value(line: Line, rng: np.random.Generator) -> bool:
    line["icao24"] = line["icao24"][:5]
    return in_a_number(b"x")(line, rng) and clear_column(line)


def clear_column(line: Line) -> bool:
    line.column = None
    return True


def bad_address_and_count(line: Line, rng: np.random.Generator) -> bool:
    line["icao24"] = line["icao24"][:5]
    return extra_field(line, rng)


def other_bool(line: Line, rng: np.random.Generator) -> bool:
    line.column = ("onground", "alert", "spi")[int(rng.integers(3))]
    options = (b"true", b"TRUE", b"1") if line[line.column] == b"True" else (b"false", b"FALSE", b"0")
    line[line.column] = options[int(rng.integers(3))]
    return True


def other_day(line: Line, rng: np.random.Generator) -> bool:
    """Another `day` than that of `lastseen`, in the file's own period or not."""
    day = np.datetime64(line["day"][:10].decode()) + int(rng.choice([-1, 1]))
    line["day"] = f"{day} 00:00:00+00:00".encode()
    return True


def other_period_flight(line: Line, rng: np.random.Generator) -> bool:
    """Times two months later, `day` with them."""
    for name in ("firstseen", "lastseen", "day"):
        day = np.datetime64(line[name][:10].decode()) + 62
        line[name] = str(day).encode() + line[name][10:]
    return True


def other_period_state(line: Line, rng: np.random.Generator) -> bool:
    line["time"] = str(int(line["time"]) + DAY * int(rng.choice([-1, 1]))).encode()
    return True


def whole_number(column: str) -> Change:
    """`304.8` cannot be written without its point, so the value becomes a whole one."""

    def change(line: Line, rng: np.random.Generator) -> bool:
        if not line[column]:
            return False
        line[column] = str(int(float(line[column]))).encode()
        return True

    return change


def upper(text: bytes) -> bytes:
    return text.upper()


def common_kinds(day_column: str, altitude: str) -> tuple[Kind, ...]:
    """Kinds that both tables have."""
    q, n = Outcome.QUARANTINED, Outcome.NORMALISED
    day = day_column
    return (
        Kind("missing_field", missing_field, q, Reason.FIELD_COUNT),
        Kind("extra_field", extra_field, q, Reason.FIELD_COUNT),
        Kind("open_quote", rewrite("callsign", lambda v: b'"' + v), q, Reason.OPEN_QUOTE),
        Kind(
            "text_after_quote", rewrite("callsign", lambda v: b'"' + v[:3] + b'"' + v[3:] + b"X"), q, Reason.OPEN_QUOTE
        ),
        Kind("nul_byte", rewrite("callsign", lambda v: v[:2] + b"\x00" + v[2:]), q, Reason.CONTROL_CHARACTER),
        Kind("control_byte", put("callsign", b"AB\x1b1", b"AB\x7f1", b"AB\t1"), q, Reason.CONTROL_CHARACTER),
        Kind("invalid_utf8", put("callsign", b"AB\xff1", b"AB\xe91", b"\xc3"), q, Reason.ENCODING),
        Kind("empty_icao24", put("icao24", b"", b"NA", b"  "), q, Reason.NULL_KEY, "icao24"),
        Kind("short_icao24", rewrite("icao24", lambda v: v[:5]), q, Reason.BAD_ICAO24, "icao24"),
        Kind("non_hex_icao24", rewrite("icao24", lambda v: b"g" + v[1:]), q, Reason.BAD_ICAO24, "icao24"),
        Kind("empty_" + day, put(day, b"", b"NaN"), q, Reason.NULL_KEY, day),
        Kind("bad_" + day, put(day, b"yesterday", b"2022-13-45 00:00:00+00:00"), q, Reason.UNPARSABLE, day),
        Kind("not_a_number", in_a_number(b"x", b"1.2.3", b"12m", b"--"), q, Reason.UNPARSABLE),
        Kind("infinite_number", in_a_number(b"inf", b"-inf"), q, Reason.UNPARSABLE),
        Kind("two_bad_values", two_bad_values, q, Reason.UNPARSABLE),
        Kind("bad_icao24_and_value", bad_address_and_value, q, Reason.BAD_ICAO24, "icao24"),
        Kind("bad_icao24_and_count", bad_address_and_count, q, Reason.FIELD_COUNT),
        Kind("upper_icao24", rewrite("icao24", upper), n, None, "icao24"),
        Kind("padded_icao24", rewrite("icao24", lambda v: b" " + v + b" "), n, None, "icao24"),
        Kind("quoted_icao24", rewrite("icao24", lambda v: b'"' + v + b'"'), n, None, "icao24"),
        Kind("padded_callsign", rewrite("callsign", lambda v: b"  " + v.strip() + b" "), n, None, "callsign"),
        Kind("blank_callsign", put("callsign", b"        "), n, None, "callsign"),
        Kind("null_text", null_text, n),
        Kind("whole_number", whole_number(altitude), n, None, altitude),
        Kind("other_line_end", other_line_end, n),
        Kind("blank_line", blank_line, Outcome.NOT_A_RECORD),
        Kind("implausible_altitude", put(altitude, b"28559.0"), Outcome.FLAGGED, None, altitude),
    )


FLIGHT_TABLE = Table(
    FLIGHTS,
    FLIGHT_HEADER,
    b"\r\n",
    (
        *common_kinds("lastseen", "altitude_1"),
        Kind("quoted_comma", put("number", b'"LH1,LH2"'), Outcome.NORMALISED, None, "number"),
        Kind("bad_firstseen", put("firstseen", b"soon"), Outcome.QUARANTINED, Reason.UNPARSABLE, "firstseen"),
        Kind("day_mismatch", other_day, Outcome.QUARANTINED, Reason.DAY_MISMATCH, "day"),
        Kind("outside_period", other_period_flight, Outcome.QUARANTINED, Reason.OUTSIDE_PERIOD, "lastseen"),
    ),
)

STATE_TABLE = Table(
    STATE_VECTORS,
    STATE_HEADER,
    b"\n",
    (
        *common_kinds("time", "baroaltitude"),
        Kind("bool_spelling", other_bool, Outcome.NORMALISED),
        Kind("bad_bool", put("onground", b"maybe", b"2"), Outcome.QUARANTINED, Reason.UNPARSABLE, "onground"),
        Kind("time_as_float", rewrite("time", lambda v: v + b".0"), Outcome.NORMALISED, None, "time"),
        Kind("implausible_velocity", put("velocity", b"1684.0"), Outcome.FLAGGED, None, "velocity"),
        Kind("implausible_heading", put("heading", b"-221.0"), Outcome.FLAGGED, None, "heading"),
        Kind("outside_period", other_period_state, Outcome.QUARANTINED, Reason.OUTSIDE_PERIOD, "time"),
    ),
)


@dataclass
class Injector:
    """Spoils lines of one table at `rate`, the objects one after another.

    Every kind comes once before chance decides, as soon as the objects are large enough not to suffer from it
    (`SPREAD` rows a kind), so a small bucket has them all.
    """

    table: Table
    rate: float
    pending: list[Kind] = field(init=False)

    SPREAD = 80

    def __post_init__(self) -> None:
        self.pending = list(self.table.kinds) if self.rate > 0 else []

    def inject(self, text: bytes, rows: int, special: dict[int, str], rng: np.random.Generator, spot: Spot) -> bytes:
        """`text` is `rows` whole lines; `special` are rows to remark as untouched. `spot` goes on past them."""
        chosen = self.draw(rows, rng)
        starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + 1])
        remarks = {}
        for row, address in special.items():
            if address not in spot.remarked and row not in chosen and self.rate > 0:
                spot.remarked.add(address)
                remarks[row] = address
        out: list[bytes | memoryview] = []
        view = memoryview(text)
        done = added = 0
        for row in sorted({*chosen, *remarks}):
            number = spot.line + row + added
            if row in remarks:
                spot.note("number_like_icao24", number, Outcome.UNTOUCHED, None, "icao24")
                continue
            begin, end = int(starts[row]), int(starts[row + 1])
            line = Line(self.table, bytes(view[begin : end - len(self.table.eol)]).split(b","), self.table.eol)
            kind = chosen[row]
            if not kind.change(line, rng):
                continue
            if kind in self.pending:
                self.pending.remove(kind)
            spot.note(kind.name, number, kind.outcome, kind.reason, kind.column or line.column)
            added += line.lead.count(b"\n")
            out += [view[done:begin], line.bytes()]
            done = end
        out.append(view[done:])
        spot.line += rows + added
        spot.records += rows
        return b"".join(out)

    def draw(self, rows: int, rng: np.random.Generator) -> dict[int, Kind]:
        """Which rows get which kind."""
        if self.rate <= 0 or not rows:
            return {}
        due = self.pending[: rows // self.SPREAD]
        count = min(rows, len(due) + int(rng.binomial(rows, self.rate)))
        spots = rng.choice(rows, size=count, replace=False)
        kinds = [*due, *(self.table.kinds[int(i)] for i in rng.integers(0, len(self.table.kinds), count))][:count]
        return dict(zip((int(s) for s in spots), kinds, strict=True))


@dataclass
class Spot:
    """Where the writing of one object stands, and what was noted about it. `line` is the next physical line."""

    object: str
    table: str
    line: int = 2
    records: int = 0
    quarantined: int = 0
    defects: list[Defect] = field(default_factory=list)
    remarked: set[str] = field(default_factory=set)

    def note(self, kind: str, line: int, outcome: Outcome, reason: Reason | None, column: str | None = None) -> None:
        self.defects.append(Defect(self.object, line, kind, outcome, reason, column))
        self.quarantined += outcome is Outcome.QUARANTINED
