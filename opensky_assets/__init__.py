"""OpenSky Network raw files as typed, checked, enriched daily tables."""


def connect(lake=None):  # type: ignore[no-untyped-def]  # set-up runs this file before anything can be imported
    """A DuckDB connection in memory with every table of the lake as a view: `connect().sql("FROM routes")`.

    `lake` is the lake's folder, by default the one in the settings. Nothing gets locked.
    """
    from opensky_assets.datasets import load_own
    from opensky_assets.lake.connect import connect as open_lake
    from opensky_assets.settings import load_settings

    load_own(load_settings())
    return open_lake(lake)
