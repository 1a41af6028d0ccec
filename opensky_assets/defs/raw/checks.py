"""Checks of the raw tables, for each registered dataset."""

from collections.abc import Iterator

import dagster as dg

from opensky_assets.checks.raw import checks_of
from opensky_assets.datasets import registered


def raw_checks() -> Iterator[dg.AssetChecksDefinition]:
    """The checks of all raw tables."""
    for dataset in registered():
        yield from checks_of(dataset)
