"""The group report: pages for people."""
