"""What a run costs and why: monitor, scenarios, verdict. Not here: Dagster, the work that is measured."""
