"""Compare what two checkouts of this project do: the tool that protects a change which must not change behaviour.

    python -m opensky_assets_tests.compare BEFORE AFTER [--only simulated|recorded] [--work FOLDER]

BEFORE and AFTER are checkouts (`git worktree add --detach ../before COMMIT`), each set up by
`python3 -m opensky_assets setup`. Both read the same source, each with a lake and a Dagster history of its own, by
public commands only:

- *simulated*: a bucket in three rounds, with defects, damaged objects, an object over the quarantine limit, polls,
  answers of the API, repeated objects, keys that name no days; then objects that are new, changed, mended and gone.
- *recorded*: a part of the recorded data in `../shared/data`; skipped, with the reason, where that folder is absent.

After each round these are compared: the files of the lake by their bytes and, where bytes differ, by rows, schema and
footer; manifests and records of days; report pages; what the commands print; the history; what a look of the sensor
asks for, from the same cursor. Once: the definitions. At last AFTER takes BEFORE's folder over, with its lake, history
and cursor: nothing may be read, run or asked for again.

One line a comparison, `ok` or `DIFFERENT` with the first differences; the exit code is 1 where something differs. What
is not compared stands, with its reason, in `differences.py` (`MASKS`, `FOLLOW_BYTES`, `VOLATILE`). It takes about ten
minutes on two cores. Do not run it over midnight UTC: the calendar ends yesterday.
"""
