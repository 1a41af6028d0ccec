"""Programs that the command line runs. Not here: what the assets do."""
