"""Settings: what may stand in them, and what is said of what may not."""

import re
from datetime import date
from pathlib import Path

import pytest

from opensky_assets.settings import FilterSettings, Settings, SettingsError, load_settings, variables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_are_optional():
    settings = load_settings()
    assert (settings.source.uri, settings.lake.uri, settings.warehouse) == (
        "data/bucket", "data/lake", Path("data/warehouse.duckdb"),
    )  # fmt: skip
    assert (settings.source.anonymous, settings.engine, settings.env) == (True, "local", "local")
    assert settings.quarantine_limit == 0.05
    assert {*settings.filters.model_dump().values(), settings.workers} == {None}


GIVEN = {
    "SOURCE": "s3://from", "SOURCE_ENDPOINT": "http://s", "SOURCE_REGION": "r1", "SOURCE_PROFILE": "p1",
    "SOURCE_ANONYMOUS": "no", "LAKE": "s3://to", "LAKE_ENDPOINT": "http://l", "LAKE_REGION": "r2", "LAKE_PROFILE": "p2",
    "WAREHOUSE": "w", "YEAR": "2020", "MONTH": "2", "DAY": "29", "FILE_LIMIT": "3", "ENGINE": "spark",
    "SPARK_MASTER": "yarn", "SPARK_MEMORY": "3g", "SPARK_CONF": "spark.a=1", "WORKERS": "4", "REFRESH": "1",
    "QUARANTINE_LIMIT": "0.5", "ENV": "production", "CLIENT_ID": "i", "CLIENT_SECRET": "s1", "API_BUDGET": "5",
    "API_AIRPORTS": "lszh", "API_URL": "http://a", "API_TOKEN_URL": "http://t",
    "POSTGRES_URL": "postgresql+psycopg2://u:s2@h/d", "UI_URL": "http://u", "REPORTS_URL": "http://r", "ALERT_URL": "http://s3",
    "ALERT_EMAIL": "e@x", "ALERT_FROM": "f@x", "ALERT_QUIET_HOURS": "7", "SMTP_HOST": "m", "SMTP_PORT": "587",
    "SMTP_USER": "n", "SMTP_PASSWORD": "s4", "DATASETS": "d.yaml", "DEFINITIONS": "mine", "DBT_PROJECT": "p",
    "ROOT": "r",
    "LANDING": "s3://own", "LANDING_ENDPOINT": "http://o", "LANDING_REGION": "r3", "LANDING_PROFILE": "p3",
    "LIVE_REGIONS": "world", "LIVE_BUDGET": "9", "LIVE_FILTER": "spi", "KAFKA_BROKERS": "b:1", "KAFKA_SECURITY": "SSL",
    "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_USER": "k", "KAFKA_PASSWORD": "s5", "KAFKA_CA": "ca",
    "KAFKA_CERTIFICATE": "c", "KAFKA_KEY": "key", "KAFKA_KEY_PASSWORD": "s6", "KAFKA_TOPIC_PREFIX": "x-",
}  # fmt: skip


def test_each_variable_is_a_field_of_its_group(monkeypatch):
    assert {f"OPENSKY_{name}" for name in GIVEN} == set(variables())
    for name, value in GIVEN.items():
        monkeypatch.setenv(f"OPENSKY_{name}", value)
    settings = load_settings()
    secrets = (settings.api.client_id, settings.api.client_secret, settings.postgres_url, settings.alerts.url)
    kafka = (settings.kafka.password, settings.kafka.key_password)
    shown = [secret.get_secret_value() for secret in (*secrets, settings.smtp.password, *kafka)]
    assert shown == ["i", "s1", "postgresql+psycopg2://u:s2@h/d", "http://s3", "s4", "s5", "s6"]
    assert settings.spark.options == {"spark.a": "1"}
    hidden = "**********"
    assert settings.model_dump(mode="json") == {
        "source": {"uri": "s3://from", "endpoint": "http://s", "region": "r1", "profile": "p1", "anonymous": False},
        "lake": {"uri": "s3://to", "endpoint": "http://l", "region": "r2", "profile": "p2"},
        "filters": {"year": 2020, "month": 2, "day": 29, "file_limit": 3},
        "spark": {"master": "yarn", "memory": "3g", "conf": hidden},
        "api": {
            "client_id": hidden, "client_secret": hidden, "budget": 5, "airports": ["LSZH"], "url": "http://a",
            "token_url": "http://t",
        },
        "landing": {"uri": "s3://own", "endpoint": "http://o", "region": "r3", "profile": "p3"},
        "live": {"regions": "world", "budget": 9, "filter": "spi"},
        "kafka": {
            "brokers": "b:1", "security": "SSL", "sasl_mechanism": "PLAIN", "user": "k", "password": hidden, "ca": "ca",
            "certificate": "c", "key": "key", "key_password": hidden, "topic_prefix": "x-",
        },
        "alerts": {"url": hidden, "email": "e@x", "sender": "f@x", "quiet_hours": 7},
        "smtp": {"host": "m", "port": 587, "user": "n", "password": hidden},
        "warehouse": "w", "engine": "spark", "workers": 4, "refresh": True, "quarantine_limit": 0.5,
        "env": "production", "postgres_url": hidden, "ui_url": "http://u", "reports_url": "http://r",
        "datasets": "d.yaml", "definitions": "mine", "dbt_project": "p", "root": "r",
    }  # fmt: skip
    assert load_settings(**{name.lower(): value for name, value in GIVEN.items()}) == settings


def test_a_group_by_itself_has_the_defaults(monkeypatch):
    monkeypatch.setenv("OPENSKY_YEAR", "2020")
    settings = load_settings()
    assert settings.filters.year == 2020 and FilterSettings().year is None
    assert settings.model_copy(update={"filters": FilterSettings()}).filters.year is None


def names_in_tables(text):
    """Of `OPENSKY_SOURCE_ENDPOINT`, `_REGION` the second is OPENSKY_SOURCE_REGION."""
    full = ""
    for row in re.findall(r"^\| (`OPENSKY_.*?) \|", text, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row):
            full = name if name.startswith("OPENSKY") else full.rpartition("_")[0] + name
            yield full


def test_the_documentation_has_each_and_no_other():
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/automation.md", "docs/live.md"))
    in_tables = set(names_in_tables(text))
    assert in_tables <= set(variables()) <= in_tables | set(re.findall(r"OPENSKY_\w+", text))


@pytest.mark.parametrize("name", variables())
def test_empty_means_unset(name, monkeypatch):
    monkeypatch.setenv(name, "")
    assert load_settings() == Settings(_env_file=None)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("YEAR", "2016", "2017"),
        ("YEAR", "twenty", "integer"),
        ("YEAR", "9999", "2100"),
        ("MONTH", "13", "12"),
        ("MONTH", "0", "1"),
        ("DAY", "32", "31"),
        ("DAY", "1.5", "integer"),
        ("FILE_LIMIT", "0", "1"),
        ("FILE_LIMIT", "-3", "1"),
        ("WORKERS", "0", "1"),
        ("WORKERS", "all", "integer"),
        ("ENGINE", "duck", "'local' or 'spark'"),
        ("SPARK_MASTER", "local[two]", "spark://host:7077"),
        ("SPARK_MASTER", "host:7077", "spark://host:7077"),
        ("SPARK_MEMORY", "2", "pattern"),
        ("SPARK_MEMORY", "lots", "pattern"),
        ("ENV", "prod", "'production'"),
        ("QUARANTINE_LIMIT", "5", "1"),
        ("QUARANTINE_LIMIT", "-0.1", "0"),
        ("QUARANTINE_LIMIT", "nan", ""),
        ("QUARANTINE_LIMIT", "5%", "number"),
        ("SOURCE_ANONYMOUS", "maybe", "boolean"),
        ("LAKE", "gs://lake", "folder"),
    ],
)
def test_a_bad_value_is_told_in_one_line_with_what_is_allowed(name, value, allowed, monkeypatch):
    monkeypatch.setenv(f"OPENSKY_{name}", value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    message = str(raised.value)
    assert message.startswith(f"OPENSKY_{name}='{value}': ")
    assert allowed in message.split(": ", 1)[1]
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("spark.a=1", {"spark.a": "1"}),
        (" spark.a = 1 ; spark.b=x=y;", {"spark.a": "1", "spark.b": "x=y"}),
        ("spark.a=1\n\nspark.b=-Dx;-Dy\n", {"spark.a": "1", "spark.b": "-Dx;-Dy"}),
    ],
)
def test_options_of_spark(text, options, monkeypatch):
    monkeypatch.setenv("OPENSKY_SPARK_CONF", text)
    assert load_settings().spark.options == options


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spark.ok=1;hunter2", "entry 2 is not spark.key=value"),
        ("hunter2=1", "entry 1 is not spark.key=value"),
        ("spark.x.password=abc;hunter2", "entry 2 is not spark.key=value"),
        ("spark.master=hunter2", "entry 1, spark.master: set OPENSKY_SPARK_MASTER instead"),
    ],
)
def test_options_of_spark_are_never_shown(text, told, monkeypatch):
    monkeypatch.setenv("OPENSKY_SPARK_CONF", text)
    with pytest.raises(SettingsError, match=told) as raised:
        load_settings()
    assert "hunter2" not in str(raised.value) and str(raised.value).startswith("OPENSKY_SPARK_CONF=…: ")
    monkeypatch.setenv("OPENSKY_SPARK_CONF", "spark.x.password=hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


PSYCOPG = "postgresql+psycopg2://"


@pytest.mark.parametrize(
    "value",
    [
        "mysql://u:hunter2@host/db",
        "postgresql://u:hunter2@host/db",
        "hunter2",
        f"{PSYCOPG}u:p@hunter2@host/db",
        f"{PSYCOPG}u:hunter2@host:x/db",
        f"{PSYCOPG}u:hunter2@::1/db",
    ],
)
def test_the_address_of_postgresql_is_never_shown(value, monkeypatch):
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", value)
    with pytest.raises(
        SettingsError, match=r"must be postgresql\+psycopg2://user:password@host:5432/database"
    ) as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("host", ["host", "127.0.0.1:5432", "[::1]", "[fd00::1]:5432", ""])
def test_the_history_may_be_at_any_host(host, monkeypatch):
    monkeypatch.setenv("OPENSKY_POSTGRES_URL", f"{PSYCOPG}u:hunter2@{host}/db")
    settings = load_settings()
    assert settings.postgres_url.get_secret_value().endswith(f"@{host}/db")
    assert "hunter2" not in repr(settings)


def test_all_bad_values_are_told_at_once(monkeypatch):
    monkeypatch.setenv("OPENSKY_YEAR", "x")
    monkeypatch.setenv("OPENSKY_DAY", "99")
    with pytest.raises(SettingsError, match=r"OPENSKY_YEAR='x'.*; OPENSKY_DAY='99'"):
        load_settings()


def test_a_file_is_read_and_the_environment_wins(elsewhere, monkeypatch):
    (elsewhere / ".env").write_text(
        "OPENSKY_SOURCE=s3://b/p\nOPENSKY_YEAR=2019\nOPENSKY_MONTH=\nOTHER=1\nOPENSKY_X=y\n"
    )
    monkeypatch.setenv("OPENSKY_YEAR", "2020")
    settings = load_settings(day=7)
    filters = settings.filters
    assert (settings.source.uri, filters.year, filters.month, filters.day) == ("s3://b/p", 2020, None, 7)


def test_a_bad_value_in_the_file_is_told_like_any(elsewhere):
    (elsewhere / ".env").write_text("OPENSKY_MONTH=May\n")
    with pytest.raises(SettingsError, match="OPENSKY_MONTH='May'"):
        load_settings()


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ({}, {"2019-05-07", "2019-06-07", "2020-05-07", "2020-05-08"}),
        ({"year": 2019}, {"2019-05-07", "2019-06-07"}),
        ({"month": 5}, {"2019-05-07", "2020-05-07", "2020-05-08"}),
        ({"day": 8}, {"2020-05-08"}),
        ({"year": 2019, "month": 6, "day": 7}, {"2019-06-07"}),
        ({"year": 2021}, set()),
    ],
)
def test_filters_let_their_days_through(filters, days):
    settings = load_settings(**filters)
    every = ("2019-05-07", "2019-06-07", "2020-05-07", "2020-05-08")
    assert {day for day in every if settings.filters.wants(date.fromisoformat(day))} == days


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OPENSKY_UI_URL", "foo", "OPENSKY_UI_URL='foo'.*must begin with http"),
        ("OPENSKY_ALERT_URL", "notaurl", "OPENSKY_ALERT_URL=….*must begin with http"),
        ("OPENSKY_API_URL", "ftp://x", "OPENSKY_API_URL='ftp://x'"),
        ("OPENSKY_API_AIRPORTS", "zurich", "must be ICAO codes"),
        ("OPENSKY_API_AIRPORTS", "LSZH EDDF", "must be ICAO codes"),
        ("OPENSKY_CLIENT_ID", "x", "OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET: set both or none"),
    ],
)
def test_what_would_fail_only_at_night_is_refused_at_once(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=told):
        load_settings()


@pytest.mark.parametrize("value", ["", "LSZH", "lszh, EDDF", "LSZH,EDDF,"])
def test_airports_are_listed_by_commas(value, monkeypatch):
    monkeypatch.setenv("OPENSKY_API_AIRPORTS", value)
    assert all(len(code) == 4 and code.isupper() for code in load_settings().api.airports)
