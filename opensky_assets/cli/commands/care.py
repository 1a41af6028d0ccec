"""`verify`, `prune`, `replay-quarantine`, `warehouse`: take care of what the lake has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensky_assets.cli.interrupts import when_interrupted
from opensky_assets.cli.options import at_least, one_of, raw_tables, reasons, today
from opensky_assets.cli.panels import CARE, examples
from opensky_assets.console import say

if TYPE_CHECKING:
    from opensky_assets.lake import Held, Lake, Manifest
    from opensky_assets.settings import Settings

app = typer.Typer()


@app.command(rich_help_panel=CARE, epilog=examples("verify", "verify --repair"))
@when_interrupted("only `--repair` changes the lake; run the same command again")
def verify(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Remove broken records, so that backfill makes their objects and days again."),
    ] = False,
) -> int:
    """Check the whole lake: manifests, files, rows, counts, and the inputs of each day."""
    from opensky_assets.jobs.report import verify_lines
    from opensky_assets.lake import open_lake
    from opensky_assets.settings import load_settings
    from opensky_assets.transforms.verify import repair as remove_broken
    from opensky_assets.transforms.verify import verify as run

    lake = open_lake(load_settings())
    found = run(lake, say)
    removed = remove_broken(lake, found) if repair else []
    for line in verify_lines(found, removed if repair else None):
        say(line)
    return 1 if found.problems else 0


@app.command(
    rich_help_panel=CARE,
    epilog=examples("prune --dry-run", "prune --vanished", "prune --keep-days 365 --table state_vectors"),
)
@when_interrupted("what is removed stays removed, run the same command again for the rest")
def prune(
    vanished: Annotated[
        bool, typer.Option("--vanished", help="Also remove the rows of objects that were deleted from the source.")
    ] = False,
    keep_days: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(0),
            help="Also remove raw rows of objects whose last day is more than N days ago; tables made from them stay.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="With --keep-days: only in this raw table.", **one_of(raw_tables)),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed, and how many bytes.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --vanished: also if the source lists no object at all.")
    ] = False,
) -> int:
    """Remove files that dead runs left and, on request, the rows of deleted or old objects."""
    from opensky_assets.datasets import dataset_names
    from opensky_assets.jobs.materialize import remake
    from opensky_assets.jobs.report import prune_lines
    from opensky_assets.lake import open_lake
    from opensky_assets.lake.prune import find, past, remove
    from opensky_assets.schemas import AIRCRAFT_DATABASE
    from opensky_assets.settings import load_settings

    settings = load_settings()
    lake = open_lake(settings)
    manifests, held = _vanished(lake, settings, yes) if vanished else ([], [])
    expired: list[Manifest] = []
    if keep_days is not None:
        oldest = (today() - timedelta(days=keep_days)).isoformat()
        expired = past(lake, [table] if table else dataset_names(), oldest)
    found = find(lake, [*dataset_names(), AIRCRAFT_DATABASE.name], manifests, held, expired)
    if found.items and not dry_run:
        remove(lake, found)
    for line in prune_lines(found, dry_run):
        say(line)
    return 0 if dry_run else remake(Path.cwd(), found.days)


def _vanished(lake: Lake, settings: Settings, even_all: bool) -> tuple[list[Manifest], list[Held]]:
    """What the lake has of objects that the source does not list any more."""
    from opensky_assets.datasets import dataset_names
    from opensky_assets.ingest.plan import is_vanished, of_source, require_no_rows
    from opensky_assets.sources.claims import claim
    from opensky_assets.storage.landing import is_landed, open_stores

    store = open_stores(settings)
    keys, left_out = {item.key for item in store.list()}, store.left_out()
    if all(map(is_landed, keys)) and not even_all:
        require_no_rows(store, of_source(found for t in dataset_names() for found in (lake.manifests(t), lake.held(t))))
    claim(lake, store)
    manifests: list[Manifest] = []
    held: list[Held] = []
    for table in dataset_names():
        manifests += [m for key, m in lake.manifests(table).items() if is_vanished(key, keys, left_out)]
        held += [one for key, one in lake.held(table).items() if is_vanished(key, keys, left_out)]
    return manifests, held


@app.command(
    "replay-quarantine",
    rich_help_panel=CARE,
    epilog=examples("replay-quarantine", "replay-quarantine --table flights --reason null_key"),
)
def replay_quarantine(
    table: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Only in this raw table.", **one_of(raw_tables))
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="Only records with this reason; can be given several times.", **one_of(reasons)
        ),
    ] = None,
) -> int:
    """Read objects with quarantined records again, after a fix or a new limit."""
    from opensky_assets.datasets import dataset_names
    from opensky_assets.ingest.replay import replay
    from opensky_assets.jobs.materialize import remake
    from opensky_assets.jobs.report import replay_lines
    from opensky_assets.lake import open_lake
    from opensky_assets.settings import load_settings
    from opensky_assets.storage.landing import open_stores

    settings = load_settings()
    tables = [table] if table else dataset_names()
    done = replay(open_stores(settings), open_lake(settings), settings, today(), say, tables, reason or ())
    for line in replay_lines(done):
        say(line)
    return remake(Path.cwd(), done.changed_days)


@app.command(rich_help_panel=CARE, epilog=examples("warehouse"))
@when_interrupted("the warehouse is as it was before; run the same command again")
def warehouse() -> int:
    """Rebuild the DuckDB file of views over the lake."""
    from opensky_assets.lake import open_lake
    from opensky_assets.lake.warehouse import rebuild_warehouse
    from opensky_assets.settings import load_settings

    settings = load_settings()
    names = rebuild_warehouse(open_lake(settings), Path(settings.warehouse).resolve())
    say(f"{settings.warehouse}: {', '.join(names) or 'no table yet: the lake is empty'}")
    return 0
