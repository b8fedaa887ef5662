# The doors to everything. Nothing needs to be set up by hand: every target makes what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip -qq --disable-pip-version-check --no-input
OTHER_PYTHONS := 3.10 3.13
SOURCES := wsgiapm hatch_build.py examples deploy tests

REPORT := wsgiapm/report/static/index.html
UI_SOURCES := $(shell find ui -type f -not -path 'ui/node_modules/*' 2>/dev/null)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- setting up ------------------------------------------------------------------------------------------------------

# One stamp for what running needs, one more for what testing needs: pip is asked only when pyproject.toml has changed.
$(VENV)/.installed: pyproject.toml hatch_build.py
	.ci/venv $(VENV)
	$(PIP) install -e '.[server,gunicorn]' --group demo
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(PIP) install -e '.[server,gunicorn]' --group lint --group test
	$(PIP) install --group uwsgi || echo 'no uwsgi (it is built with a C compiler): its tests are skipped'
	$(PIP) install --group mysqlclient || echo 'no mysqlclient (it is built with a C compiler): its tests are skipped'
	@touch $@

# Installing is what builds the report's pages (hatch_build.py).
$(REPORT): $(UI_SOURCES) | $(VENV)/.installed
	$(PIP) install --no-deps -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed-tests $(REPORT) ## Make .venv with everything that running and testing need

.PHONY: packages
packages: ## Install the Debian packages that tests use, or name them
	@.ci/packages tests/apt-packages.txt || echo 'tests that need them are skipped'

.PHONY: ui
ui: $(REPORT) ## Build the report's pages

# -- checking --------------------------------------------------------------------------------------------------------

.PHONY: lint
lint: setup ## Style, types and who may import whom
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

.PHONY: test
test: packages setup lint ## All that guards a change: lint, the unit tests on $(OTHER_PYTHONS), everything on the default Python
	.ci/test-unit $(PYTHON) $(OTHER_PYTHONS)
	$(PYTHON) -m pytest -m 'not long' -n auto --dist loadfile

.PHONY: test-libraries
test-libraries: packages setup ## The tests libraries bring with them, with and without our instruments: the same results
	$(PYTHON) -m tests.libraries

.PHONY: test-long
test-long: test-servers test-libraries ## The tests that take long: every server, stress, whole demos
	$(PYTHON) -m pytest -m long --ignore=tests/servers

.PHONY: test-servers
test-servers: packages setup ## The matrix of servers and restarts; writes its results into docs/servers.md
	.ci/servers
	SERVER_RESULTS=tests/servers/results.json $(PYTHON) -m pytest tests/servers --deselect tests/servers/test_matrix.py
	$(PYTHON) -m tests.servers.matrix
	$(PYTHON) -m pytest tests/servers -k test_matrix

# -- measuring -------------------------------------------------------------------------------------------------------

BENCHMARKS := request throughput merge footprint pause growth sql

.PHONY: bench bench-profile bench-instructions $(BENCHMARKS:%=bench-%)
bench: $(BENCHMARKS:%=bench-%) ## All benchmarks, in about 20 minutes; bench-request, -throughput, -merge, -footprint, -pause, -growth, -sql alone; QUICK=1 tries them out

$(BENCHMARKS:%=bench-%): bench-%: $(VENV)/.installed-tests
	$(PYTHON) -m benchmarks.$* $(if $(QUICK),--quick)

bench-profile: $(VENV)/.installed-tests ## Where the time of the request path goes, line by line
	$(PYTHON) -m benchmarks.request_profile

bench-instructions: $(VENV)/.installed-tests ## How many instructions a request takes; ACCEPT=1 keeps the figure for the tests
	$(PYTHON) -m benchmarks.instructions $(if $(ACCEPT),--accept)

.PHONY: stress
stress: setup ## Kill, stop and fork real processes for some minutes, STRESS times as often as `make test`
	STRESS=$(or $(STRESS),20) $(PYTHON) -m pytest tests/stress

# -- seeing it work --------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed $(REPORT) ## The example shop under traffic, and its report; SECONDS=n ends by itself, WORKER_CLASS=gevent|sync|gthread
	@$(PYTHON) examples/demo.py $(if $(SECONDS),--seconds $(SECONDS)) $(if $(WORKER_CLASS),--worker-class $(WORKER_CLASS))

.PHONY: clean
clean: ## Remove everything that was made
	rm -rf .venv .venv-* build dist wsgiapm/report/static ui/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
