"""The lake as an IO manager: core tables are written by day, every table is loaded by what the annotation asks for."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
from dagster import ConfigurableIOManager, InputContext, OutputContext, ResourceDependency

from opensky_assets.io_managers.metadata import preview
from opensky_assets.lake import Lake, LakeError
from opensky_assets.lake.days import DayRows, write_days
from opensky_assets.partitions import NO_EVENTS, day_event
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import Contract
from opensky_assets.schemas.tables import TABLES

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame

CONTRACTS: dict[str, Contract] = {
    table.name: table.contract for table in TABLES if table.group != "quarantine" and not table.asset
}
"""The contract of each asset that is a table of the lake."""


class NotMaterialized(LakeError):
    """A table, or some days of it, have not been materialized."""


class MaterializedButGone(LakeError):
    """Dagster knows a table, or some days of it, as materialized, and the lake does not have their files."""


class LakeIOManager(ConfigurableIOManager):
    """Writes a frame that has a `day` column, ordered by day, as one file a day; loads the days that are asked for.

    Takes an Arrow table or reader, or `DayRows`, which also say what each day is made of. Gives, by the annotation of
    the input: `pa.Table` (the default), `pa.RecordBatchReader`, `pl.LazyFrame`, `pl.DataFrame`, `pandas.DataFrame`,
    `duckdb.DuckDBPyRelation` or `pyspark.sql.DataFrame`.
    """

    opensky: ResourceDependency[OpenSkyResource]
    spark: ResourceDependency[SparkResource]
    monitor: ResourceDependency[MonitorResource]

    def handle_output(self, context: OutputContext, obj: pa.Table | pa.RecordBatchReader | DayRows) -> None:
        contract = CONTRACTS[context.asset_key.path[-1]]
        asked = list(context.asset_partition_keys)
        if not isinstance(obj, DayRows):
            obj = DayRows(obj.to_reader() if isinstance(obj, pa.Table) else obj, {day: {} for day in asked})
        step = context.step_context
        # Rows of a reader are made while they are written.
        with tried_again(step.previous_attempt_count), self.monitor.measure() as measured:
            lake = self.opensky.open_lake()
            done, heads = write_days(lake, contract, obj)
            done.require_all(contract.name)
        rows = {day: record.rows for day, record in done.records.items()}
        metadata = context.output_metadata or {}
        facts: dict[str, dict[str, Any]] = {}
        for day in asked:
            given = step.get_asset_metadata(asset_key=context.asset_key, partition_key=day)
            if NO_EVENTS in metadata and not given:
                continue  # a day without data upstream
            facts[day] = {
                **(given or {}),
                "dagster/partition_row_count": rows.get(day, 0),
                "dagster/uri": lake.uri(f"{contract.path}/day={day}"),
                **({"preview": preview(heads[day])} if day in heads else {}),
            }
        for day in sorted(done.changed - set(asked)):  # made anew since rows of the run's days have a part in it
            new = {"dagster/partition_row_count": rows[day], "dagster/uri": lake.uri(f"{contract.path}/day={day}")}
            context.log_event(day_event(context.asset_key, day, new, _code_versions(context)))
        for day, found in measured.on_last_day(facts, sum(rows.values())).items():
            if NO_EVENTS in metadata:
                context.log_event(day_event(context.asset_key, day, found, _code_versions(context)))
            else:
                step.add_asset_metadata(found, asset_key=context.asset_key, partition_key=day)

    def load_input(self, context: InputContext) -> Any:
        with tried_again(context.step_context.previous_attempt_count if context.step_context else 0):
            return self._load(context)

    def _load(self, context: InputContext) -> Any:
        lake = self.opensky.open_lake()
        contract = CONTRACTS[context.asset_key.path[-1]]
        days = list(context.asset_partition_keys) if context.has_asset_partitions else None
        dataset = open_dataset(lake, contract, days, partial(_known_rows, context))
        wanted = context.dagster_type.typing_type
        if _is_of("pyspark", wanted):
            return self._spark_frame(context, lake, contract, dataset)
        return convert(dataset, wanted, lake)

    def _spark_frame(self, context: InputContext, lake: Lake, contract: Contract, dataset: "ds.Dataset") -> "DataFrame":
        """The dataset's files as Spark reads them, on the engine's Spark or, with the local engine, on this machine."""
        from opensky_assets.engines.spark.tables import table_frame

        session = self.spark.session(self.opensky.settings(), context.log.info)
        folder = f"{lake.files.arrow()[1]}/"
        files = [path.removeprefix(folder) for path in getattr(dataset, "files", ())]
        if files:
            return table_frame(session, lake, contract, files)
        return session.createDataFrame(dataset.schema.empty_table())


def _code_versions(context: OutputContext) -> dict[dg.AssetKey, str | None]:
    node = context.step_context.job_def.asset_layer.get(context.asset_key)
    return {context.asset_key: node.code_version}


def _known_rows(context: InputContext, days: Sequence[str]) -> dict[str, int | None]:
    """The rows of each day that Dagster knows as materialized (`None`: it was not told); for no days, of the table
    under the name of the asset."""
    assert context.step_context is not None
    wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=list(days) or None)
    name = "dagster/partition_row_count" if days else "dagster/row_count"
    found: dict[str, int | None] = {}
    cursor = None
    while len(found) < max(len(days), 1):  # newest first
        page = context.step_context.instance.fetch_materializations(wanted, limit=1000, cursor=cursor)
        for record in page.records:
            event = record.asset_materialization
            assert event is not None
            rows = event.metadata.get(name)
            value = rows.value if rows else None
            found.setdefault(event.partition or context.asset_key.path[-1], value if isinstance(value, int) else None)
        if not page.has_more:
            break
        cursor = page.cursor
    return found


KnownRows = Callable[[Sequence[str]], Mapping[str, int | None]]


def open_dataset(lake: Lake, contract: Contract, days: Sequence[str] | None, known_rows: KnownRows) -> "ds.Dataset":
    """The files of a table as an Arrow dataset, with `day` where it has days; `None` for all it has.

    A day known to have no rows needs no file. Raises `NotMaterialized`, `MaterializedButGone` or, where the lake may
    not be read, `LakeError`.
    """
    import pyarrow.dataset as ds  # imports pandas

    filesystem, folder = lake.files.arrow()
    if contract.path.endswith(".parquet"):
        if not lake.exists(contract.path):
            _explain_missing(lake, contract, [contract.name], known_rows([]), "the asset")
        return ds.dataset(f"{folder}/{contract.path}", filesystem=filesystem, schema=contract.schema)
    found = lake.day_files(contract.path, lake.days(contract.path) if days is None else days)
    if missing := [day for day in days or () if day not in found]:
        known = known_rows(missing)
        if lost := [day for day in missing if known.get(day) != 0]:
            _explain_missing(lake, contract, lost, known, "these days")
    day = pa.field("day", pa.date32())
    schema = contract.schema.append(day)
    files = [f"{folder}/{path}" for paths in found.values() for path in paths]
    if not files:
        return ds.dataset(schema.empty_table())
    return ds.dataset(
        files,
        filesystem=filesystem,
        schema=schema,
        partitioning=ds.partitioning(pa.schema([day]), flavor="hive"),
        partition_base_dir=f"{folder}/{contract.path}",
    )


def _explain_missing(
    lake: Lake, contract: Contract, missing: Sequence[str], known: Mapping[str, int | None], what: str
) -> NoReturn:
    never = [name for name in missing if name not in known]
    told = ", ".join((never or missing)[:5]) + (" and more" if len(never or missing) > 5 else "")
    where = lake.address(contract.path)
    if never:
        raise NotMaterialized(f"{contract.name}: not materialized: {told}; materialize {what} first ({where})")
    raise MaterializedButGone(
        f"{contract.name}: materialized, but gone from {where}: {told}; somebody removed the files, or OPENSKY_LAKE is "
        f"another one than before. Materialize {what} again"
    )


def _is_of(package: str, wanted: Any) -> bool:
    """Whether a type is one of `package`, which is not imported for those who do not use it."""
    return getattr(wanted, "__module__", "").split(".")[0] == package


def convert(dataset: "ds.Dataset", wanted: Any, lake: Lake) -> Any:
    """A dataset as the type asked for. Raises `TypeError` for one that is not known."""
    if wanted is pl.LazyFrame:
        return pl.scan_pyarrow_dataset(dataset)
    if wanted is pl.DataFrame:
        return pl.DataFrame(dataset.to_table())
    if _is_of("pandas", wanted):
        return dataset.to_table().to_pandas()
    if wanted is pa.RecordBatchReader:
        return dataset.scanner().to_reader()
    if wanted is duckdb.DuckDBPyRelation:
        return lake.attach(duckdb.connect()).from_arrow(dataset)
    if wanted in (pa.Table, Any):
        return dataset.to_table()
    raise TypeError(
        f"cannot load a table as {wanted}: annotate the input as pa.Table, pa.RecordBatchReader, pl.LazyFrame, "
        "pl.DataFrame, pandas.DataFrame, duckdb.DuckDBPyRelation or pyspark.sql.DataFrame"
    )
