"""The chain on a simulated bucket with every defect: quarantine is what the truth beside the bucket expects."""

from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from opensky_assets.calendar import Period, days_of
from opensky_assets.ingest.reference import sync_aircraft
from opensky_assets.ingest.sync import SyncReport, sync_days
from opensky_assets.schemas import FLIGHTS, STATE_VECTORS
from opensky_assets.settings import Settings, load_settings
from opensky_assets.sources.simulate import simulate
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.lakes import LocalLake

START, DAYS = date(2022, 6, 25), ["2022-06-25", "2022-06-26"]
TODAY = date(2026, 1, 1)


class Ingested:
    def __init__(self, folder: Path) -> None:
        self.bucket, self.truth = folder / "bucket", folder / "bucket.truth"
        self.lake = LocalLake.at(folder / "lake")
        simulate(
            self.bucket, start=START, days=2, aircraft=80, seed=11, defects=0.02, damaged_objects=True, states_hours=8
        )
        store, settings = LocalStore(self.bucket), self.settings
        days = list(days_of(Period(date(2022, 1, 1), date(2022, 6, 26))))
        self.reports: dict[str, SyncReport] = {
            contract.name: sync_days(contract, days, store, self.lake, settings, TODAY, print)
            for contract in (FLIGHTS, STATE_VECTORS)
        }
        sync_aircraft(store, self.lake, settings, TODAY, print)

    @property
    def settings(self) -> Settings:
        return load_settings(source=str(self.bucket), lake=str(self.lake.root), quarantine_limit=0.5)

    def quarantine(self) -> pl.DataFrame:
        return (
            pl.scan_parquet(self.lake.path("quarantine/**/*.parquet"), hive_partitioning=False)
            .select("object", "line_number", "reason", "column")
            .sort("object", "line_number")
            .collect()
        )


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    return Ingested(tmp_path_factory.mktemp("simulated"))


def test_quarantine_is_what_the_truth_expects_line_by_line(ingested: Ingested) -> None:
    defects = pl.read_parquet(ingested.truth / "defects.parquet")
    expected = (
        defects.filter(pl.col("outcome") == "quarantined")
        .select("object", "line_number", "reason", "column")
        .sort("object", "line_number")
    )
    assert expected["reason"].n_unique() >= 10
    found = ingested.quarantine().filter(pl.col("line_number") > 0)
    assert found.rows() == expected.rows()


def test_damaged_objects_are_held_back_with_their_reason(ingested: Ingested) -> None:
    defects = pl.read_parquet(ingested.truth / "defects.parquet")
    expected = defects.filter(pl.col("outcome") == "object_rejected").select("object", "reason").sort("object").rows()
    assert len(expected) >= 5
    found = ingested.quarantine().filter(pl.col("line_number") == 0).select("object", "reason").rows()
    assert found == expected
    named = sorted(message.split(": ", 1)[0] for report in ingested.reports.values() for message in report.messages)
    assert named == [key for key, _ in expected]
    assert "2022-06-24" in ingested.reports["state_vectors"].failed  # the day before the first, where they stand


def test_every_record_is_accounted_for(ingested: Ingested) -> None:
    counts = pl.read_parquet(ingested.truth / "counts.parquet")
    truth = {row["object"]: (row["records"], row["quarantined"]) for row in counts.iter_rows(named=True)}
    manifests = {
        key: manifest
        for table in ("flights", "state_vectors", "aircraft_database")
        for key, manifest in ingested.lake.manifests(table).items()
    }
    sound = {key: numbers for key, numbers in truth.items() if key in manifests}
    assert {key: (m.read, m.total.quarantined) for key, m in manifests.items()} == sound
    assert all(manifest.lawful for manifest in manifests.values())
    assert {numbers for key, numbers in truth.items() if key not in manifests} == {(0, 0)}


def test_flagged_rows_stay_and_normalised_ones_are_normal(ingested: Ingested) -> None:
    defects = pl.read_parquet(ingested.truth / "defects.parquet")
    assert set(defects["outcome"]) >= {"quarantined", "normalised", "flagged", "untouched", "not_a_record"}
    states = ingested.lake.path("raw/state_vectors/*/*.parquet").as_posix()
    (bad_ids, implausible) = duckdb.sql(
        f"SELECT count(*) FILTER (NOT regexp_full_match(icao24, '[0-9a-f]{{6}}')), "
        f"count(*) FILTER (velocity > 1000 OR heading < 0 OR baroaltitude > 28000) FROM read_parquet('{states}')"
    ).fetchall()[0]
    assert bad_ids == 0
    assert implausible > 0


def test_a_second_sync_opens_nothing(ingested: Ingested) -> None:
    held = len(ingested.lake.held("flights"))
    again = sync_days(FLIGHTS, DAYS, LocalStore(ingested.bucket), ingested.lake, ingested.settings, TODAY, print)
    assert (again.read, again.unchanged) == ([], 1)
    assert len(ingested.lake.held("flights")) == held
