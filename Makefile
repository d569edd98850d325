# One verb per habit. `make run` and `make test` set up everything they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help install run supervise exchange simulate test test-long check format bench lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Bulwark needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 run"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/python requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

install: $(VENV)/.runtime ## set up .venv, or renew it after an upgrade

run: $(VENV)/.runtime ## run the bot (on the embedded paper exchange unless .env says otherwise)
	$(BIN)/python run.py

supervise: $(VENV)/.runtime ## run all under supervisord, in the foreground, silently (docs/operating.md)
	@mkdir -p data logs
	@echo "Nothing more is said here. To look: $(BIN)/python run.py logs -f   Ctrl-C stops all in order."
	$(BIN)/supervisord -n -c supervisor.conf

exchange: $(VENV)/.runtime ## run the paper exchange alone
	$(BIN)/python run.py exchange

simulate: $(VENV)/.runtime ## a long soak on virtual time: every fault, 200 seeds of six hours each
	$(BIN)/python run.py simulate --seeds 200 --hours 6

test: $(VENV)/.dev ## all tests, with branch coverage
	$(BIN)/python -m pytest -n 4 --dist loadfile --cov --cov-report=term --cov-fail-under=90

test-long: $(VENV)/.dev ## the long forms: hundreds of kill -9, the recorded file at 10x and 50x
	$(BIN)/python -m pytest -m slow -v -s -o faulthandler_timeout=0

check: $(VENV)/.dev ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## ratios against peers and floors, side by side
	$(BIN)/python -m benchmarks

lock: $(VENV)/.dev ## renew the locked requirements (needs uv)
	uv pip compile setup.cfg --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links -o requirements.txt
	uv pip compile setup.cfg --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links -c requirements.txt -o requirements-dev.txt

clean: ## remove the virtual environment and caches, never data or logs
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build *.egg-info
