# Each of make demo, run, docs, test, test-all, check, bench and soak works by itself from a fresh clone.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BENCH = $(VENV)-bench
# Side by side, each with databases, queues and ports of its own; much of their time is waiting.
WORKERS ?= 4
TESTS = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
SERVED = $(VENV)/.served
INSTALLED = $(VENV)/.installed
SITE ?= build/site

.PHONY: demo run docs test test-all check bench soak format clean

demo: $(SERVED)
	$(BIN)/python -u -m examples.demo

run: $(SERVED)
	$(BIN)/python -m gunicorn --threads 8 --timeout 300 --bind 127.0.0.1:8000 examples.pages.serve:app

# The documentation as a site. Warnings are errors.
docs: $(VENV)-docs/.installed
	$(VENV)-docs/bin/sphinx-build -n -W -q -E -d $(SITE)/.doctrees docs $(SITE)
	@echo "$(SITE)/index.html"

# Else each worker and each process that a test starts compiles everything again.
test test-all: export PYTHONDONTWRITEBYTECODE =

# All but the tests that are marked slow.
test: $(INSTALLED)
	$(TESTS) -m "not slow" $(ARGS)

# Those too that kill processes for minutes. `make test-all ARGS=--cov` measures coverage.
test-all: $(INSTALLED)
	$(TESTS) $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# Takes about twenty-five minutes, and wants a machine that does nothing else.
bench: $(BENCH)/.installed
	$(BENCH)/bin/python -m benchmarks

# Takes up to half an hour, and wants PostgreSQL and RabbitMQ.
soak: $(INSTALLED)
	$(BIN)/python -m benchmarks.soak

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(VENV)-docs $(BENCH) build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The package with its ledger on SQLite, a server, and what the examples need.
$(SERVED): Makefile pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[simulator,sql]" \
		flask-login flask-sqlalchemy gunicorn
	touch $@

$(INSTALLED): pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(SERVED)

$(VENV)-docs/.installed: pyproject.toml setup.cfg
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet --editable ".[docs]"
	touch $@

# Apart from the others: with the packages that this one is compared with.
$(BENCH)/.installed: pyproject.toml setup.cfg benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --editable ".[all]" --requirement benchmarks/requirements.txt
	touch $@
