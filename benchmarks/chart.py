"""The chart of a race, from its Parquet: `python benchmarks/chart.py TURNS.parquet OUT.png`. Needs matplotlib."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pyarrow.parquet as pq


def draw(turns: Path, out: Path) -> Path:
    found: dict[str, list[dict]] = {}
    for row in pq.read_table(turns).to_pylist():
        found.setdefault(row["contestant"], []).append(row)
    seconds = {name: statistics.median(r["seconds"] for r in rows) for name, rows in found.items()}
    memory = {name: statistics.median(r["peak_bytes"] for r in rows) / 1e6 for name, rows in found.items()}
    names = sorted(seconds, key=lambda name: seconds[name])
    rows = found["ours"][0]["rows"] if "ours" in found else max(r[0]["rows"] for r in found.values())
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.42 * len(names) + 1.4), sharey=True)
    for axis, values, label in ((axes[0], seconds, "seconds"), (axes[1], memory, "peak MB")):
        colours = ["#1f6feb" if name == "ours" else "#9aa4b2" for name in names]
        bars = axis.barh(names, [values[name] for name in names], color=colours)
        axis.bar_label(
            bars, [f"{values[n]:.1f}" if label == "seconds" else f"{values[n]:.0f}" for n in names], padding=3
        )
        axis.set_xlabel(f"{label} (median)")
        if max(values.values()) > 10 * min(values.values()):  # as with the older pipeline's loop in the race
            axis.set_xscale("log")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    axes[0].invert_yaxis()
    figure.suptitle(f"{rows:,} rows of {found[names[0]][0]['table']}, gzipped CSV to zstd Parquet")
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    return out


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]), Path(sys.argv[2])))
