"""Quarantine: every record that did not make it into its table, with where it stood and why."""

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract

QUARANTINE = Contract(
    name="quarantine",
    path="quarantine",
    version="1",
    description="Records that broke the contract of their table.",
    key=("object", "line_number"),
    columns=(
        Column("object", pa.string(), "Key of the source object", nullable=False),
        Column("line_number", pa.int64(), "Physical line in the unpacked object, the header is 1; 0: the whole object"),
        Column("column", pa.string(), "Column at fault, if there is one"),
        Column("reason", pa.string(), "The reason, a value of `schemas.Reason`", nullable=False),
        Column("raw_line", pa.string(), "The record as it stood; bytes that are not UTF-8 as \\xNN, at most 64 KiB"),
    ),
)
