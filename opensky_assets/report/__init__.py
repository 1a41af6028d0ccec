"""Reports: what a day or a range of days looks like, as one page that opens offline. Not here: how figures come about
(the marts do that), and Dagster."""
