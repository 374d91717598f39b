# The project's commands. Each sets up what it needs, starts what it needs and stops what it started.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV := .venv
PY := $(VENV)/bin/python
export OPENBLAS_NUM_THREADS ?= 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup demo test slow lint bench eval clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## the virtual environment with every pinned dependency

$(VENV)/.ready: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup ## the whole job on this machine; ONCE=1 stops after the summary
	$(PY) -m infra.demo $(if $(ONCE),--once)

test: setup chromium ## every fast test, on a real S3 server, real functions and a real browser
	$(PY) -m pytest -m "not slow"

chromium:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

slow: setup chromium postgres ## the tests that take minutes
	$(PY) -m pytest -m slow

postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; }

lint: setup ## ruff, mypy strict, import-linter
	ruff check . && ruff format --check .
	mypy
	for f in functions/*/main.py; do mypy "$$f"; done
	lint-imports

bench: setup ## one table of ratios and build/bench.json; ROW=name runs one row
	$(PY) -m tests.bench $(if $(ROW),--row $(ROW))

eval: setup ## accuracy on public data against published figures; DATA=name MODEL=name run one
	$(PY) -m tests.eval $(if $(DATA),--data $(DATA)) $(if $(MODEL),--model $(MODEL))

clean: ## what the commands above made
	rm -rf build .local $(VENV)
