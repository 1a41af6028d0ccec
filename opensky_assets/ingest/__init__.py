"""Bytes become checked rows: containers, blocks, parsing, the kernel, the plan, the runner. Not here: joins."""
