"""S3 by dagster-aws: its client for a lake in a bucket. Only imported where the lake is in one, since importing
dagster-aws takes two seconds."""

from typing import Any

from dagster_aws.s3 import S3Resource

from opensky_assets.settings import Settings
from opensky_assets.storage.s3 import S3Place


def s3_resource(settings: Settings) -> S3Resource:
    """The connection of the lake's settings. No secret is in it: boto3 finds the credentials."""
    return S3Resource(
        endpoint_url=settings.lake.endpoint, region_name=settings.lake.region, profile_name=settings.lake.profile
    )


class SuppliedPlace(S3Place):
    """A place whose client a resource of Dagster supplies. In another process, which knows nothing of Dagster, it is a
    place like any other."""

    def client(self) -> Any:
        return _clients[self]

    def __reduce__(self) -> tuple[type[S3Place], tuple[object, ...]]:
        return S3Place, (self.bucket, self.prefix, self.endpoint, self.region, self.profile, self.anonymous)


_clients: dict[S3Place, Any] = {}


def supplied_place(place: S3Place, s3: S3Resource) -> S3Place:
    """The place, with the client of `s3`, which is made once a process."""
    supplied = SuppliedPlace(
        place.bucket, place.prefix, s3.endpoint_url, s3.region_name, s3.profile_name, s3.use_unsigned_session
    )
    if supplied not in _clients:
        client = s3.get_client()
        # Servers other than AWS need not know the newer checksums.
        client.meta.config.request_checksum_calculation = "when_required"
        client.meta.config.response_checksum_validation = "when_required"
        _clients[supplied] = client
    return supplied
