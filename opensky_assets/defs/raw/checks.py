"""Checks of the raw tables."""

from opensky_assets.checks.raw import (
    DAY_CHECKS,
    STATE_CHECKS,
    counting_law,
    day_checks,
    nothing_held_back,
    plausible_values,
)
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS

flights_counting_law = counting_law("raw_flights", FLIGHTS.name)
flights_nothing_held_back = nothing_held_back("raw_flights", FLIGHTS.name)
flights_plausible_values = plausible_values("raw_flights", FLIGHTS)
states_counting_law = counting_law("raw_state_vectors", STATE_VECTORS.name)
states_nothing_held_back = nothing_held_back("raw_state_vectors", STATE_VECTORS.name)
states_plausible_values = plausible_values("raw_state_vectors", STATE_VECTORS)

flights_days = day_checks("raw_flights", FLIGHTS, DAY_CHECKS)
states_days = day_checks("raw_state_vectors", STATE_VECTORS, {**DAY_CHECKS, **STATE_CHECKS})
