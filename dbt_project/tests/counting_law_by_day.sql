-- What a table was given is accounted for, on every day: of raw tables read = written + quarantined + superseded, of
-- flights inputs = flights + repeated + superseded by origin, of state vectors inputs = states + repeated.
select
    day,
    table_name,
    case when table_name = 'core_flights' then split_part(measure, ':', 2) end as origin,
    sum(records) filter (split_part(measure, ':', 1) in ('read', 'inputs')) as given,
    sum(records) filter (
        measure in ('written', 'quarantined', 'superseded', 'states', 'repeated')
        or (table_name = 'core_flights' and split_part(measure, ':', 1) in ('flights', 'repeated', 'superseded'))
    ) as accounted_for
from {{ ref('data_quality_daily') }}
where table_name in ('flights', 'state_vectors', 'core_flights', 'enriched_state_vectors')
group by all
having given is distinct from accounted_for
