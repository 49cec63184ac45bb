# Drumbeat's commands. Nothing is needed but Python 3.11 or newer and make.

PYTHON ?= python3
PREFIX ?= /opt/drumbeat
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

NEW_ENOUGH := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Drumbeat needs Python 3.11 or newer; name it: make setup PYTHON=python3.12" >&2; exit 1; }

# The tests start hundreds of processes: each would compile the product again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup install browser demo quick test test-pages test-all check bench bench-peers soak reference docs screenshots

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Build .venv; the command is then .venv/bin/drumbeat
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "Ready. Next:"; \
		echo '  export PATH="$(CURDIR)/$(BIN):$$PATH"'; echo "  drumbeat demo", :)

$(STAMP): requirements.lock pyproject.toml
	@$(NEW_ENOUGH)
	@echo "Building $(VENV): the packages of requirements.lock, a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python deploy/install.py --require-hashes -r requirements.lock
	@$(BIN)/python deploy/install.py --no-deps --no-build-isolation -e .
	@touch $(STAMP)

install:  ## Install for production into PREFIX, without test tools; default /opt/drumbeat
	@$(NEW_ENOUGH)
	@echo "Installing into $(PREFIX): the packages of requirements-production.lock, a minute or two."
	@test -x $(PREFIX)/bin/python || $(PYTHON) -m venv $(PREFIX)
	@$(PREFIX)/bin/python deploy/install.py --require-hashes -r requirements-production.lock
	@$(PREFIX)/bin/python deploy/install.py --no-deps --no-build-isolation --force-reinstall .
	@$(PREFIX)/bin/drumbeat --version
	@echo "Ready: $(PREFIX)/bin/drumbeat. As a service: docs/how-to/run-as-a-service.md"

browser:  ## Install Chromium, which the tests of the pages need (Debian, Ubuntu)
	@command -v chromium >/dev/null || { SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium; }
	@chromium --version

demo: setup  ## Send a sample campaign of 1,000 to an emulated provider and report on it
	$(BIN)/drumbeat demo

TIMED  := $(BIN)/python -m pytest -n 2 --dist worksteal tests/acceptance
ONCE   := not soak and not alone and not twin and not large and not browser

# These start processes: they are in `make test` alone.
PROCESSES := $(addprefix --ignore tests/campaigns/intake/test_,reading_process.py workbooks.py)

quick: setup  ## Rules, campaign files, lists, provider cases: no PostgreSQL, in seconds
	$(BIN)/python -m pytest -m "$(ONCE)" -n 2 --dist worksteal --hypothesis-profile quick \
		tests/campaigns tests/terminal tests/providers/cases tests/providers/test_contract.py $(PROCESSES)

test: setup  ## Run the tests without a browser; what is not about the database on SQLite alone
	$(TIMED) -m "alone and not twin and not large"
	$(BIN)/python -m pytest -m "$(ONCE)" --ignore tests/browser -n 6 --dist worksteal

test-pages: setup  ## Test the pages in Chromium
	$(BIN)/python -m pytest -m browser -n 2 --dist worksteal tests/browser

test-all: setup  ## Run the tests, the pages' too, each on both databases, with more random examples
	$(TIMED) -m alone
	$(BIN)/python -m pytest -m "not soak and not alone" -n 4 --dist worksteal --hypothesis-profile all

check: setup  ## Lint, types, layer contracts, the documentation as a site, and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test-all

bench: setup  ## Measure against bare limits, in ratios
	$(BIN)/python -m benchmarks

bench-peers: setup  ## Measure beside what one would build instead (needs redis-server, nodejs and npm)
	@command -v redis-server >/dev/null && command -v npm >/dev/null || \
		{ echo "Install redis-server, nodejs and npm, for example with apt-get." >&2; exit 1; }
	test -x benchmarks/peers/.venv/bin/python || $(PYTHON) -m venv benchmarks/peers/.venv
	benchmarks/peers/.venv/bin/pip install -q -r benchmarks/peers/requirements.txt
	npm install --prefix benchmarks/peers/programs --no-audit --no-fund --no-package-lock
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.peers.receiving

soak: setup  ## The long tests: kill and restart, again and again; and far more examples of every rule
	$(BIN)/python -m pytest -m soak --timeout 3600 -s
	$(BIN)/python -m pytest -m "hypothesis and not soak" --hypothesis-profile soak --timeout 3600 -n 2

reference: setup  ## Write the reference pages that are made from the code again
	$(BIN)/python docs/generate.py

docs: setup  ## Build the documentation as a site of files in site/; without network, warnings are errors
	$(BIN)/python docs/build_site.py site

screenshots: setup  ## Take the pictures of the documentation again, in Chromium, from the emulators
	$(BIN)/python -m tests.browser.screenshots docs/images
