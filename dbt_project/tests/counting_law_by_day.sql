-- read = written + quarantined + superseded, on every day of every raw table.
select
    day,
    table_name,
    sum(records) filter (measure = 'read') as read,
    sum(records) filter (measure in ('written', 'quarantined', 'superseded')) as accounted_for
from {{ ref('data_quality_daily') }}
where table_name in ('flights', 'state_vectors')
group by day, table_name
having read is distinct from accounted_for
