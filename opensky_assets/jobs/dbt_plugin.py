"""Plugin of dbt-duckdb, named in `dbt_project/profiles.yml`: lets dbt's connections read the lake of the run."""

import os

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from opensky_assets.lake import Lake

LAKE = "OPENSKY_DBT_LAKE"


class Plugin(BasePlugin):
    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        if given := os.environ.get(LAKE):
            Lake.from_json(given).attach(conn)
