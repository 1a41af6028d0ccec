"""The ingest benchmark, and its page."""

import base64
from typing import Any

import dagster as dg
from pydantic import Field

from opensky_assets.benchmark.history import Comparison, add, as_csv, by_scenario, compare_with_history, middle, read
from opensky_assets.benchmark.scenarios import Ask, RunFailed, benchmark
from opensky_assets.io_managers.metadata import table_metadata
from opensky_assets.report.benchmark import build_benchmark_report
from opensky_assets.resources.failures import PERMANENT
from opensky_assets.resources.opensky import OpenSkyResource
from opensky_assets.schemas import BENCHMARK_RUNS
from opensky_assets.storage.objects import open_source

CODE_VERSION = "1"


class IngestBenchmarkConfig(dg.Config):
    table: str = Field("", description="flights or state_vectors; empty: state vectors, if the source has any")
    limit: int = Field(0, ge=0, description="Objects of the largest scenario; 0: OPENSKY_FILE_LIMIT, else 50")
    engines: list[str] = Field([], description="local, spark or both; empty: that of the settings")
    workers: int = Field(0, ge=0, description="Processes that read objects; 0: OPENSKY_WORKERS, else all cores")
    cold: bool = Field(False, description="Drop the files from the page cache before each run (Linux, files only)")
    repeats: int = Field(
        3, ge=1, description="How often each scenario runs; with fewer than 3 the spread between runs is unknown"
    )
    repeat_files: bool = Field(False, description="Read objects several times over where there are too few")

    def ask(self) -> Ask:
        return Ask(
            self.table, self.limit or None, tuple(self.engines), self.workers or None, self.cold, self.repeats,
            self.repeat_files,
        )  # fmt: skip


@dg.asset(
    group_name="benchmark",
    kinds={"parquet", "polars", "spark"},
    code_version=CODE_VERSION,
    description=(
        "Ingests 5 objects, and 20 %, 50 % and 100 % of OPENSKY_FILE_LIMIT objects, into scratch lakes. "
        + BENCHMARK_RUNS.description
    ),
    metadata=table_metadata(BENCHMARK_RUNS),
    check_specs=[
        dg.AssetCheckSpec(
            "no_regression",
            asset="ingest_benchmark",
            description="No scenario is slower than in the last comparable benchmark, beyond the spread between runs",
        )
    ],
)
def ingest_benchmark(
    context: dg.AssetExecutionContext, config: IngestBenchmarkConfig, opensky: OpenSkyResource
) -> dg.MaterializeResult:
    try:  # not again: what was measured with trouble in between would tell nothing
        lake, settings = opensky.open_lake(), opensky.settings()
        rows = benchmark(open_source(settings), lake, settings, opensky.today(), config.ask(), context.log.info)
    except (*PERMANENT, RunFailed) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found = compare_with_history(rows, read(lake))
    files = add(lake, rows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "files": [lake.uri(path) for path in files],
            "runs": dg.MetadataValue.md(f"```\n{as_csv(rows)}```"),
            "verdicts": {comparison.name: comparison.now[-1]["verdict"] for comparison in found},
            **_figures(rows),
        },
        check_results=[_regression(found)],
    )


def _figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of the largest scenario, the medians, for the UI to plot."""
    largest = list(by_scenario(rows))[-1]
    seconds, records = middle(largest, "duration_s"), middle(largest, "rows")
    found = {
        "files_count": largest[0]["files"],
        "duration_s": seconds,
        "cpu_s": middle(largest, "cpu_s"),
        "peak_memory_mb": (middle(largest, "peak_rss_bytes") or 0) / 1e6,
        "rows_per_s": records / seconds if records and seconds else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _regression(found: list[Comparison]) -> dg.AssetCheckResult:
    """Fails where a scenario became slower; says so where there was nothing to tell it by."""
    return dg.AssetCheckResult(
        check_name="no_regression",
        passed=not any(comparison.regression for comparison in found),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "judged": sum(comparison.judged for comparison in found),
            **{comparison.name: str(comparison) for comparison in found},
        },
    )


@dg.asset(
    group_name="benchmark",
    kinds={"html", "matplotlib"},
    deps=[ingest_benchmark],
    code_version=CODE_VERSION,
    description="The newest benchmark and its history: a page that opens offline, and its figures as pictures.",
)
def benchmark_report(context: dg.AssetExecutionContext, opensky: OpenSkyResource) -> dg.MaterializeResult:
    lake = opensky.open_lake()
    rows = read(lake)
    if not rows:
        raise dg.Failure("there is no benchmark in the lake: materialize ingest_benchmark first", allow_retries=False)
    report = build_benchmark_report(lake, rows)
    context.log.info(lake.address(report.page))
    pictures = "\n\n".join(
        f"![{name}](data:image/png;base64,{base64.b64encode(picture).decode()})"
        for name, picture in report.panels.items()
    )
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.url(f"{opensky.settings().pages_url}/{report.page}"),
            "path": dg.MetadataValue.path(lake.address(report.page)),
            "page_bytes": report.page_bytes,
            "charts": report.charts,
            "pictures": [lake.uri(path) for path in report.pictures],
            "panels": dg.MetadataValue.md(pictures),
        }
    )
