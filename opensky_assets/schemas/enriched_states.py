"""Enriched state vectors: raw state vectors with their aircraft."""

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract
from opensky_assets.schemas.state_vectors import STATE_VECTORS

ENRICHED_STATES = Contract(
    name="enriched_state_vectors",
    path="core/enriched_state_vectors",
    version="2",
    description="Every raw state vector once, with registration, manufacturer, model, type and operator.",
    key=STATE_VECTORS.key,
    day_column="time",
    columns=(
        *STATE_VECTORS.columns,
        Column("aircraft_matched", pa.bool_(), "The aircraft is in the aircraft database", nullable=False),
        Column("registration", pa.string(), "Tail number, from the aircraft database"),
        Column("manufacturername", pa.string(), "Manufacturer, from the aircraft database"),
        Column("manufacturericao", pa.string(), "ICAO code of the manufacturer, from the aircraft database"),
        Column("model", pa.string(), "Model, from the aircraft database"),
        Column("typecode", pa.string(), "ICAO aircraft type designator, from the aircraft database"),
        Column("icaoaircraftclass", pa.string(), "ICAO class as L2J, from the aircraft database"),
        Column("operator", pa.string(), "Operator, from the aircraft database"),
        Column(
            "operator_name",
            pa.string(),
            "Name of the operator: for each ICAO code the name most of its aircraft have, else their most frequent "
            "radio callsign, in capitals; without a code, the operator; empty: unknown",
            since="2",
        ),
        Column("operatoricao", pa.string(), "ICAO code of the operator, from the aircraft database"),
        Column("aircraft_snapshot", pa.string(), "Version of the aircraft database that was joined", nullable=False),
    ),
)
