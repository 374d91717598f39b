# The project's commands. Each sets up what it needs, starts what it needs and stops what it started.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV := .venv
PY := $(VENV)/bin/python
LOCKED := infra/locked.py $(wildcard requirements/*)
# A file with pip's settings, in the place of the user's own. TORCH_INDEX names an index of torch's CPU builds.
ifdef PIP_CONF
export PIP_CONFIG_FILE := $(abspath $(PIP_CONF))
endif
# Each worker starts an object store and functions of its own.
WORKERS ?= 2
# What the demo's storefront serves.
WIDGET := widget/dist/element/recsys-carousel.js
export OPENBLAS_NUM_THREADS ?= 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DELETE_ON_ERROR:
.PHONY: help setup lock audit demo test test-widget slow lanes lane trust mutants lint lint-widget widget screenshots php images release-check bench sizing eval docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready ## the virtual environment with every pinned dependency

$(VENV)/.ready: pyproject.toml $(LOCKED) infra/torch_cpu.py
	python3 -m venv $(VENV)
	$(PY) infra/torch_cpu.py
	$(PY) infra/locked.py dev --package . --editable
	touch $(VENV)/.demo $@

# What the demo needs, and no more: no torch, no tools. `make setup` completes the same environment.
$(VENV)/.demo: pyproject.toml $(LOCKED)
	python3 -m venv $(VENV)
	$(PY) infra/locked.py demo --package . --editable
	touch $@

# Tools that one command needs have an environment of their own.
build/%/.ready: requirements/%.txt infra/locked.py
	python3 -m venv build/$*
	build/$*/bin/python infra/locked.py $*
	touch $@

lock: build/lock/.ready ## requirements/ anew from the pins in pyproject.toml; UPGRADE=1 takes the newest that they allow
	python3 -m infra.lock $(if $(UPGRADE),--upgrade)

demo: $(VENV)/.demo $(WIDGET) ## the whole job on this machine; ONCE=1 ends after the summary, PORTS="s3=9000 …" moves parts
	$(PY) -m infra.demo $(if $(ONCE),--once) $(PORTS:%=--port %)

# The carousel's tests mostly wait for the browser, and the set-up for the package index. Where somebody may be asked about
# packages of the system, that comes first: a question needs the terminal to itself.
test: $(if $(CI),,php) ## every fast test, on a real S3 server, real functions and a real browser
	@$(MAKE) --no-print-directory -j2 --output-sync=target setup test-widget
	$(PY) -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

chromium:
	@command -v chromium >/dev/null || infra/apt.sh chromium

slow: setup chromium postgres ## the tests that take minutes, of every lane
	$(PY) -m pytest -m slow

lanes: setup ## the lanes of the tests, their minutes, and which are due today
	$(PY) -m tests.lanes

lane: setup chromium postgres php ## the lanes that are due today; LANE=name,name these, LANE=all all of them
	$(PY) -m tests.lanes run $(LANE)

trust: setup chromium ## nothing from outside stops it: hostile input, damage, failing stores, kills at every step
	$(PY) -m tests.lanes run 'trust*'

mutants: setup ## faults planted into code that must not be wrong, and which no fast test finds; TARGET=name plants only there
	$(PY) -m tests.mutants $(TARGET)

postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || infra/apt.sh postgresql

audit: build/audit/.ready ## known vulnerabilities of all locked packages, or NOT AUDITED where nothing could be asked
	python3 -m infra.supply.audit

lint: setup lint-widget ## ruff, mypy strict, import-linter, tsc strict, eslint, schemas and a linter for workflows
	ruff check . && ruff format --check .
	mypy
	lint-imports
	$(PY) -m tests.stack.front_door

widget: $(WIDGET) ## the carousel as a script and as an npm package in widget/dist, within their size limits
	npm --prefix widget run --silent size

$(WIDGET): widget/node_modules/.ready $(wildcard widget/*.config.ts widget/tsconfig*.json) $(shell find widget/src -type f)
	npm --prefix widget run --silent build

test-widget: widget chromium php ## the carousel in Chromium, on a service that does what each test says
	npm --prefix widget run --silent test

lint-widget: widget/node_modules/.ready
	npm --prefix widget run --silent lint

# The template engines of the shop systems that the widget's README has snippets for.
php: | chromium # one apt at a time
	@dpkg -s php-cli php-twig smarty4 >/dev/null 2>&1 || infra/apt.sh php-cli php-twig smarty4

screenshots: setup widget chromium ## every state of the carousel into build/screenshots, README's pictures into docs/pictures
	npm --prefix widget run --silent screenshots
	$(PY) -m infra.demo.screenshots

widget/node_modules/.ready: widget/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not there: the carousel is built with node 20.19 or newer" >&2; exit 1; }
	npm --prefix widget ci --silent
	touch $@

images: setup image-tools ## the functions' images, the demo's job inside them, and build/images.json; ONLY=name one of them
	$(PY) -m infra.images $(if $(ONLY),--only $(ONLY) --no-demo) $(PORTS:%=--port %)

image-tools:
	@docker info >/dev/null 2>&1 || dpkg -s buildah mmdebstrap bubblewrap >/dev/null 2>&1 || \
		infra/apt.sh buildah mmdebstrap bubblewrap

release-check: setup widget ## wheel, sdist and npm package into build/release, looked into and run; TAG=v0.1.0 REPOSITORY=https://…
	$(PY) -m infra.release $(if $(TAG),--tag $(TAG)) $(if $(REPOSITORY),--repository $(REPOSITORY))

bench: setup ## one table of ratios and build/bench.json; ROW=name runs one row
	$(PY) -m tests.bench $(if $(ROW),--row $(ROW))

sizing: setup ## what a shop's size costs, in one table and build/sizing.json; SIZES=small,middle run only some
	$(PY) -m infra.sizing $(if $(SIZES),--sizes $(SIZES))

eval: setup ## accuracy on public data against published figures; DATA=name MODEL=name run one, SHOP=grocer|gift|sparse a shop
	$(PY) -m tests.eval $(if $(SHOP),--tables $(SHOP)) $(if $(DATA),--data $(DATA)) $(if $(MODEL),--model $(MODEL))

docs: setup ## the documentation as a site, into build/site
	$(PY) -m sphinx -q -E -W --keep-going -c docs -b html . build/site
	@echo "the first page is build/site/index.html"

clean: ## what the commands above made
	rm -rf build .local $(VENV) widget/dist widget/node_modules widget/tests/hosts/*/node_modules
