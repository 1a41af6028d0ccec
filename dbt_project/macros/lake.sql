{#- A table of the lake: exactly the files of the run's days, as the run listed them, never a glob over all. -#}
{% macro lake(table_name) -%}
  {%- set paths = [] -%}
  {%- if execute -%}
    {%- set query = "select path from lake_files where table_name = '" ~ table_name ~ "' order by path" -%}
    {%- set paths = run_query(query).columns[0].values() -%}
  {%- endif -%}
  read_parquet(
    [{% for path in paths %}'{{ path | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor %}],
    hive_partitioning = true, hive_types = {'day': date}
  )
{%- endmacro %}
