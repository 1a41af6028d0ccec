"""Frame in, frame out: enrichment and reference tables. Not here: reading OpenSky's files, Dagster, publishing."""
