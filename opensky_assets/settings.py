"""Every setting, read from the environment or `.env` and validated once, when `load_settings` is called.

Settings come in groups: `settings.source.endpoint` is `OPENSKY_SOURCE_ENDPOINT`. The alias of a group's field is its
name in the environment, without `OPENSKY_` and in small letters; `load_settings` takes other values by that name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from opensky_assets.calendar import FIRST_DAY

SPARK_MASTER = re.compile(r"local(\[(\*|\d+)(,\d+)?\])?|spark://.+|yarn|k8s://.+")
POSTGRES_URL = re.compile(r"postgresql\+psycopg2://[^\s/@]+@([^\s/@:]*|\[[0-9a-fA-F:.]+\])(:\d+)?/[^\s/]+")
OWN_SETTING = {"spark.master": "OPENSKY_SPARK_MASTER"}
"""Spark's options that another setting is for."""


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable, the value and what is allowed."""


def _check_web_address(value: str) -> str:
    if not re.fullmatch(r"(?i)https?://[^\s/]+\S*", value):
        raise ValueError("must be http://host/… or https://host/…")
    return value


def _check_secret_web_address(value: SecretStr) -> SecretStr:
    _check_web_address(value.get_secret_value())
    return value


WebAddress = Annotated[str, AfterValidator(_check_web_address)]
SecretWebAddress = Annotated[SecretStr, AfterValidator(_check_secret_web_address)]


def _named(prefix: str) -> ConfigDict:
    """The configuration of a group whose fields have this prefix in the environment, unless they name an alias."""
    return ConfigDict(frozen=True, alias_generator=lambda name: prefix + name)


class SourceSettings(BaseModel):
    """Where the objects are, and how to reach them on S3."""

    model_config = _named("source_")

    uri: str = Field(default="data/bucket", alias="source")
    endpoint: WebAddress | None = None
    region: str | None = None
    profile: str | None = None
    anonymous: bool = True


class LakeSettings(BaseModel):
    """Where the lake is, and how to reach it on S3."""

    model_config = _named("lake_")

    uri: str = Field(default="data/lake", alias="lake")
    endpoint: WebAddress | None = None
    region: str | None = None
    profile: str | None = None

    @field_validator("uri")
    @classmethod
    def _lake_is_a_folder_or_bucket(cls, value: str) -> str:
        if "://" in value and not value.startswith("s3://"):
            raise ValueError("the lake must be a folder or s3://bucket[/prefix]")
        return value


class FilterSettings(BaseModel):
    """Which days and how many objects a run may read."""

    model_config = _named("")

    year: int | None = Field(default=None, ge=FIRST_DAY.year, le=2100)
    month: int | None = Field(default=None, ge=1, le=12)
    day: int | None = Field(default=None, ge=1, le=31)
    file_limit: int | None = Field(default=None, ge=1)

    def wants(self, day: date) -> bool:
        """Whether the year, month and day filters let `day` through."""
        return self.year in (None, day.year) and self.month in (None, day.month) and self.day in (None, day.day)


class SparkSettings(BaseModel):
    """The cluster, and the options of its sessions."""

    model_config = _named("spark_")

    master: str = "local[*]"
    memory: str = Field(default="2g", pattern=r"^[1-9]\d*[kmgtKMGT]$")
    """Heap of the driver and of each executor, as Spark writes it."""
    conf: SecretStr = SecretStr("")
    """Further options of Spark; among them may be passwords, so it is never shown."""

    @field_validator("master")
    @classmethod
    def _master_is_known(cls, value: str) -> str:
        if not SPARK_MASTER.fullmatch(value):
            raise ValueError("must be local[*], local[2], spark://host:7077, yarn or k8s://https://host:443")
        return value

    @field_validator("conf")
    @classmethod
    def _options_are_pairs(cls, value: SecretStr) -> SecretStr:
        parse_options(value.get_secret_value())
        return value

    @property
    def options(self) -> dict[str, str]:
        """`conf` as key → value."""
        return parse_options(self.conf.get_secret_value())


class ApiSettings(BaseModel):
    """OpenSky's API."""

    model_config = _named("api_")

    client_id: SecretStr | None = Field(default=None, alias="client_id")
    client_secret: SecretStr | None = Field(default=None, alias="client_secret")
    budget: int = Field(default=4000, ge=4)
    """Credits of OpenSky's API that one run may spend."""
    airports: tuple[str, ...] = ()
    """ICAO codes, in the environment by commas: their arrivals and departures are asked for instead of all flights."""
    url: WebAddress = "https://opensky-network.org/api"
    token_url: WebAddress = "https://auth.opensky-network.org/auth/realms/opensky-network/protocol/openid-connect/token"

    @field_validator("airports", mode="before")
    @classmethod
    def _airports_are_codes(cls, value: str) -> tuple[str, ...]:
        codes = tuple(code.strip().upper() for code in value.split(",") if code.strip())
        if not all(re.fullmatch(r"[A-Z0-9]{4}", code) for code in codes):
            raise ValueError("must be ICAO codes, as LSZH,EDDF")
        return codes

    @model_validator(mode="after")
    def _credentials_are_a_pair(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("OPENSKY_CLIENT_ID and OPENSKY_CLIENT_SECRET: set both or none")
        return self


class AlertSettings(BaseModel):
    """Who is told of failures."""

    model_config = _named("alert_")

    url: SecretWebAddress | None = None
    """A webhook; alerts are posted there as JSON. Its address often holds a secret, so it is never shown."""
    email: str = ""
    """Addresses, by commas."""
    sender: str = Field(default="opensky-assets@localhost", alias="alert_from")
    quiet_hours: float = Field(default=6, ge=0)
    """For so long, no other alert is sent for the same cause."""


class SmtpSettings(BaseModel):
    """The server that alerts by e-mail are handed to."""

    model_config = _named("smtp_")

    host: str = "localhost"
    port: int = Field(default=25, ge=1, le=65535)
    user: str = ""
    password: SecretStr | None = None


class Settings(BaseSettings):
    """The settings; every one is optional."""

    model_config = SettingsConfigDict(env_prefix="OPENSKY_", env_file=".env", extra="ignore", frozen=True)

    source: SourceSettings = SourceSettings()
    lake: LakeSettings = LakeSettings()
    filters: FilterSettings = FilterSettings()
    spark: SparkSettings = SparkSettings()
    api: ApiSettings = ApiSettings()
    alerts: AlertSettings = AlertSettings()
    smtp: SmtpSettings = SmtpSettings()

    warehouse: Path = Path("data/warehouse.duckdb")
    datasets: str = ""
    """YAML files with raw tables of one's own, or folders of them, separated as in PATH."""
    definitions: str = ""
    """A Python module with assets of one's own."""
    engine: Literal["local", "spark"] = "local"
    workers: int | None = Field(default=None, ge=1)
    refresh: bool = False
    """Also read again what another contract or code version wrote."""
    quarantine_limit: float = Field(default=0.05, ge=0, le=1)
    env: Literal["local", "production"] = "local"
    postgres_url: SecretStr | None = None
    """Dagster's history, as postgresql+psycopg2://user:password@host:5432/database; without it, it is in SQLite. Where
    the URL names no driver, SQLAlchemy takes another than dagster-postgres brings."""
    ui_url: WebAddress = "http://127.0.0.1:3000"
    """Where the Dagster UI is, for links in alerts."""

    @model_validator(mode="before")
    @classmethod
    def _put_in_groups(cls, values: dict[str, Any]) -> dict[str, Any]:
        """What came by the names of the environment, each in its group. `OPENSKY_YEAR=` in a `.env` means: not set."""
        given = {name: value for name, value in values.items() if value != ""}
        groups = {
            group: {name: given.pop(name) for name in _aliases(fields) if name in given}
            for group, fields in _groups().items()
        }
        return given | groups

    @field_validator("postgres_url")
    @classmethod
    def _history_is_in_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not POSTGRES_URL.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must be postgresql+psycopg2://user:password@host:5432/database, with %40 for @ and %2F for /"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        read = (cast(EnvSettingsSource, source).env_vars for source in (env_settings, dotenv_settings))
        return init_settings, *(_Environment(settings_cls, variables) for variables in read)


class _Environment(PydanticBaseSettingsSource):
    """The settings by their names in the environment, not yet in groups: pydantic's own source would want the group's
    name in each variable, with a separator of its own."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # of a source that asks field by field

    def __call__(self) -> dict[str, Any]:
        found = {name: self._values.get(f"opensky_{name}") for name in _fields()}
        return {name: value for name, value in found.items() if value is not None}


def _groups() -> dict[str, type[BaseModel]]:
    annotations = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        name: group for name, group in annotations.items() if isinstance(group, type) and issubclass(group, BaseModel)
    }


def _aliases(group: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in group.model_fields.items()]


def _fields() -> dict[str, FieldInfo]:
    """All settings by their names in the environment, without `OPENSKY_` and in small letters."""
    groups, found = _groups(), dict[str, FieldInfo]()
    for name, field in Settings.model_fields.items():
        if name in groups:
            found |= zip(_aliases(groups[name]), groups[name].model_fields.values(), strict=True)
        else:
            found[name] = field
    return found


def variables() -> list[str]:
    """The names of all settings in the environment."""
    return [f"OPENSKY_{name.upper()}" for name in _fields()]


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
    """Read the settings; `overrides` win over the environment, by the names that settings have there: `lake_endpoint`.
    Raises `SettingsError` with one line a problem."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(map(_message, error.errors()))) from None


def _message(problem: ErrorDetails) -> str:
    *group, name = map(str, problem["loc"])
    if not group and name in _groups():  # of several settings together
        return problem["msg"]
    value = "…" if "SecretStr" in str(_fields()[name].annotation) else repr(problem["input"])
    return f"OPENSKY_{name.upper()}={value}: {problem['msg']}"
