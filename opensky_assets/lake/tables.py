"""Tables as rows: whole days are written, any days are read.

`TableStore` is what others rely on, and what a store of another format would have to be; `ParquetTables` is the lake's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from opensky_assets.calendar import Partitions
from opensky_assets.lake.days import DayRows, Replaced, new_days, replace_days
from opensky_assets.lake.lake import Lake
from opensky_assets.lake.manifest import DamagedRecord, fields_of, reading_fields
from opensky_assets.lake.parquet import DayFiles, split_days
from opensky_assets.schemas import Contract
from opensky_assets.schemas.contract import TIMESTAMP, Column
from opensky_assets.storage.errors import LakeError

if TYPE_CHECKING:
    import pyarrow.dataset as ds

HEAD_ROWS = 5

KnownRows = Callable[[Sequence[str]], Mapping[str, int | None]]
"""The rows of each of these days that was made before (`None`: unknown); for no days, of the table by its name."""


class NotMaterialized(LakeError):
    """A table, or some days of it, have not been materialized."""


class MaterializedButGone(LakeError):
    """A table, or some days of it, were materialized, and the lake does not have their files."""


class TableStore(Protocol):
    """Tables of a lake, by their contracts."""

    def write_days(self, contract: Contract, rows: DayRows) -> tuple[Replaced, dict[str, pa.Table]]:
        """Publish whole days of a table, and return what became of them and the first rows of each. A reader sees each
        day old or new. A day that was made of older inputs never takes the place of a newer one."""
        ...

    def write_table(self, contract: Contract, rows: pa.Table) -> None:
        """Publish a table without days; the last writer's rows stay. Raises `Overtaken` where another run publishes it
        at the same moment."""
        ...

    def open_dataset(self, contract: Contract, days: Sequence[str] | None, known_rows: KnownRows) -> ds.Dataset:
        """A table as an Arrow dataset, with `day` where it has days; `None` for all it has. A day known to have no rows
        need not be there. Raises `NotMaterialized`, `MaterializedButGone` or, where it may not be read, `LakeError`."""
        ...

    def keep_contract(self, contract: Contract) -> None:
        """Remember the columns of a table that is not in the package's catalogue, for `contract_of`."""
        ...

    def contract_of(self, path: str) -> Contract | None:
        """The contract that `keep_contract` was given last for the table of this path."""
        ...


@dataclass(frozen=True)
class ParquetTables:
    """Hive-partitioned Parquet: `<path>/day=…/*.parquet`, or one file whose path ends in `.parquet`."""

    lake: Lake

    def write_days(self, contract: Contract, rows: DayRows) -> tuple[Replaced, dict[str, pa.Table]]:
        """One file a day; memory is bounded by a day's row group. Raises `ValueError` for rows of a day that is none
        of the `inputs`."""
        heads: dict[str, pa.Table] = {}
        name = contract.path.rsplit("/", 1)[-1]
        with self.lake.run() as run:
            files = DayFiles(
                run.folder(name),
                contract.path,
                self.lake.files.fresh(name),
                contract.schema,
                metadata={"opensky.contract_version": contract.version},
            )
            for day, part in split_days(rows.reader):
                if day not in rows.inputs:
                    raise ValueError(f"{contract.name}: rows of {day}, which is not among the days of this run")
                heads.setdefault(day, part.slice(0, HEAD_ROWS))
                files.write(day, part)
            staged, outputs = files.close()
            rows.require({output.day: output.rows for output in outputs})
            new = new_days(staged, outputs, rows.inputs, rows.counts)
            return replace_days(self.lake, run, contract.path, new, rows.now), heads

    def write_table(self, contract: Contract, rows: pa.Table) -> None:
        files = self.lake.files
        with self.lake.run() as run, files.commit_lock(contract.path.replace("/", "-")):
            seen = files.token(contract.path)
            staged = run.folder(contract.name) / f"{contract.name}.parquet"
            pq.write_table(rows, staged, compression="zstd")
            files.swap(staged, contract.path, seen)

    def open_dataset(self, contract: Contract, days: Sequence[str] | None, known_rows: KnownRows) -> ds.Dataset:
        import pyarrow.dataset as ds  # imports pandas

        filesystem, folder = self.lake.files.arrow()
        if contract.path.endswith(".parquet"):
            if not self.lake.exists(contract.path):
                self._explain_missing(contract, [contract.name], known_rows([]), "the asset")
            return ds.dataset(f"{folder}/{contract.path}", filesystem=filesystem, schema=contract.schema)
        found = self.lake.day_files(contract.path, self.lake.days(contract.path) if days is None else days)
        if missing := [day for day in days or () if day not in found]:
            known = known_rows(missing)
            if lost := [day for day in missing if known.get(day) != 0]:
                self._explain_missing(contract, lost, known, "these days")
        files = [f"{folder}/{path}" for paths in found.values() for path in paths]
        if contract.partitions is Partitions.NONE:
            return ds.dataset(files, filesystem=filesystem, schema=contract.schema)
        day = pa.field(contract.partitions, pa.date32() if contract.partitions is Partitions.DAY else pa.int32())
        schema = contract.schema.append(day)
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
        self, contract: Contract, missing: Sequence[str], known: Mapping[str, int | None], what: str
    ) -> NoReturn:
        never = [name for name in missing if name not in known]
        told = ", ".join((never or missing)[:5]) + (" and more" if len(never or missing) > 5 else "")
        where = self.lake.address(contract.path)
        if never:
            raise NotMaterialized(f"{contract.name}: not materialized: {told}; materialize {what} first ({where})")
        raise MaterializedButGone(
            f"{contract.name}: materialized, but gone from {where}: {told}; somebody removed the files, or "
            f"OPENSKY_LAKE is another one than before. Materialize {what} again"
        )

    def keep_contract(self, contract: Contract) -> None:
        """The last writer's columns stay; days with other columns are read as these."""
        path, text = contract_path(contract.path), contract_to_json(contract)
        files = self.lake.files
        with self.lake.run() as run, files.commit_lock(contract.path.replace("/", "-")):
            before, seen = files.read_version(path)
            if before == text.encode():
                return
            staged = run.folder("contract") / "contract.json"
            staged.write_text(text)
            files.swap(staged, path, seen)

    def contract_of(self, path: str) -> Contract | None:
        (text,) = self.lake.read_texts([contract_path(path)])
        try:
            return None if text is None else contract_from_json(text)
        except DamagedRecord:
            return None  # the next run writes it anew


def snapshot_of(lake: Lake, contract: Contract) -> str:
    """Version of a reference table: the first 12 hex digits of its file's SHA-256. Raises `NotMaterialized`."""
    try:
        return hashlib.sha256(lake.files.read(contract.path)).hexdigest()[:12]
    except FileNotFoundError:
        raise NotMaterialized(f"{contract.name} is not in the lake: materialize it first") from None


def contract_path(table_path: str) -> str:
    """Where the contract of a table is that is not in the package's catalogue."""
    return f"_manifest/{table_path}.contract.json"


def contract_from_schema(name: str, path: str, schema: pa.Schema) -> Contract:
    """The contract of a table of a user's own: the columns of its frame, in the lake's types, without `day`."""
    columns = tuple(Column(field.name, lake_type(field.type), "") for field in schema if field.name != "day")
    text = "".join(f"{column.name} {column.type}\n" for column in columns)
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Contract(name, path, version, f"{name}, a user's table", columns, key=())


def lake_type(kind: pa.DataType) -> pa.DataType:
    """The type in which the lake keeps values of this type: one kind of text and list, times in µs and UTC."""
    if pa.types.is_dictionary(kind):
        return lake_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return TIMESTAMP if kind.tz else pa.timestamp("us")
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(lake_type(kind.value_type))
    return kind


def contract_to_json(contract: Contract) -> str:
    """The columns for people, and the Arrow schema that a reader needs."""
    columns = [{"name": c.name, "type": str(c.type), "description": c.description} for c in contract.columns]
    schema = base64.b64encode(contract.schema.serialize().to_pybytes()).decode()
    record = {"name": contract.name, "path": contract.path, "version": contract.version, "columns": columns}
    return json.dumps({"format_version": 2, **record, "schema": schema}, indent=1)


def contract_from_json(text: str) -> Contract:
    """Raises `DamagedRecord`."""
    data = fields_of(text)
    with reading_fields():
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data["schema"])))
        described = {column["name"]: column["description"] for column in data["columns"]}
        columns = tuple(Column(f.name, f.type, described[f.name], nullable=f.nullable) for f in schema)
        return Contract(data["name"], data["path"], data["version"], "", columns, key=())
