select
    day,
    icao24,
    max_by(registration, (lastseen, registration)) filter (registration is not null) as registration,
    max_by(typecode, (lastseen, typecode)) filter (typecode is not null) as typecode,
    max(operator) as operator,
    count(*) as legs,
    sum(duration_s)::double / 3600 as hours,
    sum(distance_km::decimal(18, 6))::double as distance_km,
    count(distance_km) as legs_with_distance
from {{ ref('stg_flights') }}
group by day, icao24
