"""One Spark session in this process for all tests of it: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from opensky_assets.resources.spark import SparkResource
from opensky_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUICK = "\n".join(
    [
        "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions=4",
        "spark.ui.enabled=false",
        "spark.test.password=hunter2",
    ]
)


@pytest.fixture(scope="session")
def session() -> Iterator[SparkSession]:
    spark = SparkResource()
    settings = Settings(_env_file=None, engine="spark", spark_master="local[2]", spark_memory="1g", spark_conf=QUICK)
    yield spark.session(settings, lambda text: None)
    spark.stop()
