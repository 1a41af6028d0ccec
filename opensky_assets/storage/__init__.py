"""Bytes in a folder or in a bucket: list, read, put, put on a condition, lock. Not here: what the bytes mean."""
