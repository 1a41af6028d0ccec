"""Tables of the lake as frames of Spark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from opensky_assets.engines.spark.errors import SparkUnavailable, reason_of
from opensky_assets.engines.spark.session import S3A_PACKAGES
from opensky_assets.lake import Lake
from opensky_assets.schemas import Contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def table_frame(session: SparkSession, lake: Lake, contract: Contract, paths: Sequence[str] = ()) -> DataFrame:
    """A table of the lake as Spark reads it: its files at `paths`, with their `day`; or the one file of a reference
    table. Raises `SparkUnavailable`."""
    from pyspark.sql import functions as F

    _require_filesystem(session, lake)
    if contract.path.endswith(".parquet"):
        return session.read.parquet(_literal(_uri(lake, contract.path)))
    read = session.read.option("basePath", _uri(lake, contract.path))
    return read.parquet(*(_literal(_uri(lake, path)) for path in paths)).withColumn("day", F.col("day").cast("date"))


def _require_filesystem(session: SparkSession, lake: Lake) -> None:
    from py4j.protocol import Py4JJavaError

    java = session.sparkContext._jvm
    assert java is not None
    try:
        java.org.apache.hadoop.fs.Path(_uri(lake, "")).getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
    except Py4JJavaError as error:
        raise SparkUnavailable(
            f"Spark cannot read the lake {lake} ({reason_of(error)}): it needs {', '.join(S3A_PACKAGES)}, by "
            "spark.jars.packages or as files by spark.jars (OPENSKY_SPARK_CONF); or set OPENSKY_ENGINE=local"
        ) from error


def _uri(lake: Lake, path: str) -> str:
    """A path of the lake for Hadoop, which takes a URI as it stands and decodes nothing."""
    uri = lake.uri(path)
    return f"s3a://{uri[5:]}" if uri.startswith("s3://") else unquote(uri)


def _literal(uri: str) -> str:
    """The pattern that matches this alone, as Hadoop spells it: Spark takes what it reads for one, not `basePath`."""
    return re.sub(r"[][*?{}\\]", r"\\\g<0>", uri)
