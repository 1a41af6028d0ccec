select
    day,
    origin,
    destination,
    count(*) as flights,
    count(distinct icao24) as aircraft,
    max(distance_km) as distance_km,
    avg(duration_s) as mean_duration_s
from {{ ref('stg_flights') }}
where origin is not null and destination is not null
group by day, origin, destination
