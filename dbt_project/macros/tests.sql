{% test unique_together(model, columns) %}
select {{ columns | join(", ") }}, count(*) as n from {{ model }} group by all having count(*) > 1
{% endtest %}

{% test at_least(model, column_name, value) %}
select * from {{ model }} where {{ column_name }} < {{ value }}
{% endtest %}

{% test at_most(model, column_name, value) %}
select * from {{ model }} where {{ column_name }} > {{ value }}
{% endtest %}
