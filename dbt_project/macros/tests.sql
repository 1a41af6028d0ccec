{% test unique_together(model, columns) %}
select {{ columns | join(", ") }}, count(*) as n from {{ model }} group by all having count(*) > 1
{% endtest %}

{% test at_least(model, column_name, value) %}
select * from {{ model }} where {{ column_name }} < {{ value }}
{% endtest %}

{% test at_most(model, column_name, value) %}
select * from {{ model }} where {{ column_name }} > {{ value }}
{% endtest %}

{# Each flight of a day for which `condition` holds is counted in exactly one row of that day. #}
{% test counts_every_flight(model, count, condition="true") %}
with counted as (
    select day, sum({{ count }}) as flights from {{ model }} group by day
),

flights as (
    select day, count(*) as flights from {{ ref('stg_flights') }} where {{ condition }} group by day
)

select * from counted full join flights using (day)
where counted.flights is distinct from flights.flights
{% endtest %}
