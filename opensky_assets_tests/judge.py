"""An independent reading of flight lists and state vectors: which line is good, and why another is not.

Slow and plain on purpose: characters, `float` and `datetime`. It shares nothing with the package's parser, so that two
readings of the rules are held against each other. The rules, the first that applies wins:

1. a line over 1 MiB is too long; bytes that are not UTF-8, or a control character in it; a field is either quoted as
   a whole or has no quote; as many fields as the header
2. a key that is empty, in the order of the contract's columns
3. an icao24 that is not six hexadecimal digits
4. a value that is not of its column's type, in the order of the contract's columns
5. for flights, a `day` that is not the UTC day of `lastseen`
6. a day outside the object's period
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import floor

MAX_LINE = 1 << 20
NULLS = {"", "NA", "NaN", "nan", "null"}
NO_DAY = "__HIVE_DEFAULT_PARTITION__"

FLIGHTS = {
    "callsign": "padded",
    "number": "text",
    "icao24": "icao24",
    "registration": "text",
    "typecode": "text",
    "origin": "text",
    "destination": "text",
    "firstseen": "time",
    "lastseen": "time",
    "latitude_1": "number",
    "longitude_1": "number",
    "altitude_1": "number",
    "latitude_2": "number",
    "longitude_2": "number",
    "altitude_2": "number",
}
STATES = {
    "time": "epoch",
    "icao24": "icao24",
    "lat": "number",
    "lon": "number",
    "velocity": "number",
    "heading": "number",
    "vertrate": "number",
    "callsign": "padded",
    "onground": "bool",
    "alert": "bool",
    "spi": "bool",
    "squawk": "text",
    "baroaltitude": "number",
    "geoaltitude": "number",
    "lastposupdate": "epoch",
    "lastcontact": "epoch",
    "origin_country": "text",
    "category": "byte",
    "position_source": "byte",
}
KINDS = {"flights": FLIGHTS, "state_vectors": STATES}
KEYS = {"flights": ("icao24", "lastseen"), "state_vectors": ("time", "icao24")}
DAY_COLUMN = {"flights": "lastseen", "state_vectors": "time"}

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[ T]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_SECONDS = re.compile(r"[0-9]{9,10}(?:\.[0-9]+)?")
YEAR_1, YEAR_10000 = -62_135_596_800 * 10**6, 253_402_300_800 * 10**6


class Bad(Exception):
    """This text is no value of its column."""


@dataclass
class Verdict:
    """`good`: values by line number, in the contract's order, times as microseconds; `bad`: (reason, column, day)."""

    records: int = 0
    good: dict[int, tuple] = field(default_factory=dict)
    bad: dict[int, tuple[str, str | None, str]] = field(default_factory=dict)


def judge(data: bytes, table: str, first: date, last: date) -> Verdict:
    """Judge every line behind the header of `data`."""
    verdict = Verdict()
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    header = [name.strip().lower() for name in split(_no_cr(lines[0]).decode("utf-8-sig"))]
    only_day = first.isoformat() if first == last else NO_DAY
    for number, line in enumerate(lines[1:], 2):
        if not _no_cr(line):
            continue
        verdict.records += 1
        problem = _line_problem(line, len(header))
        if isinstance(problem, str):
            verdict.bad[number] = (problem, None, only_day)
            continue
        row, fault, day = _values(dict(zip(header, problem, strict=True)), table, first, last)
        if fault is None:
            verdict.good[number] = row
        else:
            verdict.bad[number] = (*fault, only_day if first == last or day is None else day)
    return verdict


def _no_cr(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _line_problem(line: bytes, width: int) -> list[str] | str:
    if len(line) > MAX_LINE:
        return "line_too_long"
    line = _no_cr(line)
    control = any(byte < 32 or byte == 127 for byte in line)
    if control:
        return "control_character"
    try:
        fields = split(line.decode())
    except UnicodeDecodeError:
        return "encoding"
    except Bad:
        return "open_quote"
    return fields if len(fields) == width else "field_count"


def split(text: str) -> list[str]:
    """The fields of a line, character by character."""
    fields, at = [], 0
    while True:
        value = ""
        if text[at : at + 1] == '"':
            at += 1
            while True:
                if at >= len(text):
                    raise Bad("open quote")
                if text[at] != '"':
                    end = text.find('"', at)
                    end = len(text) if end < 0 else end
                    value += text[at:end]
                    at = end
                elif text[at + 1 : at + 2] == '"':
                    value += '"'
                    at += 2
                else:
                    at += 1
                    break
            if at < len(text) and text[at] != ",":
                raise Bad("text behind a quote")
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end], end
            if '"' in value:
                raise Bad("a quote within a field")
        fields.append(value)
        if at >= len(text):
            return fields
        at += 1


def _values(
    texts: dict[str, str], table: str, first: date, last: date
) -> tuple[tuple, tuple[str, str | None] | None, str | None]:
    kinds = KINDS[table]
    values: dict[str, object] = {}
    unparsable = []
    asked = {**kinds, "day": "time"} if table == "flights" else kinds
    for name, kind in asked.items():
        text = texts.get(name)
        try:
            values[name] = None if text is None or text in NULLS else convert(text, kind)
        except Bad:
            values[name] = None
            unparsable.append(name)
    moment = values[DAY_COLUMN[table]]
    day = None if moment is None else _day(moment)
    inside = day is not None and first <= day <= last
    row = tuple(values[name] for name in kinds)
    told = day.isoformat() if inside else None
    for name in sorted(KEYS[table], key=list(kinds).index):
        if values[name] is None and name not in unparsable:
            return row, ("null_key", name), told
    if not re.fullmatch(r"[0-9a-f]{6}", str(values["icao24"])):
        return row, ("bad_icao24", "icao24"), told
    if unparsable:
        return row, ("unparsable", unparsable[0]), told
    if values.get("day") is not None and _day(values["day"]) != day:
        return row, ("day_mismatch", "day"), told
    if not inside:
        return row, ("outside_period", DAY_COLUMN[table]), told
    return row, None, told


def convert(text: str, kind: str) -> object:
    """A value out of its text; `None` where the text is blank. Raises `Bad`."""
    if kind == "text":
        return text
    text = text.strip()
    if not text:
        return None
    match kind:
        case "padded":
            return text
        case "icao24":
            return text.lower()
        case "bool":
            if text.lower() not in ("true", "false", "1", "0"):
                raise Bad(text)
            return text.lower() in ("true", "1")
        case "time":
            return _time(text)
        case "epoch":
            return _in_calendar(_micros(_number(text)))
        case "byte":
            value = _number(text)
            if value != int(value) or not -128 <= value <= 127:
                raise Bad(text)
            return int(value)
        case _:
            return _number(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or (value := float(text)) in (float("inf"), float("-inf")):
        raise Bad(text)
    return value


def _micros(seconds: float) -> int:
    micros = seconds * 1e6
    if abs(micros) > 1e18:
        raise Bad(seconds)
    midnight_after = (floor(Fraction(seconds) / 86400) + 1) * 86400 * 10**6
    return min(round(micros), midnight_after - 1)


def _in_calendar(micros: int) -> int:
    if not YEAR_1 <= micros < YEAR_10000:
        raise Bad(micros)
    return micros


def _time(text: str) -> int:
    if _SECONDS.fullmatch(text):
        return _micros(float(text))
    match = _TIME.fullmatch(text)
    if not match:
        raise Bad(text)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        days = (date(int(year), int(month), int(day)) - date(1970, 1, 1)).days
    except ValueError:
        raise Bad(text) from None
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    east = 0
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        if int(digits[:2]) > 23 or int(digits[2:]) > 59:
            raise Bad(text)
        east = int(f"{offset[0]}1") * (int(digits[:2]) * 60 + int(digits[2:]))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise Bad(text)
    total = days * 86400 + hours * 3600 + (minutes - east) * 60 + seconds
    return _in_calendar(total * 10**6 + int((fraction or "0")[:6].ljust(6, "0")))


def _day(micros: object) -> date:
    assert isinstance(micros, int)
    return date(1970, 1, 1) + timedelta(days=micros // (86400 * 10**6))
