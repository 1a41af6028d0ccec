select
    day,
    manufacturer,
    typecode,
    count(*) as flights,
    count(distinct icao24) as aircraft,
    -- Decimals add up to the same sum in whatever order they come.
    sum(distance_km::decimal(18, 6))::double as distance_km
from {{ ref('stg_flights') }}
group by day, manufacturer, typecode
