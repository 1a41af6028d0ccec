"""Components: what `defs.yaml` can name."""

from opensky_assets.components.scheduled_assets import ScheduledAssets

__all__ = ["ScheduledAssets"]
