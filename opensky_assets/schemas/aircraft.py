"""The aircraft reference: one row a transponder address, out of all aircraft tables of the source."""

import pyarrow as pa

from opensky_assets.schemas.contract import ICAO24_PATTERN, TIMESTAMP, Column, Contract
from opensky_assets.schemas.reasons import Reason

JUNK_ICAO24 = ("000000", "ffffff", "123456")
"""Placeholders that transponders send when nobody set their address."""

AIRCRAFT_DATABASE = Contract(
    name="aircraft_database",
    path="reference/aircraft_database.parquet",
    version="1",
    description="Aircraft by transponder address: the newest record of all aircraft tables of the source.",
    key=("icao24",),
    columns=(
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
        Column("registration", pa.string(), "Tail number"),
        Column("manufacturername", pa.string(), "Manufacturer"),
        Column("manufacturericao", pa.string(), "ICAO code of the manufacturer"),
        Column("model", pa.string(), "Model"),
        Column("typecode", pa.string(), "ICAO aircraft type designator"),
        Column("icaoaircraftclass", pa.string(), "ICAO class: kind, number and kind of engines, as L2J"),
        Column("operator", pa.string(), "Operator; where empty its ICAO code, else its callsign, else the owner"),
        Column("operatoricao", pa.string(), "ICAO code of the operator"),
        Column("operatoriata", pa.string(), "IATA code of the operator"),
        Column("operatorcallsign", pa.string(), "Radio callsign of the operator"),
        Column("owner", pa.string(), "Registered owner"),
        Column("built", pa.date32(), "Date of construction; often only the year is meant"),
        Column("category", pa.string(), "Emitter category in words"),
        Column("source_table", pa.string(), "Key of the aircraft table that the record is from", nullable=False),
        Column("updated", TIMESTAMP, "Time of the record, else the month of its table; empty: undated", unit="UTC"),
    ),
)
