"""Tables whose contract grew: on which days their files have every column, so that views need not look into each.

A file of an older contract lacks the columns that came since. DuckDB gives them as null if it may open every file of a
table before it reads (`union_by_name`), which with years of days costs more than the query. So one small record in the
lake says of which contract every day of a table is; it is written once, when the last old day was made anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from opensky_assets.lake.lake import Lake
from opensky_assets.lake.manifest import FORMAT, DamagedRecord, fields_of, reading_fields
from opensky_assets.schemas.contract import Contract
from opensky_assets.storage.errors import Overtaken

logger = logging.getLogger(__name__)

RECORD = "_manifest/columns.json"


def read_whole_tables(lake: Lake) -> dict[str, str]:
    """Path of a table → the version of the contract that all of its days are of, as far as that is recorded."""
    (text,) = lake.read_texts([RECORD])
    return _parse(text)


def record_whole_tables(lake: Lake, contracts: Iterable[Contract]) -> None:
    """Record each of the tables of which every day is of the contract's version. Days are looked at until then only."""
    text, seen = lake.files.read_version(RECORD)
    known = _parse(None if text is None else text.decode(errors="replace"))
    open_tables = [c for c in contracts if c.grown_columns and known.get(c.path) != c.version]
    whole = {c.path: c.version for c in open_tables if _is_whole(lake, c)}
    if not whole:
        return
    with lake.run() as run:
        staged = run.folder("columns") / "columns.json"
        record = {"format_version": FORMAT, "tables": known | whole}
        staged.write_text(json.dumps(record, indent=1, sort_keys=True))
        try:
            lake.files.swap(staged, RECORD, seen)
        except Overtaken:
            logger.debug(f"{RECORD}: another run wrote it meanwhile; the next run looks again")


def _is_whole(lake: Lake, contract: Contract) -> bool:
    days = lake.days(contract.path)
    # An old day is most often the first one, so that not every run has to look at all of them.
    return bool(days) and all(_are_of_version(lake, contract, some) for some in (days[:1], days[1:]))


def _are_of_version(lake: Lake, contract: Contract, days: list[str]) -> bool:
    records = lake.day_records(contract.path, days)
    return all(day in records and records[day].inputs.get("contract") == contract.version for day in days)


def _parse(text: str | None) -> dict[str, str]:
    """The tables of a record; of one that does not read, none: it only saves work."""
    try:
        data = fields_of(text or "{}")
        with reading_fields():
            return dict(data.get("tables", {}))
    except DamagedRecord:
        return {}
