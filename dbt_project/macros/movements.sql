{#- Whether the departure of a flight can be found from its own day: the movements of a day are read from the flights of
    that day and of the two after it. False without a firstseen. -#}
{% macro departure_in_reach() -%}
  coalesce(date_diff('day', firstseen::date, day) between 0 and 2, false)
{%- endmacro %}
