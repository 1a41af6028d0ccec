"""The doctor names what is wrong, with the setting to change, and leaves nothing behind."""

import pytest

from opensky_assets.jobs.doctor import doctor, findings
from opensky_assets_tests.buckets import put


@pytest.fixture
def place(tmp_path, monkeypatch):
    put(tmp_path / "bucket", "flights/flightlist_20190101_20190131.csv.gz", b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("OPENSKY_SOURCE", "bucket")
    monkeypatch.setenv("OPENSKY_LAKE", "lake")
    monkeypatch.setenv("OPENSKY_WORKERS", "1")
    return tmp_path


def examine():
    said = []
    return doctor(said.append), said


def problems(said):
    return {line.split()[1]: line for line in said if line.startswith("PROBLEM")}


def test_where_all_is_well_it_says_so(place):
    code, said = examine()
    assert (code, said[-1]) == (0, "all is well"), said
    assert any("(real) lists flights/flightlist_20190101" in line for line in said)
    assert not [path for path in (place / "lake").rglob("*")]


def test_each_problem_is_named_with_what_to_do(place, monkeypatch):
    monkeypatch.setenv("OPENSKY_SOURCE", str(place / "nowhere"))
    monkeypatch.setenv("OPENSKY_LAKE", "/proc/lake")
    monkeypatch.setenv("OPENSKY_WORKERS", "100000")
    code, said = examine()
    found = problems(said)
    assert code == 3 == len(found) and said[-1] == "3 problems"
    assert "OPENSKY_SOURCE" in found["source"]
    assert "set OPENSKY_LAKE" in found["lake"]
    assert "OPENSKY_WORKERS" in found["memory"]


def test_settings_that_cannot_be_used_are_named(place, monkeypatch):
    monkeypatch.setenv("OPENSKY_YEAR", "soon")
    code, said = examine()
    assert code == 1 and "OPENSKY_YEAR='soon'" in problems(said)["settings"]


def test_a_misspelled_setting_is_a_problem(place, monkeypatch):
    monkeypatch.setenv("OPENSKY_SORCE", "/x")
    monkeypatch.setenv("OPENSKY_DBT_LAKE", "{}")  # of the project's own
    assert [finding.found for finding in findings() if finding.what == "settings" and finding.advice] == [
        "OPENSKY_SORCE"
    ]


def test_an_empty_source_is_a_problem(place, monkeypatch):
    (place / "empty").mkdir()
    monkeypatch.setenv("OPENSKY_SOURCE", "empty")
    assert "no object" in problems(examine()[1])["source"]


def test_spark_without_a_java_is_a_problem(place, monkeypatch):
    monkeypatch.setenv("OPENSKY_ENGINE", "spark")
    monkeypatch.setattr("opensky_assets.engines.spark.session.java_version", lambda java: 8)
    monkeypatch.setattr("opensky_assets.engines.spark.session.find_spec", lambda name: name == "pyspark" or None)
    assert "needs Java 17 or newer" in problems(examine()[1])["engine"]
