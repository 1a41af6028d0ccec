"""The aircraft tables in OpenSky's three dialects, with the defects that the real ones have.

A is the old undated table (all fields in double quotes, an empty record on line 2), B a monthly dump (15 columns by
position under a blank header line), C a `complete` dump (quote character ', doubled within a field, on some fields).
A newer table has newer operators and owners; not every aircraft is in every table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from opensky_assets.schemas.reasons import Reason
from opensky_assets.sources.simulation.catalog import COUNTRIES, TYPES, AircraftType, Country
from opensky_assets.sources.simulation.defects import Outcome, Spot
from opensky_assets.sources.simulation.files import whole_file
from opensky_assets.sources.simulation.world import World

TABLE_A = "metadata/aircraftDatabase.csv"
TABLE_B = "metadata/aircraftDatabase-2022-03.csv"
TABLE_C = "metadata/aircraft-database-complete-2024-06.csv"

TEXT_A = (
    "icao24 registration manufacturericao manufacturername model typecode serialnumber linenumber icaoaircrafttype "
    "operator operatorcallsign operatoricao operatoriata owner testreg registered reguntil status built "
    "firstflightdate seatconfiguration engines modes adsb acars notes categoryDescription"
)
HEADER_A = TEXT_A.split()
COLUMNS_B = [*HEADER_A[:14], "categoryDescription"]
TEXT_C = (
    "icao24 timestamp acars adsb built categoryDescription country engines firstFlightDate firstSeen "
    "icaoAircraftClass lineNumber manufacturerIcao manufacturerName model modes nextReg operator operatorCallsign "
    "operatorIata operatorIcao owner prevReg regUntil registered registration selCal serialNumber status typecode vdl"
)
HEADER_C = TEXT_C.split()
QUOTED_C = "timestamp categoryDescription engines lineNumber nextReg operator operatorCallsign prevReg selCal status"
ALWAYS_QUOTED_C = frozenset(QUOTED_C.split())
DATES_C = ("built", "firstSeen")  # quoted where they are not empty
NO_TIME_C = "1970-01-01 01:00:00"  # what the real table has for "no time"
NO_CATEGORY_A = "No ADS-B Emitter Category Information"
SHARES = (0.8, 0.5, 0.6)  # of the aircraft, in A, B and C


@dataclass(frozen=True)
class Airframe:
    """What all tables say of an aircraft, before their dialects. `operator` is (name, callsign, ICAO, IATA)."""

    icao24: str
    registration: str
    type: AircraftType
    country: str
    operator: tuple[str, str, str, str]
    owner: str
    serial: str
    built: str
    category: str


Record = dict[str, str]


@dataclass(frozen=True)
class Entry:
    """A record as it stands in the file. `valid` is its address where it makes a row, `updated` its time where known
    (ISO); a `kind` is noted in the truth."""

    text: str
    valid: str | None = None
    updated: str = ""
    kind: str | None = None
    outcome: Outcome = Outcome.UNTOUCHED
    reason: Reason | None = None
    column: str | None = None


@dataclass(frozen=True)
class Winner:
    """An address of the merged tables: how many records it has in them, the table whose record has the latest time
    (a table's month where the record has none), and the newest table that has it. The two differ where a newer table
    repeats a record that was changed long ago."""

    icao24: str
    newest_record: str
    newest_table: str
    records: int


def write_aircraft_tables(out: Path, world: World, seed: int, defects: bool) -> tuple[list[Spot], list[Winner]]:
    """Write the three tables; give back what is in each, in the order A, B, C, and the newest record by address."""
    rng = np.random.default_rng([seed, 5])
    frames = airframes(world, rng)
    chosen = rng.random((len(frames), 3)) < np.array(SHARES)
    chosen[0] = True
    head_a = ",".join(f'"{c}"' for c in HEADER_A) + "\n"
    head_c = ",".join(f"'{c}'" for c in HEADER_C) + "\n"
    spots = []
    newest: dict[str, tuple[str, str]] = {}
    last: dict[str, str] = {}
    counts: dict[str, int] = {}
    for key, place, head in ((TABLE_A, 0, head_a), (TABLE_B, 1, "\n"), (TABLE_C, 2, head_c)):
        members = [f for f, has in zip(frames, chosen[:, place].tolist(), strict=True) if has]
        entries = table_entries(members, place, rng, defects)
        spot = Spot(key, "aircraft_database")
        with whole_file(out / key) as f:
            f.write(head.encode())
            for entry in entries:
                f.write(entry.text.encode())
                if entry.kind:
                    spot.note(entry.kind, spot.line, entry.outcome, entry.reason, entry.column)
                if entry.valid:
                    counts[entry.valid] = counts.get(entry.valid, 0) + 1
                    newest[entry.valid] = max(newest.get(entry.valid, ("", "")), (entry.updated, key))
                    last[entry.valid] = key
                spot.line += entry.text.count("\n")
                spot.records += 1
        spots.append(spot)
    return spots, [Winner(a, newest[a][1], last[a], counts[a]) for a in sorted(newest)]


def airframes(world: World, rng: np.random.Generator) -> list[Airframe]:
    """The fleet, and aircraft that never fly, sorted by address."""
    fleet = world.fleet
    extra = world.spare_icao24
    out = []
    for i, icao24 in enumerate([*fleet.icao24, *extra]):
        flies = i < len(fleet.icao24)
        country = COUNTRIES[int(fleet.country[i])] if flies else country_of(icao24)
        kind = TYPES[int(fleet.type[i])] if flies else TYPES[int(rng.integers(len(TYPES)))]
        airline = country.airlines[int(fleet.airline[i])] if flies and fleet.airline[i] >= 0 else None
        year = int(rng.integers(1985, 2022))
        out.append(
            Airframe(
                icao24=icao24,
                registration=fleet.registration[i] if flies else f"{country.prefix}{int(rng.integers(10**4, 10**5))}",
                type=kind,
                country=country.code,
                operator=(airline.name, airline.callsign, airline.icao, airline.iata) if airline else ("", "", "", ""),
                owner=f"{airline.name} Leasing" if airline else f"Private Owner {int(rng.integers(1, 900))}",
                serial=str(int(rng.integers(1000, 60000))),
                built=f"{year}-01-01",
                category="Large (75000 to 300000 lbs)" if kind.airline else "Light (< 15500 lbs)",
            )
        )
    return sorted(out, key=lambda f: f.icao24)


def country_of(icao24: str) -> Country:
    """The country in whose block an address lies."""
    address = int(icao24, 16)
    return next(c for c in COUNTRIES if c.block <= address < c.block + c.size)


def table_entries(members: list[Airframe], place: int, rng: np.random.Generator, defects: bool) -> list[Entry]:
    """The records of one table, odd ones among them. `place` is 0, 1, 2 for A, B, C."""
    as_line = LINES[place]
    entries = []
    for frame in members:
        row = record_c(frame, rng) if place == 2 else record_ab(frame, place, rng)
        updated = row["timestamp"] if place == 2 else ("", "2022-03")[place]
        entries.append((row, updated))
    plain = [Entry(as_line(row), row["icao24"], updated) for row, updated in entries]
    if defects:
        # Far enough apart, and never first or last: a reader must get back in step before the next one.
        share = max(1, len(plain) // 4000)
        odd = [e for i in range(share) for e in odd_entries(entries, place, i, rng)]
        step = len(plain) // (len(odd) + 1)
        for i, entry in reversed(list(enumerate(odd))):
            plain.insert((i + 1) * step, entry)
    if place == 0:
        empty = {c: "" for c in HEADER_A} | {"modes": "false", "adsb": "false", "acars": "false"}
        plain.insert(0, Entry(as_line(empty), None, "", "empty_record", Outcome.QUARANTINED, Reason.NULL_KEY, "icao24"))
    return plain


def odd_entries(rows: list[tuple[Record, str]], place: int, turn: int, rng: np.random.Generator) -> list[Entry]:
    """One record of each oddity, with addresses that no other record of the tables has, but for the junk."""
    as_line = LINES[place]
    base, updated = rows[int(rng.integers(len(rows)))]
    quote = "'" if place == 2 else '"'

    def own(number: int) -> str:
        """An address outside all blocks, for one record."""
        return f"f{place}{turn * 32 + number:04x}"

    def with_(kind: str, outcome: Outcome, reason: Reason | None, column: str, **values: str) -> Entry:
        row = base | {"icao24": own(len(kind))} | values
        valid = row["icao24"].lower() if outcome is not Outcome.QUARANTINED else None
        return Entry(as_line(row), valid, updated, kind, outcome, reason, column)

    def broken(kind: str, text: str) -> Entry:
        return Entry(text, None, "", kind, Outcome.QUARANTINED, Reason.BROKEN_RECORD)

    spare = own(0)
    whole = as_line(base | {"icao24": spare, "registration": "X-STRAY", "owner": "", "operator": ""})
    fields = whole.split(f"X-STRAY{quote}" if place != 2 else "X-STRAY")
    junk = ("123456", "ffffff", "000000")[place]
    return [
        with_("multi_line_owner", Outcome.UNTOUCHED, None, "owner", owner="Two Line Holdings\nSuite 5"),
        with_("doubled_quote", Outcome.UNTOUCHED, None, "model", model=f"Kit {quote}Special{quote} 2"),
        with_("short_icao24", Outcome.QUARANTINED, Reason.BAD_ICAO24, "icao24", icao24="407a3"),
        with_("non_hex_icao24", Outcome.QUARANTINED, Reason.BAD_ICAO24, "icao24", icao24="n123ab"),
        with_("junk_icao24", Outcome.QUARANTINED, Reason.JUNK_ICAO24, "icao24", icao24=junk),
        with_("upper_icao24", Outcome.NORMALISED, None, "icao24", icao24=own(1).upper()),
        broken("unclosed_quote", fields[0] + ("'" if place == 2 else "") + "X-STRAY" + fields[1]),
        broken("short_record", ",".join(f"{quote}{v}{quote}" for v in (spare, "X-SHORT", "CESSNA")) + "\n"),
    ]


def record_ab(frame: Airframe, place: int, rng: np.random.Generator) -> Record:
    """A record of A (`place` 0) or B (1); B has newer owners, and operators that A lacks."""
    name, callsign, icao, iata = frame.operator
    lacks = rng.random(3) < (0.15, 0.3, 0.2)
    return {c: "" for c in HEADER_A} | {
        "icao24": frame.icao24,
        "registration": frame.registration,
        "manufacturericao": frame.type.manufacturer_icao,
        "manufacturername": frame.type.manufacturer,
        "model": frame.type.model,
        "typecode": "" if lacks[0] else frame.type.code,
        "serialnumber": frame.serial,
        "icaoaircrafttype": frame.type.icao_class,
        "operator": "" if lacks[1] else name,
        "operatorcallsign": callsign,
        "operatoricao": icao,
        "operatoriata": iata,
        "owner": "" if lacks[2] else frame.owner + (" (2022)" if place == 1 else ""),
        "built": frame.built,
        "modes": "false",
        "adsb": "false",
        "acars": "false",
        "categoryDescription": frame.category if place == 1 else NO_CATEGORY_A,
    }


def record_c(frame: Airframe, rng: np.random.Generator) -> Record:
    """A record of C: its own time, before or after the month of B, and an operator that is mostly empty."""
    name, callsign, icao, iata = frame.operator
    year = int(rng.choice([2017, 2019, 2020, 2023, 2024]))
    month, day, hour = int(rng.integers(1, 6)), int(rng.integers(1, 28)), int(rng.integers(0, 24))
    return {c: "" for c in HEADER_C} | {
        "icao24": frame.icao24,
        "timestamp": f"{year}-{month:02d}-{day:02d} {hour:02d}:{int(rng.integers(60)):02d}:00",
        "acars": "0",
        "adsb": "0",
        "built": frame.built,
        "categoryDescription": frame.category,
        "country": frame.country,
        "firstSeen": NO_TIME_C if rng.random() < 0.05 else "",
        "icaoAircraftClass": frame.type.icao_class,
        "manufacturerIcao": frame.type.manufacturer_icao,
        "manufacturerName": frame.type.manufacturer,
        "model": "unknow" if rng.random() < 0.01 else frame.type.model,
        "modes": "0",
        "operator": name if rng.random() < 0.1 else "",
        "operatorCallsign": callsign,
        "operatorIata": iata,
        "operatorIcao": icao,
        "owner": frame.owner,
        "registration": frame.registration,
        "serialNumber": frame.serial,
        "typecode": frame.type.code,
        "vdl": "0",
    }


def line_quoted(row: Record, columns: list[str]) -> str:
    """All fields in double quotes, as in A and B."""
    return ",".join('"' + row[c].replace('"', '""') + '"' for c in columns) + "\n"


def line_c(row: Record) -> str:
    """Fields of C: quoted where the column always is, or where a quote, comma or line end is within."""
    return ",".join(field_c(c, row[c]) for c in HEADER_C) + "\n"


def field_c(column: str, value: str) -> str:
    if (
        column in ALWAYS_QUOTED_C
        or (column in DATES_C and value)
        or any(mark in value for mark in "',\n")
        or (value.isdigit() and len(value) > 1)
    ):
        return "'" + value.replace("'", "''") + "'"
    return value


LINES: tuple[Callable[[Record], str], ...] = (
    lambda row: line_quoted(row, HEADER_A),
    lambda row: line_quoted(row, COLUMNS_B),
    line_c,
)
"""How the tables A, B and C write a record."""
