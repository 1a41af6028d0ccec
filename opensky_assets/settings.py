"""Every setting, read from the environment or `.env` and validated once, when `load_settings` is called.

Settings come in groups: `settings.source.endpoint` is `OPENSKY_SOURCE_ENDPOINT`. The alias of a group's field is its
name in the environment, without `OPENSKY_` and in small letters; `load_settings` takes other values by that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

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
from opensky_assets.places import checked_place, expanded
from opensky_assets.wording import nearest

SPARK_MASTER = re.compile(r"local(\[(\*|\d+)(,\d+)?\])?|spark://.+|yarn|k8s://.+")
POSTGRES_URL = re.compile(r"postgresql\+psycopg2://[^\s/@]+@([^\s/@:]*|\[[0-9a-fA-F:.]+\])(:\d+)?/[^\s/]+")
BELOW_ROOT = {"source": "bucket", "lake": "lake", "landing": "landing", "warehouse": "warehouse.duckdb"}
"""Settings whose default is below OPENSKY_ROOT, and where."""

OWN_SETTING = {"spark.master": "OPENSKY_SPARK_MASTER"}
"""Spark's options that another setting is for."""


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the variable, the value and what is allowed."""


def _check_web_address(value: str) -> str:
    if not re.fullmatch(r"(?i)https?://[^\s/]+\S*", value):
        meant = f"; did you mean https://{value}?" if re.fullmatch(r"[\w.-]+(:\d+)?(/\S*)?", value) else ""
        raise ValueError(f"must begin with http:// or https://, and name a host{meant}")
    return value


def _check_secret_web_address(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().lower().startswith(("http://", "https://")):  # nothing of it may be shown
        raise ValueError("must begin with http:// or https://")
    _check_web_address(value.get_secret_value())
    return value


Place = Annotated[str, AfterValidator(checked_place)]
OwnPath = Annotated[Path, AfterValidator(expanded)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
SecretWebAddress = Annotated[SecretStr, AfterValidator(_check_secret_web_address)]


def _named(prefix: str) -> ConfigDict:
    """The configuration of a group whose fields have this prefix in the environment, unless they name an alias. The
    text below a field is its description (`.env.example`)."""
    return ConfigDict(frozen=True, alias_generator=lambda name: prefix + name, use_attribute_docstrings=True)


def _in(unit: str) -> dict[str, Any]:
    """A field's unit, for whoever describes the settings."""
    return {"unit": unit}


class SourceSettings(BaseModel):
    """Where the objects are, and how to reach them on S3."""

    model_config = _named("source_")

    uri: Place = Field(default="data/bucket", alias="source")
    """The source: a folder or s3://bucket[/prefix]. By default `bucket` below OPENSKY_ROOT."""
    endpoint: WebAddress | None = None
    """Address of the S3 server, as https://s3.opensky-network.org. Not set: AWS."""
    region: str | None = None
    """Region of the bucket. Not set: AWS's usual chain decides."""
    profile: str | None = None
    """Profile of AWS's configuration with the credentials, if the source is not read anonymously."""
    anonymous: bool = True
    """Whether the source is read without credentials."""


class LakeSettings(BaseModel):
    """Where the lake is, and how to reach it on S3."""

    model_config = _named("lake_")

    uri: Place = Field(default="data/lake", alias="lake")
    """The lake: a folder or s3://bucket[/prefix]; it belongs to one source. By default `lake` below OPENSKY_ROOT."""
    endpoint: WebAddress | None = None
    """Address of the S3 server. Not set: AWS."""
    region: str | None = None
    """Region of the bucket. Not set: AWS's usual chain decides."""
    profile: str | None = None
    """Profile of AWS's configuration with the credentials. Not set: AWS's usual chain decides."""


class LandingSettings(BaseModel):
    """Where responses of OpenSky's API are stored, beside the source, and how to reach them on S3."""

    model_config = _named("landing_")

    uri: str = Field(default="data/landing", alias="landing")
    """A folder or s3://bucket[/prefix] of your own for responses of OpenSky's API; the lake reads it together with its
    source. By default `landing` below OPENSKY_ROOT."""
    endpoint: WebAddress | None = None
    """Address of the S3 server. Not set: AWS."""
    region: str | None = None
    """Region of the bucket. Not set: AWS's usual chain decides."""
    profile: str | None = None
    """Profile of AWS's configuration with the credentials. Not set: AWS's usual chain decides."""


class FilterSettings(BaseModel):
    """Which days and how many objects a run may read."""

    model_config = _named("")

    year: int | None = Field(default=None, ge=FIRST_DAY.year, le=2100)
    """Only days of this year."""
    month: int | None = Field(default=None, ge=1, le=12)
    """Only days of this month, 1 to 12."""
    day: int | None = Field(default=None, ge=1, le=31)
    """Only this day of each month, 1 to 31."""
    file_limit: int | None = Field(default=None, ge=1, json_schema_extra=_in("objects"))
    """The most objects that a run reads, oldest first."""

    def wants(self, day: date) -> bool:
        """Whether the year, month and day filters let `day` through."""
        return self.year in (None, day.year) and self.month in (None, day.month) and self.day in (None, day.day)


class SparkSettings(BaseModel):
    """The cluster, and the options of its sessions."""

    model_config = _named("spark_")

    master: str = "local[*]"
    """The cluster: local[*], local[2], spark://host:7077, yarn or k8s://https://host:443."""
    memory: str = Field(
        default="2g", pattern=r"^[1-9]\d*[kmgtKMGT]$", json_schema_extra=_in("bytes, with k, m, g or t")
    )
    """Heap of the driver and of each executor, in Spark's notation."""
    conf: SecretStr = SecretStr("")
    """Further options of Spark, as spark.key=value;spark.key=value. They can hold passwords: never shown."""

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
    """Id of the API client that OpenSky gave you. It is never shown."""
    client_secret: SecretStr | None = Field(default=None, alias="client_secret")
    """Secret of the API client. It is never shown."""
    budget: int = Field(default=4000, ge=4, json_schema_extra=_in("credits"))
    """Credits of OpenSky's API that one run may spend."""
    airports: tuple[str, ...] = ()
    """ICAO codes of airports, separated by commas. If set, only their arrivals and departures are requested."""
    url: WebAddress = "https://opensky-network.org/api"
    """Address of the API."""
    token_url: WebAddress = "https://auth.opensky-network.org/auth/realms/opensky-network/protocol/openid-connect/token"
    """Address where the API's tokens are requested."""

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


class LiveSettings(BaseModel):
    """What the collector polls from OpenSky's API."""

    model_config = _named("live_")

    regions: str = "europe;north_america"
    """Regions to poll, separated by `;`: europe, north_america, world, or
    name=lamin,lomin,lamax,lomax, each with @ and its interval in seconds, as alps=45.5,5.5,48,16@30."""
    budget: int | None = Field(default=None, ge=1)
    """Credits a day for polls. Not set: 4000 with an API client, 400 without."""
    filter: str = "not on_ground and longitude is not null and latitude is not null"
    """The states that the topic opensky_filtered_flights gets: an SQL condition over the fields of a state."""


class KafkaSettings(BaseModel):
    """The Kafka cluster for live data."""

    model_config = _named("kafka_")

    brokers: str = ""
    """Addresses of brokers, as kafka1:9092,kafka2:9092. Not set: live data goes to the landing."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Security protocol of the brokers: names with SSL use TLS, names with SASL need a user and a password."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the user is authenticated."""
    user: str = ""
    """The user's name, with SASL."""
    password: SecretStr | None = None
    """The user's password, with SASL. It is never shown."""
    ca: str = ""
    """PEM file of the authorities that sign the brokers' certificates. Not set: those of the system."""
    certificate: str = ""
    """PEM file of the client's certificate, if the brokers require one."""
    key: str = ""
    """PEM file of the private key of the certificate."""
    key_password: SecretStr | None = None
    """Password of the private key. It is never shown."""
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    """Prefix of the names of all topics, if several platforms share a cluster."""

    @model_validator(mode="after")
    def _user_has_a_password(self) -> Self:
        if self.security.startswith("SASL") and not (self.user and self.password):
            raise ValueError(
                f"OPENSKY_KAFKA_SECURITY={self.security}: set OPENSKY_KAFKA_USER and OPENSKY_KAFKA_PASSWORD"
            )
        return self


class AlertSettings(BaseModel):
    """Who gets alerts of failures."""

    model_config = _named("alert_")

    url: SecretWebAddress | None = None
    """A webhook; alerts are posted there as JSON. Its address often holds a secret, so it is never shown."""
    email: str = ""
    """E-mail addresses that alerts go to, separated by commas."""
    sender: str = Field(default="opensky-assets@localhost", alias="alert_from")
    """The sender of alerts by e-mail."""
    quiet_hours: float = Field(default=6, ge=0, json_schema_extra=_in("hours"))
    """Time without another alert for the same cause."""


class SmtpSettings(BaseModel):
    """The mail server for alerts."""

    model_config = _named("smtp_")

    host: str = "localhost"
    """The mail server."""
    port: int = Field(default=25, ge=1, le=65535)
    """Port of the mail server. TLS is used if the server offers it."""
    user: str = ""
    """The user's name at the mail server."""
    password: SecretStr | None = None
    """The user's password. It is never shown, and never sent to another machine without TLS."""


class Settings(BaseSettings):
    """The settings; every one is optional."""

    model_config = SettingsConfigDict(
        env_prefix="OPENSKY_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    root: Path = Path("data")
    """Folder for everything that has no place of its own by another setting: simulated bucket, lake, warehouse,
    Dagster's history, benchmarks."""

    source: SourceSettings = SourceSettings()
    lake: LakeSettings = LakeSettings()
    landing: LandingSettings = LandingSettings()
    filters: FilterSettings = FilterSettings()
    spark: SparkSettings = SparkSettings()
    api: ApiSettings = ApiSettings()
    live: LiveSettings = LiveSettings()
    kafka: KafkaSettings = KafkaSettings()
    alerts: AlertSettings = AlertSettings()
    smtp: SmtpSettings = SmtpSettings()

    warehouse: OwnPath = Path("data/warehouse.duckdb")
    """DuckDB file with views of the lake. By default `warehouse.duckdb` below OPENSKY_ROOT."""
    datasets: str = ""
    """YAML files with raw tables of your own, or folders of them, separated as in PATH."""
    definitions: str = ""
    """A Python module with assets of your own."""
    dbt_project: Path | None = None
    """The folder of the dbt project with the marts. Not set: that of the package."""
    engine: Literal["local", "spark"] = "local"
    """What computes the tables: `local` (processes of this machine) or `spark`."""
    workers: int | None = Field(default=None, ge=1, json_schema_extra=_in("processes"))
    """Number of processes that read objects. Not set: one for each core."""
    refresh: bool = False
    """Also read objects again whose rows another version of the contract or of the code wrote."""
    quarantine_limit: float = Field(default=0.05, ge=0, le=1, json_schema_extra=_in("share, 0 to 1"))
    """An object with a larger share of rejected records is held back."""
    env: Literal["local", "production"] = "local"
    """If it is `production`, sensors and schedules are on."""
    postgres_url: SecretStr | None = None
    """PostgreSQL database of Dagster's history, as postgresql+psycopg2://user:password@host:5432/database. Not set:
    SQLite. It is never shown."""
    ui_url: WebAddress = "http://127.0.0.1:3000"
    """Address of the Dagster UI, for links in alerts."""
    reports_url: WebAddress | None = None
    """Address of the pages of reports, for links in the Dagster UI. Not set: 127.0.0.1, one port after the UI's."""

    @property
    def pages_url(self) -> str:
        """Where the pages of reports are."""
        if self.reports_url:
            return self.reports_url.rstrip("/")
        ui = urlsplit(self.ui_url)
        port = ui.port or 3000
        return f"http://127.0.0.1:{(port if ui.hostname in ('127.0.0.1', 'localhost') else 3000) + 1}"

    @field_validator("root")
    @classmethod
    def _root_is_a_folder(cls, value: Path) -> Path:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(value)):
            raise ValueError("must be a folder; for a lake in a bucket, set OPENSKY_LAKE")
        return value

    @model_validator(mode="before")
    @classmethod
    def _put_in_groups(cls, values: dict[str, Any]) -> dict[str, Any]:
        """What came by the names of the environment, each in its group. `OPENSKY_YEAR=` in a `.env` means: not set."""
        given = {name: value for name, value in values.items() if value != ""}
        if root := given.get("root"):
            given = {name: Path(root).joinpath(below).as_posix() for name, below in BELOW_ROOT.items()} | given
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


@dataclass(frozen=True)
class Description:
    """A setting as it is shown to people; `group` says what it and its neighbours are about."""

    group: str
    variable: str
    text: str
    default: str
    unit: str


def descriptions() -> Iterator[Description]:
    """All settings, those without a group first."""
    for name, (group, field) in _described().items():
        if field.description is None:
            raise TypeError(f"the setting {name} has no description: write one below its field")
        unit = cast(dict[str, str], field.json_schema_extra or {}).get("unit", "")
        text = " ".join(field.description.replace("`", "").split())
        yield Description(group, f"OPENSKY_{name.upper()}", text, _default_text(field.default), unit)


def _described() -> dict[str, tuple[str, FieldInfo]]:
    groups = _groups()
    top = {name: ("General.", field) for name, field in Settings.model_fields.items() if name not in groups}
    for group in groups.values():
        about = " ".join((group.__doc__ or "").split())
        top |= {name: (about, field) for name, field in zip(_aliases(group), group.model_fields.values(), strict=True)}
    return top


def _default_text(value: object) -> str:
    """A default as one writes it in the environment; empty where there is none."""
    if value in (None, (), SecretStr("")):
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def variables() -> list[str]:
    """The names of all settings in the environment."""
    return [f"OPENSKY_{name.upper()}" for name in _fields()]


def misspelt(names: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Those of the environment's names that look like a setting and are none, each with the setting that it is most
    like. A run tells dbt its database and lake by variables of its own."""
    known = variables()
    for name in sorted(names):
        if name.startswith("OPENSKY_") and name not in known and not name.startswith("OPENSKY_DBT_"):
            likely = nearest(name.removeprefix("OPENSKY_"), [one.removeprefix("OPENSKY_") for one in known])
            yield name, f"OPENSKY_{likely}" if likely else None


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
    return f"OPENSKY_{name.upper()}={value}: {problem['msg'].removeprefix('Value error, ')}"
