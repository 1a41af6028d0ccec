"""Checks of the core tables."""

from opensky_assets.checks.core import each_flight_once, nothing_lost_or_doubled
from opensky_assets.checks.raw import plausible_values
from opensky_assets.schemas import ENRICHED_FLIGHTS
from opensky_assets.transforms.enrich import FLIGHT_ENRICHMENT, STATE_ENRICHMENT

flights_once = each_flight_once
flights_kept = nothing_lost_or_doubled(FLIGHT_ENRICHMENT, "flight")
flights_plausible = plausible_values("enriched_flights", ENRICHED_FLIGHTS)
states_kept = nothing_lost_or_doubled(STATE_ENRICHMENT, "state")
