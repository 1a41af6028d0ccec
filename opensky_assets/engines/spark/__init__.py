"""Spark: its session, ingest and transforms on executors. pyspark is imported when a session is opened."""
