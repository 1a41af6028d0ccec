"""Factories of asset checks. Each has a test that makes it fail."""
