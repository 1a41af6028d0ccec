"""What the project contributes to Dagster, one folder a group of the graph. An asset is thin wiring over the domain."""
