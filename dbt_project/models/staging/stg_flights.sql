select
    day,
    icao24,
    registration,
    typecode,
    upper(coalesce(manufacturericao, manufacturername)) as manufacturer,
    operator,
    origin,
    destination,
    origin_name,
    destination_name,
    aircraft_matched,
    firstseen,
    lastseen,
    distance_km,
    duration_s,
    origin is not null and {{ departure_in_reach() }} as departure_counted,
    destination is not null as arrival_counted
from {{ source('lake', 'enriched_flights') }}
