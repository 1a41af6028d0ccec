"""The lake as an IO manager: what assets return becomes a table, and tables are loaded as what annotations ask for."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
from dagster import ConfigurableIOManager, InputContext, OutputContext, ResourceDependency
from pydantic import PrivateAttr

from opensky_assets.io_managers.frames import convert, is_of, reader_of, with_day
from opensky_assets.io_managers.loaded import LoadedInputs, step_of
from opensky_assets.io_managers.metadata import preview
from opensky_assets.lake import Lake, LakeError
from opensky_assets.lake.days import DayRows
from opensky_assets.lake.tables import NotMaterialized, ParquetTables, TableStore, contract_from_schema
from opensky_assets.partitions import NO_EVENTS, day_event
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.monitor import MonitorResource
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.resources.spark import SparkResource
from opensky_assets.schemas import Contract
from opensky_assets.schemas.tables import tables as catalogue

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame

CONTRACT = "contract"
"""Metadata key of an asset's definition: the `Contract` of a table of one's own, where the frame's columns are not to
decide."""


class LakeIOManager(ConfigurableIOManager):
    """The lake in a folder, or in a bucket by boto3's usual connection. Gives, by the annotation of the input:
    `pa.Table` (the default), `pa.RecordBatchReader`, `pl.LazyFrame`, `pl.DataFrame`, `pandas.DataFrame`,
    `duckdb.DuckDBPyRelation` or `pyspark.sql.DataFrame`; of a daily table the days that are asked for.

    Takes the same, or `DayRows`, which also say what each day is made of. Rows of a daily table have a column `day`, or
    are of the run's only day; they become one file a day. A table that is none of the package's is a table of its
    asset's own, `core/<asset>`: its contract is that of the asset's metadata (`CONTRACT`) or the frame's columns, and
    its days are made of the versions of the inputs that were loaded here.
    """

    opensky: ResourceDependency[OpenSkyResource]
    spark: ResourceDependency[SparkResource]
    monitor: ResourceDependency[MonitorResource]
    _loaded: LoadedInputs = PrivateAttr(default_factory=LoadedInputs)

    def open_lake(self) -> Lake:
        return self.opensky.open_lake()

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        step = context.step_context
        # Rows of a reader are made while they are written.
        with tried_again(step.previous_attempt_count):
            lake = self.open_lake()
            tables = ParquetTables(lake)
            if context.has_asset_partitions:
                self._write_days(context, lake, tables, obj)
            else:
                self._write_table(context, lake, tables, obj)

    def _write_table(self, context: OutputContext, lake: Lake, tables: TableStore, obj: Any) -> None:
        rows = reader_of(obj).read_all()
        contract = _contract_to_write(context, rows.schema)
        rows = rows if rows.schema == contract.schema else rows.select(contract.schema.names).cast(contract.schema)
        tables.write_table(contract, rows)
        if _catalogued(context) is None:
            tables.keep_contract(contract)
        uri = lake.uri(contract.path)
        context.add_output_metadata({"dagster/row_count": rows.num_rows, "dagster/uri": uri, "preview": preview(rows)})

    def _write_days(self, context: OutputContext, lake: Lake, tables: TableStore, obj: Any) -> None:
        step, asked = context.step_context, list(context.asset_partition_keys)
        rows = obj if isinstance(obj, DayRows) else self._day_rows(context, lake, obj, asked)
        contract = _contract_to_write(context, rows.reader.schema)
        with self.monitor.measure() as measured:
            done, heads = tables.write_days(contract, rows)
            done.require_all(contract.name)
        if _catalogued(context) is None:
            tables.keep_contract(contract)
        counts = {day: record.rows for day, record in done.records.items()}
        metadata = context.output_metadata or {}
        facts: dict[str, dict[str, Any]] = {}
        for day in asked:
            given = step.get_asset_metadata(asset_key=context.asset_key, partition_key=day)
            if NO_EVENTS in metadata and not given:
                continue  # a day without data upstream
            facts[day] = {
                **(given or {}),
                "dagster/partition_row_count": counts.get(day, 0),
                "dagster/uri": lake.uri(f"{contract.path}/day={day}"),
                **({"preview": preview(heads[day])} if day in heads else {}),
            }
        for day in sorted(done.changed - set(asked)):  # made anew since rows of the run's days have a part in it
            new = {"dagster/partition_row_count": counts[day], "dagster/uri": lake.uri(f"{contract.path}/day={day}")}
            context.log_event(day_event(context.asset_key, day, new, _code_versions(context)))
        for day, found in measured.on_last_day(facts, sum(counts.values())).items():
            if NO_EVENTS in metadata:
                context.log_event(day_event(context.asset_key, day, found, _code_versions(context)))
            else:
                step.add_asset_metadata(found, asset_key=context.asset_key, partition_key=day)

    def _day_rows(self, context: OutputContext, lake: Lake, obj: Any, asked: Sequence[str]) -> DayRows:
        """Rows of a frame, with what each day is made of: the inputs that were loaded, and the asset's code."""
        reader = with_day(reader_of(obj), asked)
        contract = _contract_to_write(context, reader.schema)
        own = {"contract": contract.version, "code": _code_versions(context)[context.asset_key] or ""}
        inputs, now = self._loaded.inputs_of(context, lake, own)
        return DayRows(reader, inputs, now)

    def load_input(self, context: InputContext) -> Any:
        step = step_of(context)
        if step is None:  # somebody loads the asset outside a run
            return self._load(context)
        with tried_again(step.previous_attempt_count):
            return self._load(context)

    def _load(self, context: InputContext) -> Any:
        lake = self.open_lake()
        contract = _contract_to_read(context, ParquetTables(lake))
        days = list(context.asset_partition_keys) if context.has_asset_partitions else None
        self._loaded.add(context, lake, contract, days)
        dataset = ParquetTables(lake).open_dataset(contract, days, partial(_known_rows, context))
        wanted = context.dagster_type.typing_type
        if is_of("pyspark", wanted):
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


def lake_io_manager(opensky: OpenSkyResource, spark: SparkResource, monitor: MonitorResource) -> LakeIOManager:
    """The IO manager for the lake of the settings."""
    given: dict[str, Any] = {"opensky": opensky, "spark": spark, "monitor": monitor}
    settings = opensky.settings()
    if not settings.lake.uri.startswith("s3://"):
        return LakeIOManager(**given)
    from opensky_assets.io_managers.s3 import S3LakeIOManager
    from opensky_assets.resources.s3 import s3_resource

    return S3LakeIOManager(s3=s3_resource(settings), **given)


def contracts() -> dict[str, Contract]:
    """The contract of each asset that is a table of the package's catalogue."""
    return {table.name: table.contract for table in catalogue() if table.group != "quarantine" and not table.asset}


def _catalogued(context: OutputContext | InputContext) -> Contract | None:
    path = context.asset_key.path
    return contracts().get(path[0]) if len(path) == 1 else None


def _own_path(context: OutputContext | InputContext) -> str:
    """Where a table of one's own is."""
    name = "-".join(context.asset_key.path)
    return f"core/{name}" if context.has_asset_partitions else f"core/{name}.parquet"


def _require_own(contract: Contract) -> Contract:
    """The contract, unless its table is one of the package's: then raise `LakeError`."""
    if any(table.path.removesuffix(".parquet") == contract.path.removesuffix(".parquet") for table in catalogue()):
        raise LakeError(
            f"{contract.path} is a table of opensky_assets: give the asset {contract.name}, or the path of its "
            "contract, another name"
        )
    return contract


def _contract_to_write(context: OutputContext, schema: pa.Schema) -> Contract:
    """The contract of the asset's table; of one of its own that of its metadata, or the columns of the frame. Raises
    `LakeError` where the frame lacks columns of it."""
    found = _catalogued(context) or _given(context.definition_metadata)
    if found is None:
        return _require_own(contract_from_schema(context.asset_key.path[-1], _own_path(context), schema))
    if _catalogued(context) is None:
        _require_own(found)
    if missing := [column for column in found.schema.names if column not in schema.names]:
        raise LakeError(f"{found.name}: the frame lacks columns of its contract: {', '.join(missing)}")
    return found


def _given(metadata: Mapping[str, Any] | None) -> Contract | None:
    """The contract in the metadata of an asset's definition."""
    found = (metadata or {}).get(CONTRACT)
    return found if isinstance(found, Contract) else None


def _contract_to_read(context: InputContext, tables: TableStore) -> Contract:
    """The contract of the table that an input is. Raises `NotMaterialized`."""
    written = context.upstream_output
    found = _catalogued(context) or (_given(written.definition_metadata) if written else None)
    if kept := found or tables.contract_of(_own_path(context)):
        return kept
    name = context.asset_key.path[-1]
    raise NotMaterialized(f"{name}: not materialized; materialize the asset first ({_own_path(context)})")


def _code_versions(context: OutputContext) -> dict[dg.AssetKey, str | None]:
    node = context.step_context.job_def.asset_layer.get(context.asset_key)
    return {context.asset_key: node.code_version}


def _known_rows(context: InputContext, days: Sequence[str]) -> dict[str, int | None]:
    """The rows of each day that Dagster knows as materialized (`None`: it was not told); for no days, of the table
    under the name of the asset."""
    step = step_of(context)
    if step is None:
        return {}
    wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=list(days) or None)
    name = "dagster/partition_row_count" if days else "dagster/row_count"
    found: dict[str, int | None] = {}
    cursor = None
    while len(found) < max(len(days), 1):  # newest first
        page = step.instance.fetch_materializations(wanted, limit=1000, cursor=cursor)
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
