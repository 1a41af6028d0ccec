select day, table_name, measure, records from {{ source('lake', 'counts') }}
