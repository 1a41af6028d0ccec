-- The hours of a day add up to its traffic, airport by airport.
with hours as (
    select day, airport, sum(departures) as outbound, sum(arrivals) as inbound
    from {{ ref('airport_movements_hourly') }}
    group by day, airport
)

select *
from hours
full join {{ ref('airport_traffic') }} as traffic using (day, airport)
where hours.outbound is distinct from traffic.outbound or hours.inbound is distinct from traffic.inbound
