"""The source, the lake and the settings as one Dagster resource."""

from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
from pydantic import PrivateAttr

from opensky_assets.dagster_home import require_lake
from opensky_assets.lake import Lake, open_lake
from opensky_assets.lake.records import Records
from opensky_assets.settings import Settings, load_settings
from opensky_assets.storage.landing import open_stores
from opensky_assets.storage.objects import ObjectStore


class OpenSkyResource(dg.ConfigurableResource):
    """Settings come from the environment when the resource is used; a field set here wins, as tests need it."""

    source: str | None = None
    lake: str | None = None
    warehouse: str | None = None
    _records: Records | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Raises `SettingsError` where the run's history is of another lake than the settings, whoever started it."""
        if context.instance is not None:
            require_lake(context.instance, self.settings())
        self._records = Records()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self._records = None

    def settings(self) -> Settings:
        given = {"source": self.source, "lake": self.lake, "warehouse": self.warehouse}
        return load_settings(**{name: value for name, value in given.items() if value is not None})

    def open_source(self) -> ObjectStore:
        """The source, with its landing where there is one."""
        return open_stores(self.settings())

    def open_lake(self) -> Lake:
        """The lake of the settings; the steps and checks of one run read each manifest once."""
        return replace(open_lake(self.settings()), records=self._records)

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    @classmethod
    def today(cls) -> date:
        return cls.now().date()
