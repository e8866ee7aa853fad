# The same commands that the README and .ci/run use.
PYTHON ?= python3
PORT ?= 8501
# Whoever serves others chooses 0.0.0.0, and HEADLIGHT_MODELS with it: locally, any folder can be opened.
ADDRESS ?= localhost
VENV := .venv
BIN := $(VENV)/bin
# JavaScript is checked and never built: only development needs Node, the environment's where the machine has none.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(VENV)/node/node_modules/.bin:$$PATH"
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A file lists the folders of the fetched models and where they were looked for: asking Python takes seconds.
LIST := $(VENV)/fetched
PLACE := $$HEADLIGHT_HOME:$$XDG_CACHE_HOME:$$HOME
HAS_MODELS := test $(LIST) -nt models/checkpoints/fetched.py && { read -r place && test "$$place" = "$(PLACE)" && \
	while read -r folder; do test -d "$$folder" || exit 1; done; } < $(LIST)
FETCH_MODELS := { echo "$(PLACE)" && $(BIN)/python -m models.fetch; } > $(LIST).part && mv $(LIST).part $(LIST)
export TOKENIZERS_PARALLELISM := false
# Compiling the modules takes each test process seconds: keep what is compiled.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run models test check quick lint javascript bench browser wheel install clean

run: $(VENV)/.run-stamp  ## fetch the real models that are missing, and start the app on http://localhost:$(PORT)
	@($(HAS_MODELS)) || { $(FETCH_MODELS); } || echo "The app starts without the models that were not fetched."
	$(BIN)/streamlit run app.py --server.port $(PORT) --server.address $(ADDRESS) --server.headless true --browser.gatherUsageStats false

models: $(VENV)/.run-stamp  ## fetch the real models that are missing; they open offline afterwards
	@($(HAS_MODELS)) || { $(FETCH_MODELS); }

test: $(VENV)/.dev-stamp models javascript browser  ## everything: unit, numerics, figures, pages, and the real browser
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not e2e"
	$(BIN)/pytest -q -n 2 --dist worksteal -m e2e

check: $(VENV)/.dev-stamp $(VENV)/node/.stamp  ## format, lint, types and quick tests side by side, in under a minute
	@$(MAKE) --no-print-directory --jobs=3 --output-sync lint javascript quick

quick: $(VENV)/.dev-stamp  ## the quick tests
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not e2e and not slow"

lint: $(VENV)/.dev-stamp $(VENV)/node/.stamp  ## format, lint and types, of Python and JavaScript
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	@$(WITH_NODE) biome ci --colors=off --config-path=tests/js/biome.rules.json viz/browser tests/js
	@$(WITH_NODE) tsc --project tests/js

javascript: $(VENV)/node/.stamp  ## what JavaScript computes, without a browser
	@$(WITH_NODE) node --test --test-reporter=dot tests/js/*.test.js

bench: $(VENV)/peers/.stamp browser  ## side by side with others, in one run: docs/benchmarks.md (two hours; needs npm)
	$(BIN)/python -m benchmarks

$(VENV)/peers/.stamp: benchmarks/peers.txt benchmarks/bring_peers.sh $(VENV)/.dev-stamp
	@rm -rf $(VENV)/peers
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh benchmarks/bring_peers.sh $(VENV)/peers

wheel: $(VENV)/.dev-stamp  ## dist/headlight-*.whl: everything in one file
	$(PIP) wheel . --no-deps --no-build-isolation --wheel-dir dist

install: $(VENV)/.run-stamp  ## install into an empty environment, as others do, and use it with the network cut
	@PYTHON="$(CURDIR)/$(BIN)/python" sh tests/install/clean.sh

browser: $(VENV)/.dev-stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/e2e/bring_browser.sh

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headlight needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-stamp: requirements.txt | $(VENV)/bin/python
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.txt $(VENV)/.run-stamp
	$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/node/.stamp: tests/js/package.json tests/js/package-lock.json tests/js/bring_node.sh | $(VENV)/.dev-stamp
	@$(WITH_NODE) sh tests/js/bring_node.sh $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
