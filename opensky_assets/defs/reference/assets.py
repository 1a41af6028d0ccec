"""Reference tables: aircraft and airports."""

import dagster as dg
import pyarrow as pa

from opensky_assets.ingest.airports import airports_table
from opensky_assets.ingest.kernel import CODE_VERSION
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.io_managers.metadata import table_metadata
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import AIRCRAFT_DATABASE, AIRPORTS


@dg.asset(
    group_name="reference",
    kinds={"parquet", "polars"},
    code_version=f"{CODE_VERSION}.{AIRCRAFT_DATABASE.version}",
    description=AIRCRAFT_DATABASE.description,
    metadata=table_metadata(AIRCRAFT_DATABASE),
)
def aircraft_database(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource, monitor: MonitorResource
) -> dg.MaterializeResult:
    with tried_again(context.retry_number):
        lake = opensky.open_lake()
        with monitor.measure() as measured:
            done = sync_aircraft(opensky.open_source(), lake, opensky.settings(), opensky.today(), context.log.info)
        total = done.total
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": done.rows,
                "dagster/uri": lake.uri(AIRCRAFT_DATABASE.path),
                "read": total.read,
                "quarantined": total.quarantined,
                "superseded": total.superseded,
                "tables": {key: f"{m.total.written} of {m.read} records" for key, m in done.manifests.items()},
                "held_back": done.messages,
                **measured.figures(done.read),
            },
            data_version=dg.DataVersion(done.snapshot),
        )


@dg.asset(
    group_name="reference",
    kinds={"parquet"},
    code_version=AIRPORTS.version,
    description=AIRPORTS.description,
    metadata=table_metadata(AIRPORTS),
)
def airports() -> pa.Table:
    return airports_table()
