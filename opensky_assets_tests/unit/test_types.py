"""The one map of types: its names mean in each engine what the Arrow type is."""

import duckdb
import polars as pl
import pyarrow as pa
import pytest
import sqlglot

from opensky_assets.schemas.contract import Column
from opensky_assets.schemas.tables import tables
from opensky_assets.schemas.types import TYPES, Kind, UnknownType, polars_type, type_of

ARROW = [arrow for row in TYPES for arrow in (row.arrow, pa.list_(row.arrow))]
types = pytest.mark.parametrize("arrow", ARROW, ids=str)


@types
def test_duckdb_gives_the_type_back(arrow: pa.DataType) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table = connection.sql(f"SELECT NULL::{type_of(arrow).duckdb} AS x").to_arrow_table()
        assert table.schema.field("x").type == (pa.list_(pa.field("l", arrow.value_type)) if is_list(arrow) else arrow)


@types
def test_polars_gives_the_type_back(arrow: pa.DataType) -> None:
    assert polars_type(arrow) == pl.Series(pa.array([], arrow)).dtype
    assert is_list(arrow) or str(polars_type(arrow)).startswith(type_of(arrow).polars)


@pytest.mark.parametrize("arrow", [arrow for arrow in ARROW if "uint" not in str(arrow)], ids=str)
def test_spark_s_name_is_that_of_its_own_mapping(arrow: pa.DataType) -> None:
    from pyspark.sql.pandas.types import from_arrow_type

    assert type_of(arrow).spark == from_arrow_type(arrow, prefer_timestamp_ntz=True).simpleString()


@types
@pytest.mark.parametrize("dialect", ["spark", "postgres", "clickhouse", "duckdb"])
def test_each_engine_s_name_is_a_type_of_its_dialect(arrow: pa.DataType, dialect: str) -> None:
    text = getattr(type_of(arrow), dialect)
    parsed = sqlglot.parse_one(f"CAST(x AS {text})", dialect=dialect)
    assert parsed.args["to"].this not in (None, sqlglot.exp.DataType.Type.USERDEFINED), text


@pytest.mark.parametrize("row", [row for row in TYPES if row.kind is Kind.INTEGER], ids=lambda row: str(row.arrow))
def test_bounds_are_the_smallest_and_the_largest_integer(row) -> None:
    low, high = row.bounds
    assert pa.array([low, high], row.arrow).to_pylist() == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises((pa.ArrowInvalid, OverflowError)):
            pa.array([beyond], row.arrow)


def test_every_column_has_a_type_of_the_map() -> None:
    assert all(type_of(field.type).doc for table in tables() for field in table.contract.schema)


@pytest.mark.parametrize("arrow", [pa.timestamp("ns"), pa.decimal128(9), pa.list_(pa.binary())], ids=str)
def test_another_type_is_an_error_that_names_it(arrow: pa.DataType) -> None:
    named = str(arrow.value_type if is_list(arrow) else arrow)
    for ask in (type_of, polars_type):
        with pytest.raises(UnknownType) as raised:
            ask(arrow)
        assert named in str(raised.value) and "int16" in str(raised.value)
    with pytest.raises(UnknownType) as raised:
        Column("gust", arrow, "")
    assert str(raised.value).startswith("gust: ") and named in str(raised.value)


def is_list(arrow: pa.DataType) -> bool:
    return pa.types.is_list(arrow)
