# Every target works on a fresh machine with git, make and Python 3.11 or newer, and is safe to repeat.
# `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup engines engines-all up down status migrate demo test check format bench prove conformance \
        test-engines test-engines-down

# The oldest Python that will do, among those on the PATH.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is not on the PATH. Install it (Debian: apt-get install python3 python3-venv), then run the same command again)
endif

PY := .venv/bin/python
BOOTSTRAP := $(PYTHON) -m docker.local.bootstrap
LOCAL := $(PY) -m docker.local

help: ## list what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Python dependencies of uv.lock into .venv
	@$(BOOTSTRAP) setup

engines: ## PostgreSQL, Kafka, OPA, Mosquitto: install, fetch and build what is missing
	@$(BOOTSTRAP) engines

engines-all: ## the same, and what tests need: Chromium, MariaDB
	@$(BOOTSTRAP) engines --browser

demo: ## the whole platform on the sample city: start it, show it at work, leave it up
	@$(BOOTSTRAP) setup engines
	@$(LOCAL) demo-up
	@$(PY) -m docker.local.demo

up: ## start the stack (DATAPOLIS_ACCESS=open make up: without policies, on an empty store)
	@$(BOOTSTRAP) setup engines
	@$(LOCAL) up

down: ## stop the stack and leave no process behind
	@if [ -x $(PY) ]; then $(LOCAL) down; else echo "nothing runs"; fi

status: ## what runs
	@$(BOOTSTRAP) setup
	@$(LOCAL) status

migrate: ## bring the running stack's database to this version's schema
	@$(LOCAL) migrate

test: ## every test, against real engines on ports of their own
	@$(BOOTSTRAP) setup engines --browser
	@$(if $(ARGS),$(PY) -m pytest $(ARGS),$(PY) -m tests.suite)

check: ## format, lint, types, import rules, Rego, licences, configuration
	@$(BOOTSTRAP) setup engines
	@$(PY) -m docker.local.check

format: ## put the code into its format
	@$(BOOTSTRAP) setup
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

conformance: ## the public NGSI-LD test suite, open and governed: make conformance SUITE=CHECKOUT_OF_IT
	@test -n "$(SUITE)" || { echo "name a checkout of github.com/marek-mraz/ngsi-ld-test-suite: make conformance SUITE=PATH"; exit 2; }
	@$(BOOTSTRAP) setup engines
	@$(PY) -m tests.conformance.robot "$(SUITE)" $(ARGS)

bench: ## the benchmarks, as ratios taken in one run
	@$(BOOTSTRAP) setup engines --load
	@$(PY) -m tests.bench $(ARGS)

prove: ## the long proofs, resumable
	@$(BOOTSTRAP) setup engines --browser
	@DATAPOLIS_PROVE=1 $(PY) -m pytest -s tests/faults tests/oracle tests/fuzz tests/catalog/test_scale.py tests/catalog/test_large.py tests/broker/store/test_indexes.py $(ARGS)

test-engines: ## start the engines that tests share, and leave them up
	@$(BOOTSTRAP) setup engines
	@$(LOCAL) test-engines

test-engines-down: ## stop them
	@$(LOCAL) test-engines-down
