# Every target sets up what it needs (.venv and the pinned packages) on its first run. The same without
# make: python -m opensky_assets demo | test | …
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(shell command -v $(name) 2>/dev/null)))
ifeq ($(strip $(PYTHON)),)
$(error Python 3.11 to 3.13 is needed. Debian, Ubuntu: apt-get install python3 python3-venv)
endif
RUN = $(PYTHON) -m opensky_assets
ARGS ?=

.PHONY: help demo test test-all test-services lint dev materialize bench soak setup pins definitions clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo                         simulated bucket to tables, and a summary'
	@echo 'make test [ARGS="-k name"]        the quick tests; with ARGS, pytest with just these'
	@echo 'make test-all                     also the slow ones: kills, faults, real data, the browser; with coverage'
	@echo 'make test-services                the tests against real servers (Debian packages of Ceph, PostgreSQL)'
	@echo 'make lint [ARGS=--fix]            ruff and mypy'
	@echo 'make dev                          the Dagster UI'
	@echo 'make materialize FROM=2022-06-25 TO=2022-06-27'
	@echo '                                  these days, from the source in the settings'
	@echo 'make bench [ARGS="--size full"]    all benchmarks, into docs/performance.md'
	@echo 'make soak                         the long tests (hours)'
	@echo 'make setup [ARGS=extra]           just the set-up; with the packages of an extra, as live'
	@echo 'make pins [ARGS=--upgrade]        requirements.txt and requirements/ anew from pyproject.toml'
	@echo 'make definitions                  the text of the definitions anew, after a change of the graph'
	@echo 'make clean                        remove .venv and caches; data/ stays'

demo test test-all test-services lint dev bench soak setup pins definitions:
	@$(RUN) $@ $(ARGS)

materialize:
	@test -n "$(FROM)" -a -n "$(TO)" || { echo 'Say which days: make materialize FROM=2022-06-25 TO=2022-06-27' >&2; exit 2; }
	@$(RUN) materialize --from "$(FROM)" --to "$(TO)" $(ARGS)

clean:
	@$(RUN) clean
