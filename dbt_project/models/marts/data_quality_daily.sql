with flights as (
    select
        day,
        count(*) filter (origin_name is null) as unknown_origin,
        count(*) filter (destination_name is null) as unknown_destination,
        count(*) filter (not aircraft_matched) as unmatched_aircraft
    from {{ ref('stg_flights') }}
    group by day
),

known as (
    unpivot flights on unknown_origin, unknown_destination, unmatched_aircraft
    into name measure value records
)

select day, table_name, measure, records from {{ ref('stg_counts') }}
union all
select day, 'enriched_flights' as table_name, measure, records from known
