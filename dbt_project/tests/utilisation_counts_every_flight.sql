-- Each flight is a leg of exactly one aircraft on its day.
with counted as (
    select day, sum(legs) as flights from {{ ref('aircraft_utilisation') }} group by day
),

flights as (
    select day, count(*) as flights from {{ ref('stg_flights') }} group by day
)

select * from counted full join flights using (day)
where counted.flights is distinct from flights.flights
