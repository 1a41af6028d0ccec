"""A schedule for a selection of assets, in YAML."""

from datetime import timedelta

import dagster as dg
from pydantic import BaseModel, Field

from opensky_assets.partitions import DAILY, range_tags


class ScaffoldParams(BaseModel):
    """What `dg scaffold defs` takes."""

    assets: str = "group:reference"
    cron: str = "0 9 * * 1"
    days: int = 1


class ScheduledAssetsScaffolder(dg.Scaffolder[ScaffoldParams]):
    """Writes a file that loads, so that no command stops over a new one."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParams]:
        return ScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParams]) -> None:
        dg.scaffold_component(request, {"name": request.target_path.name, **request.params.model_dump()})


@dg.scaffold_with(ScheduledAssetsScaffolder)
class ScheduledAssets(dg.Component, dg.Model, dg.Resolvable):
    """A schedule for a selection of assets. Of daily ones it asks for the days up to yesterday, in one run."""

    name: str = Field(description="The job; its schedule is <name>_schedule", pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    assets: str = Field(description="Which assets, in Dagster's selection syntax, as group:marts or key:routes+")
    cron: str = Field(description="When, in UTC, as 0 9 * * 1")
    days: int = Field(default=1, description="Of daily assets: how many days each time, the last is yesterday")
    description: str = Field(default="", description="What the UI says of the job and its schedule")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        if self.days < 1:
            raise ValueError(f"days must be at least 1, got {self.days}")
        job = dg.define_asset_job(self.name, selection=self.assets, description=self.description or None)

        @dg.schedule(
            name=f"{self.name}_schedule",
            job=job,
            cron_schedule=self.cron,
            execution_timezone="UTC",
            description=self.description or None,
        )
        def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
            today = context.scheduled_execution_time.date()
            first, last = ((today - timedelta(days=n)).isoformat() for n in (self.days, 1))
            assert context.repository_def is not None
            is_daily = context.repository_def.get_job(self.name).partitions_def == DAILY
            return dg.RunRequest(run_key=str(today), tags=range_tags(first, last) if is_daily else {})

        return dg.Definitions(jobs=[job], schedules=[schedule])
