{#- What differs in a run of Dagster, which reads some days of the lake, from dbt by hand, which reads all. -#}

{% macro is_in_a_run() -%}
  {%- do return(env_var('OPENSKY_DBT_DATABASE', '') != '' and model is defined) -%}
{%- endmacro %}

{#- The name of a test; of a generic one it is followed by its model's. -#}
{% macro name_of_test() -%}
  {%- if model.test_metadata -%}
    {%- do return(model.test_metadata.name ~ '_' ~ (model.attached_node or '').split('.')[-1]) -%}
  {%- endif -%}
  {%- do return(model.name) -%}
{%- endmacro %}

{#- In a run, a source is a view over exactly the files that the calling model may read, in a schema of its own. -#}
{% macro source(source_name, table_name) -%}
  {%- set relation = builtins.source(source_name, table_name) -%}
  {%- if source_name == 'lake' and is_in_a_run() -%}
    {%- set reader = 'test_' ~ name_of_test() if model.resource_type == 'test' else model.name -%}
    {%- do return(relation.incorporate(path={'schema': 'lake_' ~ reader})) -%}
  {%- endif -%}
  {%- do return(relation) -%}
{%- endmacro %}

{#- In a run, a test that compares models looks at the days that all of them hold. -#}
{% macro ref() -%}
  {%- set relation = builtins.ref(*varargs, **kwargs) -%}
  {%- if execute and is_in_a_run() and model.resource_type == 'test' -%}
    {%- set name = name_of_test() -%}
    {%- if name in var('narrow_tests', []) -%}
      {%- set days = "select day from lake.days_of_tests where name = '" ~ name ~ "'" -%}
      {%- do return('(select * from ' ~ relation ~ ' where day in (' ~ days ~ '))') -%}
    {%- endif -%}
  {%- endif -%}
  {%- do return(relation) -%}
{%- endmacro %}

{#- In a run, a mart that is made with parts of other days keeps those that it holds whole. -#}
{% macro keep_days_of_the_run(relation) -%}
  {%- if is_in_a_run() and relation.identifier in var('narrow_marts', []) -%}
    delete from {{ relation }}
    where day not in (select day from lake.days_of_models where name = '{{ relation.identifier }}')
  {%- endif -%}
{%- endmacro %}
