"""The lake in a bucket as an IO manager. Only imported where the lake is in one."""

from dagster import ResourceDependency
from dagster_aws.s3 import S3Resource

from opensky_assets.io_managers.lake import LakeIOManager
from opensky_assets.lake import Lake, lake_place
from opensky_assets.lake.lake import lake_in_bucket
from opensky_assets.resources.s3 import supplied_place
from opensky_assets.storage.s3 import S3Place


class S3LakeIOManager(LakeIOManager):
    """`LakeIOManager` for a lake in a bucket, whose requests go through the client of `s3`. PyArrow, DuckDB and Spark
    connect themselves, by the same settings."""

    s3: ResourceDependency[S3Resource]

    def open_lake(self) -> Lake:
        place = lake_place(self.opensky.settings())
        assert isinstance(place, S3Place), f"{place} is not in a bucket"
        return lake_in_bucket(supplied_place(place, self.s3))
