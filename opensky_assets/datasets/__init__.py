"""The raw tables: one entry a table says how its objects are recognised, read and kept. Not here: reading them."""

from opensky_assets.datasets.dataset import Dataset, KeyPatterns
from opensky_assets.datasets.from_yaml import load_datasets, read_dataset
from opensky_assets.datasets.own import load_own
from opensky_assets.datasets.registry import (
    contracts,
    daily_contracts,
    dataset_named,
    dataset_names,
    recognise,
    register,
    registered,
    registered_within,
)

__all__ = [
    "Dataset",
    "KeyPatterns",
    "contracts",
    "daily_contracts",
    "dataset_named",
    "dataset_names",
    "load_datasets",
    "load_own",
    "read_dataset",
    "recognise",
    "register",
    "registered",
    "registered_within",
]
