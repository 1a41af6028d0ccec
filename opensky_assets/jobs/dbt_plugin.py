"""Plugin of dbt-duckdb, named in `dbt_project/profiles.yml`: lets dbt's connections read the lake.

In a run of Dagster it is the lake of the run, whose views are there already. By hand it is the lake of the settings,
whole: read only, whatever dbt does.
"""

import os

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from opensky_assets.lake import Lake

LAKE = "OPENSKY_DBT_LAKE"


class Plugin(BasePlugin):
    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        if given := os.environ.get(LAKE):
            Lake.from_json(given).attach(conn)
            return
        # A run needs neither settings nor contracts, which take a second to import.
        from opensky_assets.jobs.dbt_by_hand import attach_whole_lake

        attach_whole_lake(conn)
