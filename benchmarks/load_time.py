"""Seconds of loading the definitions beyond `import dagster, dagster_dbt`: `python benchmarks/load_time.py`.

Both are started in turn, each in a fresh process; the difference of the medians is what this package adds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

BASE = "import time; t = time.perf_counter(); import dagster, dagster_dbt; print(time.perf_counter() - t)"
ALL = (
    "import time; t = time.perf_counter(); import dagster, dagster_dbt; "
    "from opensky_assets.definitions import defs; "
    "(defs() if callable(defs) else defs).get_repository_def(); print(time.perf_counter() - t); "
    "import sys; print(*sorted({'pyspark', 'dagster_pyspark', 'dagster_aws', 'boto3'} & set(sys.modules)))"
)


def run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()


def main(repeats: int = 5) -> int:
    base, whole, heavy = [], [], ""
    for _ in range(repeats):
        base.append(float(run(BASE)[0]))
        seconds, *rest = run(ALL)
        whole.append(float(seconds))
        heavy = " ".join(rest)
    beyond = statistics.median(whole) - statistics.median(base)
    print(f"imports {statistics.median(base):.2f} s, with the definitions {statistics.median(whole):.2f} s")
    print(f"loaded before they are used: {heavy or 'none of pyspark, dagster_pyspark, dagster_aws, boto3'}")
    print(json.dumps({"base_s": round(statistics.median(base), 3), "beyond_s": round(beyond, 3)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
