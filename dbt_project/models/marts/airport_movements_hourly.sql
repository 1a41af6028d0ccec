with rolling as (
    select
        *,
        count(*) over (
            partition by airport
            order by instant
            range between interval '59 minutes 59.999999 seconds' preceding and current row
        ) as movements_60min
    from {{ ref('stg_movements') }}
)

select
    day,
    airport,
    date_trunc('hour', instant) as hour,
    count(*) filter (direction = 'arrival') as arrivals,
    count(*) filter (direction = 'departure') as departures,
    max(movements_60min) as rolling_60min_max
from rolling
group by all
