-- The 60 minutes up to the last movement of an hour hold all movements of that hour.
select *
from {{ ref('airport_movements_hourly') }}
where rolling_60min_max < arrivals + departures
