"""The steps and checks of one run read each manifest once."""

from collections import Counter

import pytest

from opensky_assets.storage.files import LocalFiles
from opensky_assets_tests.dagster.conftest import Platform
from opensky_assets_tests.state_files import epoch, state, write_hour

DAY = "2022-06-20"


def test_a_run_with_its_checks_reads_each_manifest_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(4):
        write_hour(platform.bucket, DAY, hour, [state(epoch(DAY, hour, n), f"{n:06x}") for n in range(10)])
    assert platform.run(["raw_state_vectors"], DAY).success
    reads: Counter[str] = Counter()
    read = LocalFiles.read

    def counting(self: LocalFiles, path: str) -> bytes:
        if path.startswith("_manifest/state_vectors/"):
            reads[path] += 1
        return read(self, path)

    monkeypatch.setattr(LocalFiles, "read", counting)
    result = platform.run(["raw_state_vectors"], DAY)
    assert result.success and len(result.get_asset_check_evaluations()) > 3
    assert sorted(reads.values()) == [1, 1, 1, 1]
