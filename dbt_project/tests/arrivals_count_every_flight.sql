-- Each flight with a destination is one arrival of its day.
with traffic as (
    select day, sum(inbound) as arrivals from {{ ref('airport_traffic') }} group by day
),

flights as (
    select day, count(*) filter (arrival_counted) as arrivals from {{ ref('stg_flights') }} group by day
)

select * from flights left join traffic using (day)
where flights.arrivals <> coalesce(traffic.arrivals, 0)
