select day, table_name, measure, records from {{ lake('counts') }}
