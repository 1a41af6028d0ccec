"""Who computes: this machine, or Spark. Not here: what is computed."""
