# Every target does its own set-up: a virtual environment in .venv and an embedded PostgreSQL under .data.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# The fastest there is, unless one is named.
PYTHON ?= $(shell python3 requirements/fastest_python.py)
SIZE ?= 2000
SEED ?= 1
DAY ?= 1
BIN := .venv/bin
READY := .venv/.ready
# Every Airflow task is a process of its own: without cached bytecode each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test pytest check format external bench bench-identity lock clean reset

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment from the locked dependencies

$(READY): requirements/lock.txt requirements/bootstrap.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make clean, then make PYTHON=/path/to/python3.11 …")'
	@echo "installing the locked dependencies into .venv …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/lock.txt \
	  || $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . \
	  || $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Run the whole exchange: partner systems, Airflow, repository; print what came of it
	@$(BIN)/exchange demo --size $(SIZE) --seed $(SEED) --day $(DAY)

serve: $(READY) ## Serve the FHIR API and the console on the data that is there
	@$(BIN)/exchange console serve & pages=$$!; trap "kill $$pages" EXIT; $(BIN)/exchange serve

# One process checks types while the tests run: side by side, neither waits for the other's core.
test: $(READY) ## Check the code and run the tests (what CI runs)
	@$(MAKE) --no-print-directory -j2 check pytest

# Found first by one process: the others read what it compiled, where each would compile all of it for itself.
pytest: $(READY)
	@$(BIN)/pytest -n 0 --collect-only -qq > /dev/null || true
	@$(BIN)/pytest -n 3 --dist loadscope -q

check: $(READY) ## Formatting, lint, types, import rules
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/mypy -p exchange && $(BIN)/lint-imports --no-cache

format: $(READY) ## Format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

external: $(READY) ## Tests on other people's data and against other people's validators, and those that take minutes
	@$(BIN)/pytest -q -m 'external or slow'

bench: $(READY) ## Measure; prints ratios against a named baseline
	@for bench in benchmarks/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

RESOLVE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## Resolve the dependencies again
	@$(BIN)/$(RESOLVE) --extra airflow --extra train --extra demo --extra console --extra dev \
	  -o requirements/lock.txt pyproject.toml requirements/build.in
	@$(BIN)/$(RESOLVE) --extra airflow --extra celery --extra console -o requirements/production.txt pyproject.toml requirements/build.in
	@$(BIN)/$(RESOLVE) --extra console -o requirements/server.txt pyproject.toml requirements/build.in
	@$(BIN)/$(RESOLVE) -o requirements/bootstrap.txt requirements/bootstrap.in

bench-identity: $(READY) ## Tell people apart: precision, recall, review and speed beside Splink and rules
	@$(BIN)/python benchmarks/identity.py --size $(SIZE)

reset: ## Stop the embedded PostgreSQL and delete all state
	@if [ -x $(BIN)/exchange ]; then $(BIN)/exchange database stop || true; fi; rm -rf "$${EXCHANGE_DATA:-.data}"

clean: reset ## Delete the virtual environment too
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
