"""The page of the ingest benchmark: what its runs took, why, and how that compares with engines and history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opensky_assets.benchmark.history import ALIKE, by_scenario, compare_with_history, middle
from opensky_assets.benchmark.scenarios import Row, curve_of
from opensky_assets.lake import Lake
from opensky_assets.report import figures
from opensky_assets.report.benchmark_figures import Point, Series, over_files, over_time, stacked
from opensky_assets.report.build import ReportTooLarge
from opensky_assets.report.figures import number
from opensky_assets.report.page import MOST_BYTES, Card, Table, document
from opensky_assets.report.theme import PICTURE

FOLDER = "reports/benchmark"
PAGE = f"{FOLDER}/report.html"
PANELS = ("duration", "use", "network", "per_file")
"""The cards that every benchmark has and the UI shows."""

MOST_HISTORY = 60
"""Benchmarks that are drawn, the newest ones."""


@dataclass(frozen=True)
class BenchmarkReport:
    """The published page and pictures, by their paths in the lake, and the four panels as PNG."""

    page: str
    page_bytes: int
    pictures: list[str]
    charts: list[str]
    panels: dict[str, bytes]


def build_benchmark_report(lake: Lake, rows: Sequence[Row]) -> BenchmarkReport:
    """Publish the page over a history of runs, oldest first, that is not empty."""
    found = benchmark_cards(rows)
    html = benchmark_page(rows).encode()
    if len(html) > MOST_BYTES:
        raise ReportTooLarge(f"the page of the benchmark has {len(html):,} bytes, more than {MOST_BYTES:,}")
    newest = newest_of(rows)[0]
    simulated = ", SIMULATED data" if newest["source_kind"] == "simulated" else ""
    drawn = {}
    for card in found:
        figure = card.draw(PICTURE)
        title = f"{card.title}, {newest['started_at']:%Y-%m-%d}{simulated}"
        figure.suptitle(title, fontsize=7.5, color=PICTURE["muted"], x=0.01, ha="left")
        drawn[card.name] = figures.as_png(figure)
    with lake.run() as run:
        staging = run.folder("report")
        files = {PAGE: staging / "report.html"}
        files[PAGE].write_bytes(html)
        for name, picture in drawn.items():
            files[f"{FOLDER}/{name}.png"] = staging / f"{name}.png"
            files[f"{FOLDER}/{name}.png"].write_bytes(picture)
        lake.publish(files, drop=[file.path for file in lake.files.walk(FOLDER)])
    return BenchmarkReport(
        PAGE,
        len(html),
        [path for path in files if path.endswith(".png")],
        [card.name for card in found],
        {name: drawn[name] for name in PANELS},
    )


def newest_of(rows: Sequence[Row]) -> list[Row]:
    """The runs of the newest benchmark."""
    return [row for row in rows if row["benchmark"] == rows[-1]["benchmark"]]


def benchmark_cards(rows: Sequence[Row]) -> list[Card]:
    """Every figure that the history has something for."""
    newest = newest_of(rows)
    found: list[Card | None] = [
        _duration(newest),
        _use(newest),
        _network(newest),
        _per_file(newest),
        _speed(newest),
        _memory(newest),
    ]
    found += [_disk(newest), _engines(rows, newest), _history(rows, newest)]
    return [card for card in found if card is not None]


# --- points --------------------------------------------------------------------------------------------------------


def _series(rows: Sequence[Row], of: Callable[[Row], float | None], name: str = "") -> list[Series]:
    """One an engine: the median, the least and the most of the repeats of each scenario."""
    found: dict[str, list[Point]] = {}
    for repeats in by_scenario(rows):
        values = [of(row) for row in repeats]
        counted = sorted(value for value in values if value is not None)
        if len(counted) == len(values):
            point = Point(repeats[0]["files"], _median(counted), counted[0], counted[-1])
            found.setdefault(repeats[0]["engine"], []).append(point)
    several = len({row["engine"] for row in rows}) > 1
    return [
        Series(" ".join(filter(None, (engine if several or not name else "", name))), points, engine)
        for engine, points in found.items()
    ]


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _largest(rows: Sequence[Row]) -> list[Row]:
    """The repeats of the largest scenario, of the engine that the settings name first."""
    return next(
        repeats
        for repeats in by_scenario(rows)
        if repeats[0]["files"] == max(row["files"] for row in rows) and repeats[0]["engine"] == rows[0]["engine"]
    )


def _table(series: Sequence[Series], unit: str, digits: int = 2) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    columns = ("Series", "Files", f"Median ({unit})", f"Least ({unit})", f"Most ({unit})")
    return columns, [
        (
            one.name or one.engine,
            point.files,
            *(_rounded(value, digits) for value in (point.middle, point.low, point.high)),
        )
        for one in series
        for point in one.points
    ]


def _rounded(value: float, digits: int) -> float | int:
    return round(value, digits) if digits else round(value)


# --- cards ---------------------------------------------------------------------------------------------------------


def _duration(rows: list[Row]) -> Card:
    series = _series(rows, lambda row: row["duration_s"])
    lines = {}
    told = []
    for engine in dict.fromkeys(row["engine"] for row in rows):
        own = [row for row in rows if row["engine"] == engine]
        if curve := curve_of(own):
            lines[engine] = (curve.start_s, curve.per_file_s)
            told.append(f"{engine}: {curve.start_s:.2f} s to start and {1000 * curve.per_file_s:.1f} ms a file")
    columns, table = _table(series, "s")
    return Card(
        "duration",
        "Run time",
        "; ".join(told) + "." if told else f"{table[0][2]} s.",
        lambda theme: over_files(series, theme, "seconds", lines),
        columns,
        table,
        "From listing the source to the last manifest, without the imports of its own process and the start of Spark. "
        "Dashed: the line through the smaller scenarios, which says what the largest should take." if told else "",
    )  # fmt: skip


def _use(rows: list[Row]) -> Card:
    cores = [
        *_series(rows, lambda row: row["mean_cores"], "mean"),
        *_series(rows, lambda row: row["peak_cores"], "peak"),
    ]
    memory = [
        *_series(rows, lambda row: row["mean_rss_bytes"] / 1e6, "mean"),
        *_series(rows, lambda row: row["peak_rss_bytes"] / 1e6, "peak"),
    ]
    largest = _largest(rows)
    columns, table = _table(cores, "cores")
    return Card(
        "use",
        "CPU and memory",
        f"{largest[0]['files']} files kept {middle(largest, 'mean_cores'):.2f} of {largest[0]['machine_cpus']} cores "
        f"busy and took {(middle(largest, 'peak_rss_bytes') or 0) / 1e6:,.0f} MB at most.",
        lambda theme: stacked((cores, "cores"), (memory, "MB"), theme),
        columns,
        table,
        "Of the process that ingests and its children. Memory is resident memory, each process added up; the peak of "
        "cores is the busiest second.",
        table="CPU",
        more=[Table("Memory", *_table(memory, "MB", 0))],
    )


def _memory(rows: list[Row]) -> Card:
    series = _series(rows, lambda row: row["peak_rss_bytes"] / 1e6)
    columns, table = _table(series, "MB", 0)
    first, last = series[0].points[0], series[0].points[-1]
    return Card(
        "memory",
        "Peak memory",
        f"{last.middle / first.middle:.2f} times as much with {last.files} files as with {first.files}.",
        lambda theme: over_files(series, theme, "MB"),
        columns,
        table,
    )


def _network(rows: list[Row]) -> Card:
    remote = rows[0]["cache"] == "remote"
    series = _series(rows, lambda row: row["received_bytes"] / 1e6, "from the source")
    series += _series(rows, lambda row: _mb(row["machine_received_bytes"]), "all interfaces")
    largest = _largest(rows)
    received, seconds = middle(largest, "received_bytes") or 0, middle(largest, "duration_s") or 1
    asked = sum(row["requests"] for row in rows)
    retried, refused = (sum(row[name] for row in rows) for name in ("retries", "refused"))
    columns, table = _table(series, "MB")
    where = "over the network" if remote else "out of files, nothing over the network"
    return Card(
        "network",
        "Network",
        f"{received / 1e6:,.1f} MB came {where} for {largest[0]['files']} files, "
        f"{received / seconds / 1e6:,.1f} MB/s. {asked:,} requests, {retried:,} of them retries, {refused:,} refused "
        "(429, 503).",
        lambda theme: over_files(series, theme, "MB"),
        columns,
        table,
        "From the source: counted where objects are read, exact. All interfaces: the machine's own count, whoever used "
        "them; loopback is not in it.",
    )


def _mb(value: int | None) -> float | None:
    return None if value is None else value / 1e6


def _per_file(rows: list[Row]) -> Card:
    series = _series(rows, lambda row: row["duration_s"] / row["files"])
    columns, table = _table(series, "s", 4)
    points = series[0].points
    change = points[-1].middle / points[0].middle
    more = "" if len(points) == 1 else f" {change:.2f} times what a file takes where there are {points[0].files}."
    return Card(
        "per_file",
        "Seconds a file",
        f"{points[-1].middle:.3f} s a file with {points[-1].files} files.{more}",
        lambda theme: over_files(series, theme, "seconds a file"),
        columns,
        table,
        "Level: the time grows with the files. Falling: the start weighs less. Rising: something slows the run down.",
    )


def _speed(rows: list[Row]) -> Card:
    series = _series(rows, lambda row: row["rows"] / row["duration_s"] / 1000)
    columns, table = _table(series, "1,000 rows/s", 1)
    best = max(point.middle for one in series for point in one.points)
    return Card(
        "speed",
        "Rows per second",
        f"Up to {number(best * 1000)} rows a second.",
        lambda theme: over_files(series, theme, "1,000 rows/s"),
        columns,
        table,
    )


def _disk(rows: list[Row]) -> Card | None:
    series = _series(rows, lambda row: _mb(row["written_bytes"]), "written")
    series += _series(rows, lambda row: _mb(row["read_bytes"]), "read")
    if not series:
        return None
    columns, table = _table(series, "MB")
    largest = _largest(rows)
    by = "as they reached the disk" if largest[0]["disk_by"] == "cgroup" else "as the processes asked for it"
    return Card(
        "disk",
        "Disk",
        f"{number((middle(largest, 'written_bytes') or 0) / 1e6)} MB written and "
        f"{number((middle(largest, 'read_bytes') or 0) / 1e6)} MB read for {largest[0]['files']} files, counted {by}.",
        lambda theme: over_files(series, theme, "MB"),
        columns,
        table,
        "What comes out of the page cache is not read from a disk.",
    )


def _engines(rows: Sequence[Row], newest: list[Row]) -> Card | None:
    """The newest benchmark of each engine over the same data on the same machine."""
    alike = [name for name in ALIKE if name not in ("engine", "master", "files", "data", "repeated_files")]
    data = {(row["files"], row["data"]) for row in newest}
    same = [r for r in rows if all(r[n] == newest[0][n] for n in alike) and (r["files"], r["data"]) in data]
    last = {row["engine"]: row["benchmark"] for row in same}
    counts = [{row["files"] for row in same if row["engine"] == engine} for engine in last]
    if len(last) < 2 or not set.intersection(*counts):
        return None
    chosen = [row for row in same if row["benchmark"] == last[row["engine"]]]
    series = _series(chosen, lambda row: row["duration_s"])
    files = max(set.intersection(*({point.files for point in one.points} for one in series)))
    top = {one.name: next(point.middle for point in one.points if point.files == files) for one in series}
    one, other = sorted(top, key=lambda name: top[name])[:2]
    columns, table = _table(series, "s")
    return Card(
        "engines",
        "Engines",
        f"With {files} files, {other} takes {top[other] / top[one]:.2f} times as long as {one}.",
        lambda theme: over_files(series, theme, "seconds"),
        columns,
        table,
        "The newest benchmark of each, over the same objects on the same machine.",
    )


def _history(rows: Sequence[Row], newest: list[Row]) -> Card | None:
    """The largest scenario over the comparable benchmarks."""
    largest = _largest(newest)
    same = [row for row in rows if all(row[name] == largest[0][name] for name in ALIKE)]
    starts = {row["benchmark"]: row["started_at"] for row in reversed(same)}
    names = sorted(starts)[-MOST_HISTORY:]
    if len(names) < 2:
        return None
    days = {row["started_at"].date() for row in same}
    shown = [f"{at:%H:%M}" if len(days) == 1 else f"{at:%m-%d}" for at in (starts[name] for name in names)]
    by_name = {name: sorted(row["duration_s"] for row in same if row["benchmark"] == name) for name in names}
    commits = {row["benchmark"]: row["commit"] or "" for row in same}
    points = [Point(at, _median(by_name[name]), by_name[name][0], by_name[name][-1]) for at, name in enumerate(names)]
    return Card(
        "history",
        "History",
        f"The last {len(names)} comparable benchmarks of {largest[0]['files']} files, {largest[0]['engine']}: "
        f"{points[0].middle:.2f} s first, {points[-1].middle:.2f} s last.",
        lambda theme: over_time(points, shown, theme, "seconds"),
        ("At (UTC)", "Commit", "Repeats", "Median (s)", "Least (s)", "Most (s)"),
        [
            (
                f"{starts[n]:%Y-%m-%d %H:%M}",
                commits[n],
                len(by_name[n]),
                *(round(v, 2) for v in (point.middle, point.low, point.high)),
            )
            for n, point in zip(names, points, strict=True)
        ],
        "Comparable: the same data, machine, engine, workers and state of the cache.",
    )


# --- HTML ----------------------------------------------------------------------------------------------------------


def benchmark_page(rows: Sequence[Row]) -> str:
    """The page over a history of runs, oldest first."""
    newest = newest_of(rows)
    day = newest[0]["started_at"]
    return document(
        "benchmark.html",
        f"Ingest benchmark, {day.day} {day:%B %Y}",
        benchmark_cards(rows),
        about=_about(newest),
        simulated=newest[0]["source_kind"] == "simulated",
        tiles=_tiles(newest),
        verdicts=_verdicts(newest),
        comparisons=[one for one in compare_with_history(newest, rows) if one.before],
        footer=_footer(newest),
    )


def _tiles(newest: list[Row]) -> list[tuple[str, str, str]]:
    largest = _largest(newest)
    seconds = middle(largest, "duration_s") or 0
    return [
        ("Files", number(largest[0]["files"]), ""),
        ("Run time", f"{seconds:.2f}" if seconds < 100 else number(seconds), "s"),
        ("Rows per second", number((middle(largest, "rows") or 0) / max(seconds, 1e-9)), ""),
        ("Cores used", f"{middle(largest, 'mean_cores'):.2f}", f"of {largest[0]['machine_cpus']}"),
        ("Peak memory", number((middle(largest, "peak_rss_bytes") or 0) / 1e6), "MB"),
        ("Repeats", number(len(largest)), ""),
    ]


def _about(newest: list[Row]) -> str:
    largest = _largest(newest)
    engines = " and ".join(dict.fromkeys(row["engine"] for row in newest))
    cache = {"warm": "files in the page cache", "cold": "page cache dropped", "remote": "out of a bucket"}
    times = f"Medians of {len(largest)} runs of each scenario, in turns."
    if len(largest) == 1:
        times = "Each scenario was run once: the spread between runs is unknown."
    return (
        f"{largest[0]['table'].replace('_', ' ')}, engine {engines}, {largest[0]['workers']} workers, "
        f"{cache[largest[0]['cache']]}. {times}"
    )


def _verdicts(newest: list[Row]) -> list[Row]:
    """Of each engine's largest scenario, its median run, which has the verdict."""
    found = []
    for engine in dict.fromkeys(row["engine"] for row in newest):
        own = [row for row in newest if row["engine"] == engine]
        repeats = sorted(list(by_scenario(own))[-1], key=lambda row: row["duration_s"])
        found.append(repeats[len(repeats) // 2])
    return found


def _footer(newest: list[Row]) -> list[str]:
    row = _largest(newest)[0]
    about = [
        f"Machine: {row['machine']}; {row['system']}.",
        f"Code: {row['version']}{', commit ' + row['commit'] if row['commit'] else ''}; {row['libraries']}.",
        f"Data: {row['files']} objects of {row['source']} ({row['source_kind']}), {row['source_bytes'] / 1e6:,.1f} MB, "
        f"{row['rows']:,} records, {row['first_key']} to {row['last_key']}; {row['data']}.",
    ]
    missing = sorted({why for each in newest for why in each["missing"]})
    if missing:
        about.append(f"Not counted here: {'; '.join(missing)}.")
    about.append("Each run is a process of its own that ingests into an empty scratch lake.")
    return about
