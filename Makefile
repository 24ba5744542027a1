# Interlock. `make demo`, `make up`, `make test` set themselves up: Python 3.11, make and a package index are enough.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup lint test reliability demo up down clean bench docs lock
.DEFAULT_GOAL := help

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## Install the locked dependencies into .venv

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	awk '/^(setuptools|wheel)==/{on=1} on{print} on&&!/\\$$/{on=0}' requirements.lock > .venv/build.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r .venv/build.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	touch $@

lint: $(READY)  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Most tests wait for servers of their own, so two processes share them by file; those that drive a browser, kill, overload or replay the
# demo run alone.
ALONE := tests/dashboard tests/reliability tests/end_to_end

test: lint  ## Lint, types, contracts and every test
	$(BIN)/pytest -n 2 --dist loadfile $(ALONE:%=--ignore=%)
	$(BIN)/pytest tests/dashboard
	$(BIN)/pytest tests/reliability tests/end_to_end

reliability: $(READY)  ## Kills, power cuts, races, hostile input, overload, faults in full; writes docs/reliability.md (about an hour)
	INTERLOCK_RELIABILITY=full $(BIN)/pytest tests/reliability --timeout 3600
	INTERLOCK_KILLS=25 $(BIN)/pytest tests/control/test_scoring_kills.py tests/records/test_ingest_kills.py --timeout 3600
	$(BIN)/python -m tests.reliability.page

demo: $(READY)  ## Half a year of real flights through the real loop (about 5 minutes)
	$(BIN)/python -m demo

up: $(READY)  ## Start everything; with the demo's state where there is one
	$(BIN)/interlock up

down: $(READY)  ## Stop everything; the state stays
	$(BIN)/interlock down

clean: $(READY)  ## Stop everything and delete all state
	$(BIN)/interlock clean --yes

bench: $(READY)  ## Figures beside a peer: make bench ONLY=P6
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

docs: $(READY)  ## Write the generated pages
	$(BIN)/python -m interlock.cli.documents

lock: $(READY)  ## Resolve the dependencies anew, with hashes (uses uv)
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --extra aws --extra demo --group test --group build --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --no-annotate -q -o requirements.lock
