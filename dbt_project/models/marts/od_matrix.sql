with ends as (
    select day, origin as airport, flights from {{ ref('routes') }}
    union all
    select day, destination as airport, flights from {{ ref('routes') }}
),

busiest as (
    select day, airport, row_number() over (partition by day order by sum(flights) desc, airport) as place
    from ends
    group by day, airport
    qualify place <= {{ var('busiest') }}
),

cells as (
    select
        one.day,
        one.place as origin_rank,
        other.place as destination_rank,
        one.airport as origin,
        other.airport as destination,
        coalesce(routes.flights, 0) as flights
    from busiest as one
    join busiest as other on one.day = other.day
    left join {{ ref('routes') }} as routes
        on routes.day = one.day and routes.origin = one.airport and routes.destination = other.airport
),

measured as (
    select
        *,
        max(origin_rank) over of_day as airports,
        count(*) filter (flights > 0 and origin <> destination) over of_day as pairs_served,
        count(*) filter (flights > 0) over of_day as cells_served
    from cells
    window of_day as (partition by day)
)

select
    day,
    origin_rank,
    destination_rank,
    origin,
    destination,
    flights,
    airports,
    pairs_served,
    pairs_served / nullif(airports * (airports - 1), 0) as connectivity,
    cells_served / (airports * airports) as connectivity_all_cells
from measured
