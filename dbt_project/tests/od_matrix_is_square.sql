-- Every cell of the matrix is there, and those that are served are as many as its shares say.
select
    day,
    any_value(airports) as n,
    count(*) as cells,
    count(*) filter (flights > 0 and origin <> destination) as served
from {{ ref('od_matrix') }}
group by day
having cells <> n * n
    or served <> any_value(pairs_served)
    or abs(coalesce(any_value(connectivity), 0) * n * (n - 1) - served) > 1e-6
