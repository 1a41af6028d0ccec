select
    day,
    icao24,
    origin,
    destination,
    origin_name,
    destination_name,
    aircraft_matched,
    distance_km,
    duration_s
from {{ lake('enriched_flights') }}
