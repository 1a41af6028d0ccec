select
    firstseen::date as day,
    firstseen as instant,
    'departure' as direction,
    origin as airport,
    origin_name as airport_name,
    origin_country as country,
    destination as other_airport
from {{ source('lake', 'enriched_flights') }}
where origin is not null and {{ departure_in_reach() }}
union all
select
    lastseen::date as day,
    lastseen as instant,
    'arrival' as direction,
    destination as airport,
    destination_name as airport_name,
    destination_country as country,
    origin as other_airport
from {{ source('lake', 'enriched_flights') }}
where destination is not null
