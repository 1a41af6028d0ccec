"""Spark: sessions on this machine, and a cluster of processes."""
