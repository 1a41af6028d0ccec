"""Where bytes come from: object stores, their keys, the simulated bucket. Not here: what the bytes mean."""
