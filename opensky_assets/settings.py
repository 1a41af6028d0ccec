"""Every setting, read from the environment or `.env` and validated once, when `load_settings` is called."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from opensky_assets.calendar import FIRST_DAY

SPARK_MASTER = re.compile(r"local(\[(\*|\d+)(,\d+)?\])?|spark://.+|yarn|k8s://.+")
POSTGRES_URL = re.compile(r"postgresql\+psycopg2://[^\s/@]+@([^\s/@:]*|\[[0-9a-fA-F:.]+\])(:\d+)?/[^\s/]+")
OWN_SETTING = {"spark.master": "OPENSKY_SPARK_MASTER"}
"""Spark's options that another setting is for."""


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable, the value and what is allowed."""


class Settings(BaseSettings):
    """The settings; every one is optional. `OPENSKY_SOURCE` is the field `source`, and so on."""

    model_config = SettingsConfigDict(env_prefix="OPENSKY_", env_file=".env", extra="ignore", frozen=True)

    source: str = "data/bucket"
    source_endpoint: str | None = None
    source_region: str | None = None
    source_profile: str | None = None
    source_anonymous: bool = True
    lake: str = "data/lake"
    lake_endpoint: str | None = None
    lake_region: str | None = None
    lake_profile: str | None = None
    warehouse: Path = Path("data/warehouse.duckdb")

    datasets: str = ""
    """YAML files with raw tables of one's own, or folders of them, separated as in PATH."""
    definitions: str = ""
    """A Python module with assets of one's own."""

    year: int | None = Field(default=None, ge=FIRST_DAY.year, le=2100)
    month: int | None = Field(default=None, ge=1, le=12)
    day: int | None = Field(default=None, ge=1, le=31)
    file_limit: int | None = Field(default=None, ge=1)

    engine: Literal["local", "spark"] = "local"
    spark_master: str = "local[*]"
    spark_memory: str = Field(default="2g", pattern=r"^[1-9]\d*[kmgtKMGT]$")
    """Heap of the driver and of each executor, as Spark writes it."""
    spark_conf: SecretStr = SecretStr("")
    """Further options of Spark; among them may be passwords, so it is never shown."""
    workers: int | None = Field(default=None, ge=1)
    refresh: bool = False
    """Also read again what another contract or code version wrote."""
    quarantine_limit: float = Field(default=0.05, ge=0, le=1)
    env: Literal["local", "production"] = "local"

    client_id: SecretStr | None = None
    client_secret: SecretStr | None = None
    api_budget: int = Field(default=4000, ge=4)
    """Credits of OpenSky's API that one run may spend."""
    api_airports: str = ""
    """ICAO codes, by commas: their arrivals and departures are asked for instead of all flights."""
    api_url: str = "https://opensky-network.org/api"
    api_token_url: str = "https://auth.opensky-network.org/auth/realms/opensky-network/protocol/openid-connect/token"

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: object) -> object:
        """`OPENSKY_YEAR=` in a `.env` means: not set."""
        if value == "":
            return cls.model_fields[info.field_name].default  # type: ignore[attr-defined]
        return value

    @field_validator("lake")
    @classmethod
    def _lake_is_a_folder_or_bucket(cls, value: str) -> str:
        if "://" in value and not value.startswith("s3://"):
            raise ValueError("the lake must be a folder or s3://bucket[/prefix]")
        return value

    postgres_url: SecretStr | None = None
    """Dagster's history, as postgresql+psycopg2://user:password@host:5432/database; without it, it is in SQLite. Where
    the URL names no driver, SQLAlchemy takes another than dagster-postgres brings."""
    ui_url: str = "http://127.0.0.1:3000"
    """Where the Dagster UI is, for links in alerts."""
    alert_url: SecretStr | None = None
    """A webhook; alerts are posted there as JSON. Its address often holds a secret, so it is never shown."""
    alert_email: str = ""
    """Addresses, by commas."""
    alert_from: str = "opensky-assets@localhost"
    alert_quiet_hours: float = Field(default=6, ge=0)
    """For so long, the same cause is not told again."""
    smtp_host: str = "localhost"
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_user: str = ""
    smtp_password: SecretStr | None = None

    @property
    def airports(self) -> list[str]:
        """The codes of `api_airports`."""
        return codes_in(self.api_airports)

    @field_validator("postgres_url")
    @classmethod
    def _history_is_in_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not POSTGRES_URL.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must be postgresql+psycopg2://user:password@host:5432/database, with %40 for @ and %2F for /"
            )
        return value

    @field_validator("ui_url", "api_url", "api_token_url", "alert_url")
    @classmethod
    def _addresses_are_of_the_web(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not re.fullmatch(r"(?i)https?://[^\s/]+\S*", text):
            raise ValueError("must be http://host/… or https://host/…")
        return value

    @field_validator("api_airports")
    @classmethod
    def _airports_are_codes(cls, value: str) -> str:
        if not all(re.fullmatch(r"[A-Z0-9]{4}", code) for code in codes_in(value)):
            raise ValueError("must be ICAO codes, as LSZH,EDDF")
        return value

    @model_validator(mode="after")
    def _credentials_are_a_pair(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET: set both or none")
        return self

    @field_validator("spark_master")
    @classmethod
    def _master_is_known(cls, value: str) -> str:
        if not SPARK_MASTER.fullmatch(value):
            raise ValueError("must be local[*], local[2], spark://host:7077, yarn or k8s://https://host:443")
        return value

    @field_validator("spark_conf")
    @classmethod
    def _options_are_pairs(cls, value: SecretStr) -> SecretStr:
        parse_options(value.get_secret_value())
        return value

    @property
    def spark_options(self) -> dict[str, str]:
        """`spark_conf` as key → value."""
        return parse_options(self.spark_conf.get_secret_value())

    def wants(self, day: date) -> bool:
        """Whether the year, month and day filters let `day` through."""
        return self.year in (None, day.year) and self.month in (None, day.month) and self.day in (None, day.day)


def variables() -> list[str]:
    """The names of all settings in the environment."""
    return [f"OPENSKY_{name.upper()}" for name in Settings.model_fields]


def codes_in(text: str) -> list[str]:
    """Codes by commas, in capitals."""
    return [code.strip().upper() for code in text.split(",") if code.strip()]


def parse_options(text: str) -> dict[str, str]:
    """`key=value` pairs, one a line; where there is one line only, separated by `;`.

    Raises `ValueError` that names entries by their place, since any part of one may be a secret.
    """
    entries = [entry.strip() for entry in text.strip().split("\n" if "\n" in text.strip() else ";")]
    found = {}
    for place, entry in enumerate(entries, start=1):
        key, sign, value = entry.partition("=")
        if not entry:
            continue
        if not sign or not re.fullmatch(r"spark\.[\w.-]+", key.strip()):
            raise ValueError(
                f"entry {place} is not spark.key=value; separate entries by line ends, or by ; within one line"
            )
        if own := OWN_SETTING.get(key.strip()):
            raise ValueError(f"entry {place}, {key.strip()}: set {own} instead")
        found[key.strip()] = value.strip()
    return found


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment. Raises `SettingsError` with one line a problem."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            if not problem["loc"]:  # of several settings together
                lines.append(problem["msg"])
                continue
            name = "_".join(str(part) for part in problem["loc"])
            secret = Settings.model_fields[name].annotation in (SecretStr, SecretStr | None)
            value = "…" if secret else repr(problem["input"])
            lines.append(f"OPENSKY_{name.upper()}={value}: {problem['msg']}")
        raise SettingsError("; ".join(lines)) from None
