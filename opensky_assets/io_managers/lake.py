"""The lake as an IO manager: core tables are written by day, every table is loaded by what the annotation asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
from dagster import ConfigurableIOManager, InputContext, OutputContext, ResourceDependency

from opensky_assets.io_managers.metadata import preview
from opensky_assets.lake import Lake
from opensky_assets.lake.parquet import DayFiles
from opensky_assets.partitions import NO_EVENTS, day_event
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import Contract
from opensky_assets.schemas.tables import TABLES

if TYPE_CHECKING:
    import pyarrow.dataset as ds

CONTRACTS: dict[str, Contract] = {table.name: table.contract for table in TABLES if table.group != "quarantine"}
"""The contract of each asset that is a table of the lake."""


class NotMaterialized(Exception):
    """A table, or some days of it, are not in the lake."""


class LakeIOManager(ConfigurableIOManager):
    """Writes a frame that has a `day` column, ordered by day, as one file a day; loads the days that are asked for.

    Takes an Arrow table or reader. Gives, by the annotation of the input: `pa.Table` (the default),
    `pa.RecordBatchReader`, `pl.LazyFrame`, `pl.DataFrame`, `pandas.DataFrame` or `duckdb.DuckDBPyRelation`.
    """

    opensky: ResourceDependency[OpenSkyResource]

    def handle_output(self, context: OutputContext, obj: pa.Table | pa.RecordBatchReader) -> None:
        lake, contract = self.opensky.open_lake(), CONTRACTS[context.asset_key.path[-1]]
        reader = obj.to_reader() if isinstance(obj, pa.Table) else obj
        asked = list(context.asset_partition_keys)
        rows, heads = write_days(lake, contract, reader, asked)
        metadata = context.output_metadata or {}
        step = context.step_context
        for day in asked:
            given = step.get_asset_metadata(asset_key=context.asset_key, partition_key=day)
            if NO_EVENTS in metadata and not given:
                continue  # a day without data upstream
            facts = {
                **(given or {}),
                "dagster/partition_row_count": rows.get(day, 0),
                "dagster/uri": lake.path(f"{contract.path}/day={day}").as_uri(),
                **({"preview": preview(heads[day])} if day in heads else {}),
            }
            if NO_EVENTS in metadata:
                context.log_event(day_event(context.asset_key, day, facts, _code_versions(context)))
            else:
                step.add_asset_metadata(facts, asset_key=context.asset_key, partition_key=day)

    def load_input(self, context: InputContext) -> Any:
        lake = self.opensky.open_lake()
        contract = CONTRACTS[context.asset_key.path[-1]]
        days = list(context.asset_partition_keys) if context.has_asset_partitions else None
        return convert(_dataset(lake, contract, days), context.dagster_type.typing_type)


def _code_versions(context: OutputContext) -> dict[dg.AssetKey, str | None]:
    node = context.step_context.job_def.asset_layer.get(context.asset_key)
    return {context.asset_key: node.code_version}


def write_days(
    lake: Lake, contract: Contract, reader: pa.RecordBatchReader, asked: list[str]
) -> tuple[dict[str, int], dict[str, pa.Table]]:
    """Publish the days in `reader`; of the days `asked` for, those without a row lose their file.

    Memory is bounded by a day's row group. Returns the rows and the first rows of each day. Raises `ValueError` for
    a day that nobody asked for.
    """
    heads: dict[str, pa.Table] = {}
    with lake.run() as run:
        name = contract.path.rsplit("/", 1)[-1]
        files = DayFiles(
            run.folder(name),
            f"{contract.path}/day={{day}}/{name}.parquet",
            contract.schema,
            metadata={"opensky.contract_version": contract.version},
        )
        for day, part in _split(reader):
            if day not in asked:
                raise ValueError(f"{contract.name}: rows of {day}, which is not among the days of this run")
            heads.setdefault(day, part.slice(0, 5))
            files.write(day, part)
        staged, outputs = files.close()
        gone = [f"{contract.path}/day={day}/{name}.parquet" for day in asked]
        lake.publish(staged, drop=[path for path in gone if path not in staged])
    return {output.path.split("day=")[1][:10]: output.rows for output in outputs}, heads


def _split(reader: pa.RecordBatchReader) -> Iterator[tuple[str, pa.Table]]:
    for batch in reader:
        table = pa.Table.from_batches([batch])
        days = table["day"].to_numpy()
        start = 0
        for at in [*((days[1:] != days[:-1]).nonzero()[0] + 1).tolist(), len(days)]:
            if at > start:
                yield str(days[start])[:10], table.slice(start, at - start).drop_columns(["day"])
            start = at


def _dataset(lake: Lake, contract: Contract, days: list[str] | None) -> "ds.Dataset":
    """The files of a table as an Arrow dataset, with `day` where it has days. Raises `NotMaterialized`."""
    import pyarrow.dataset as ds  # imports pandas

    if contract.path.endswith(".parquet"):
        path = lake.path(contract.path)
        if not path.exists():
            raise NotMaterialized(f"{contract.name}: {path} is not there; materialize the asset first")
        return ds.dataset(path, schema=contract.schema)
    found = lake.day_paths(contract.path, lake.days(contract.path) if days is None else days)
    missing = [day for day in days or () if day not in found]
    if missing:
        raise NotMaterialized(
            f"{contract.name}: no file for {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''} below "
            f"{lake.path(contract.path)}; materialize these days first"
        )
    schema = contract.schema.append(pa.field("day", pa.date32()))
    files: list[Path] = [path for paths in found.values() for path in paths]
    partitioning = ds.partitioning(pa.schema([pa.field("day", pa.date32())]), flavor="hive")
    return ds.dataset(files, schema=schema, partitioning=partitioning, partition_base_dir=str(lake.path(contract.path)))


def convert(dataset: "ds.Dataset", wanted: Any) -> Any:
    """A dataset as the type asked for. Raises `TypeError` for one that is not known."""
    if wanted is pl.LazyFrame:
        return pl.scan_pyarrow_dataset(dataset)
    if wanted is pl.DataFrame:
        return pl.DataFrame(dataset.to_table())
    if getattr(wanted, "__module__", "").split(".")[0] == "pandas":  # not imported for those who do not use it
        return dataset.to_table().to_pandas()
    if wanted is pa.RecordBatchReader:
        return dataset.scanner().to_reader()
    if wanted is duckdb.DuckDBPyRelation:
        return duckdb.connect().from_arrow(dataset)
    if wanted in (pa.Table, Any):
        return dataset.to_table()
    raise TypeError(
        f"cannot load a table as {wanted}: annotate the input as pa.Table, pa.RecordBatchReader, pl.LazyFrame, "
        "pl.DataFrame, pandas.DataFrame or duckdb.DuckDBPyRelation"
    )
