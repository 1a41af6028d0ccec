with flights as (
    select
        day,
        count(*) as flights,
        count(*) filter (origin is null) as origin_not_given,
        count(*) filter (destination is null) as destination_not_given,
        count(*) filter (firstseen is null) as firstseen_not_given,
        count(*) filter (origin_name is null) as unknown_origin,
        count(*) filter (destination_name is null) as unknown_destination,
        count(*) filter (not aircraft_matched) as unmatched_aircraft,
        count(*) filter (not departure_counted) as departures_not_counted,
        count(*) filter (not arrival_counted) as arrivals_not_counted
    from {{ ref('stg_flights') }}
    group by day
),

known as (
    unpivot flights on columns(* exclude (day)) into name measure value records
)

select day, table_name, measure, records from {{ ref('stg_counts') }}
union all
select day, 'enriched_flights' as table_name, measure, records from known
