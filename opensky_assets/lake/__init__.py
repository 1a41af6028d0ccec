"""Where tables live: paths, manifests, `publish`. Not here: what is in the tables."""

from opensky_assets.lake.lake import Lake, lake_place, open_lake
from opensky_assets.lake.manifest import Counts, Held, Manifest, OutputFile
from opensky_assets.storage.errors import LakeError
from opensky_assets.storage.staging import Staging

__all__ = ["Counts", "Held", "Lake", "LakeError", "Manifest", "OutputFile", "Staging", "lake_place", "open_lake"]
