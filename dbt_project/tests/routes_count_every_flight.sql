-- Each flight with both airports is in exactly one route of its day.
with routes as (
    select day, sum(flights) as flights from {{ ref('routes') }} group by day
),

flights as (
    select day, count(*) as flights
    from {{ ref('stg_flights') }}
    where origin is not null and destination is not null
    group by day
)

select * from routes full join flights using (day)
where routes.flights is distinct from flights.flights
