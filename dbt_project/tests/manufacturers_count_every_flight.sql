-- Each flight is in exactly one row of its day.
with counted as (
    select day, sum(flights) as flights from {{ ref('manufacturers') }} group by day
),

flights as (
    select day, count(*) as flights from {{ ref('stg_flights') }} group by day
)

select * from counted full join flights using (day)
where counted.flights is distinct from flights.flights
