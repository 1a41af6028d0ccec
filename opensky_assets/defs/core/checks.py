"""Checks of the core tables."""

from opensky_assets.checks.core import no_flight_lost_or_doubled
from opensky_assets.checks.raw import plausible_values
from opensky_assets.schemas import ENRICHED_FLIGHTS

flights_kept = no_flight_lost_or_doubled
flights_plausible = plausible_values("enriched_flights", ENRICHED_FLIGHTS)
