"""Every setting, read from the environment or `.env` and validated once, when `load_settings` is called."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

FIRST_DAY = date(2017, 1, 1)
"""First day of the calendar: OpenSky's public state vectors start in 2017."""


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

    year: int | None = Field(default=None, ge=FIRST_DAY.year, le=2100)
    month: int | None = Field(default=None, ge=1, le=12)
    day: int | None = Field(default=None, ge=1, le=31)
    file_limit: int | None = Field(default=None, ge=1)

    engine: Literal["local"] = "local"
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
        return [code.strip().upper() for code in self.api_airports.split(",") if code.strip()]

    def wants(self, day: date) -> bool:
        """Whether the year, month and day filters let `day` through."""
        return self.year in (None, day.year) and self.month in (None, day.month) and self.day in (None, day.day)


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment. Raises `SettingsError` with one line a problem."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"OPENSKY_{'_'.join(str(part) for part in problem['loc']).upper()}={problem['input']!r}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("; ".join(lines)) from None
