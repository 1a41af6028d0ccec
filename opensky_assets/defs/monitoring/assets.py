"""The proof of the lake as a whole, as an asset: what is wrong is a failed check, and one alert."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from opensky_assets.calendar import days_text
from opensky_assets.defs.automation.freshness import stale_assets
from opensky_assets.resources.failures import tried_again
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.transforms.verify import Verified, verify

MOST_TOLD = 20


@dg.asset(
    group_name="monitoring",
    kinds={"parquet"},
    code_version="1",
    description=(
        "Checks the whole lake as `opensky-assets verify` does: every manifest can be read, every file is there with "
        "its bytes and rows, the counts add up. Repairs nothing."
    ),
    check_specs=[
        dg.AssetCheckSpec("lake_is_sound", asset="lake_verification", description="`verify` finds no problem"),
        dg.AssetCheckSpec(
            "assets_are_fresh",
            asset="lake_verification",
            description="Each asset with a freshness policy was materialized within its time",
        ),
    ],
)
def lake_verification(
    context: dg.AssetExecutionContext, opensky: OpenSkyResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    with tried_again(context.retry_number):
        lake = opensky.open_lake()
        found = verify(lake, context.log.info)
        stale = stale_assets(opensky.settings(), context.instance, opensky.now())
    yield dg.MaterializeResult(metadata=_facts(found), check_results=[_soundness(found), _freshness(stale)])
    if found.problems:
        raise dg.Failure(
            f"{len(found.problems):,} problems in the lake {lake}: "
            + " | ".join(str(problem) for problem in found.problems[:MOST_TOLD])
            + " | `opensky-assets verify --repair` makes due what is broken.",
            allow_retries=False,
        )


def _facts(found: Verified) -> dict[str, Any]:
    return {
        "objects": found.objects,
        "days": found.days,
        "files": found.files,
        "dagster/row_count": found.rows,
        "problems": len(found.problems),
        "due": {path: days_text(days) for path, days in found.due.items()},
        "files_that_no_record_names": len(found.strays),
    }


def _soundness(found: Verified) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="lake_is_sound",
        passed=not found.problems,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"problems": [str(problem) for problem in found.problems[:MOST_TOLD]]},
    )


def _freshness(stale: dict[str, str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="assets_are_fresh", passed=not stale, severity=dg.AssetCheckSeverity.WARN, metadata=stale
    )
