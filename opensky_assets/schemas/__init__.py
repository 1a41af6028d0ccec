"""The contracts of all tables. Belongs here: columns, types, units, ranges, reasons. Not here: parsing."""

from opensky_assets.schemas.aircraft import AIRCRAFT_DATABASE
from opensky_assets.schemas.airports import AIRPORTS
from opensky_assets.schemas.benchmark import BENCHMARK_RUNS
from opensky_assets.schemas.contract import Column, Contract
from opensky_assets.schemas.core_flights import CORE_FLIGHTS, SUPERSEDED_FLIGHTS
from opensky_assets.schemas.enriched_flights import ENRICHED_FLIGHTS
from opensky_assets.schemas.enriched_states import ENRICHED_STATES
from opensky_assets.schemas.flights import FLIGHTS
from opensky_assets.schemas.quarantine import QUARANTINE
from opensky_assets.schemas.reasons import Reason
from opensky_assets.schemas.state_vectors import STATE_VECTORS

__all__ = [
    "AIRCRAFT_DATABASE",
    "AIRPORTS",
    "BENCHMARK_RUNS",
    "CORE_FLIGHTS",
    "ENRICHED_FLIGHTS",
    "ENRICHED_STATES",
    "FLIGHTS",
    "QUARANTINE",
    "STATE_VECTORS",
    "SUPERSEDED_FLIGHTS",
    "Column",
    "Contract",
    "Reason",
]
