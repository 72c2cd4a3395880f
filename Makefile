# Two commands for everybody: `make demo` and `make test`. Each makes its own environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Processes that start often should not compile the same modules each time.
unexport PYTHONDONTWRITEBYTECODE
PIP = $(BIN)/pip install --quiet --disable-pip-version-check

REQUIRE_PYTHON = import sys; sys.version_info >= (3, 11) or sys.exit("django-dance needs Python \
3.11 or newer, but $(PYTHON) is " + sys.version.split()[0] + ". Name another: PYTHON=python3.13")

.PHONY: help demo test conformance interop coverage check docs soak bench wheel matrix lowest dist mutants messages clean

help: ## What there is to make.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/made/%: setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c '$(REQUIRE_PYTHON)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[$*]'
	@mkdir -p $(@D) && touch $@

demo: $(VENV)/made/example ## A site that is its own provider, at http://localhost:8000/; ADDRESS=9000 for another port.
	@$(BIN)/python -m example_project $(ADDRESS)

test: $(VENV)/made/test ## The tests, on SQLite, PostgreSQL and MariaDB.
	$(BIN)/python -m pytest --database all $(ARGS)

conformance: $(VENV)/made/test ## The conformance suite of MCP drives a site as a client.
	$(BIN)/python -m pytest -m conformance tests/conformance $(ARGS)

interop: $(VENV)/made/test $(VENV)/made/docs ## The tests with foreign packages and browsers, and the long ones.
	$(BIN)/python -m pytest --database all -m interop $(ARGS)

soak: $(VENV)/made/test ## Visits the example site while its workers, Redis and the database fail. Takes 30 minutes.
	$(BIN)/python scripts/soak $(ARGS)

coverage: $(VENV)/made/test $(VENV)/made/coverage ## The SQLite tests, and the lines that they do not run; fails below a share.
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(ARGS)

check: $(VENV)/made/test $(VENV)/made/check ## Style, types, migrations.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/pyright --pythonpath $(BIN)/python tests/typing
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run django_dance django_dance_server
	DJANGO_SETTINGS_MODULE=example_project.settings $(BIN)/python manage.py makemigrations --check --dry-run

docs: $(VENV)/made/docs ## The documentation, in docs/_build/html/.
	$(BIN)/sphinx-build --fail-on-warning --fresh-env --quiet -b html docs docs/_build/html

bench: $(VENV)/made/test $(VENV)/made/bench ## Side by side with what a user would pick instead.
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.million
	$(BIN)/python -m benchmarks.capacity

wheel: $(VENV)/made/test $(VENV)/made/check ## Tests the wheel, installed, away from the source.
	VENV=$(VENV) scripts/test-wheel $(ARGS)

matrix: $(VENV)/made/test ## Tests every supported pair of Python and Django that is at hand.
	scripts/test-matrix $(ARGS)

lowest: ## Runs the SQLite tests with the lowest dependencies that setup.cfg allows.
	scripts/test-lowest $(ARGS)

dist: $(VENV)/made/check ## Builds what is published, in dist/.
	rm -rf dist
	$(BIN)/python -m build --outdir dist . >/dev/null
	$(BIN)/python -m twine check --strict dist/*

mutants: $(VENV)/made/test $(VENV)/made/mutants ## Changes MODULE in many ways; lists what its tests do not notice.
	nice $(BIN)/python scripts/mutants $(MODULE) $(ARGS)

messages: $(VENV)/made/test ## Extracts the texts for translators, and compiles the translations.
	$(BIN)/python scripts/messages $(ARGS)

clean: ## Removes what was made.
	rm -rf $(VENV) build dist docs/_build docs/catalogue *.egg-info
