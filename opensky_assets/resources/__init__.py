"""Dagster resources. They hand plain objects to the domain, which never sees Dagster."""
