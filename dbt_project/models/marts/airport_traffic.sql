select
    day,
    airport,
    max(airport_name) as airport_name,
    max(country) as country,
    count(*) filter (direction = 'departure') as outbound,
    count(*) filter (direction = 'arrival') as inbound,
    count(distinct other_airport) filter (direction = 'departure') as destinations,
    count(distinct other_airport) filter (direction = 'arrival') as origins
from {{ ref('stg_movements') }}
group by day, airport
