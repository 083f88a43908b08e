# make demo, make run, make test and make check each work by themselves from a fresh clone.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SERVED = $(VENV)/.served
INSTALLED = $(VENV)/.installed

.PHONY: demo run test check format clean

demo: $(SERVED)
	$(BIN)/python examples/demo.py

run: $(SERVED)
	FLASK_FD_WHATSAPP_LEDGER_URL=sqlite:///ledger.db $(BIN)/python -m gunicorn \
		--chdir examples/quickstart --workers 2 --threads 8 --bind 127.0.0.1:8000 app:app

test: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The package with its ledger on SQLite, and a server: all that the example needs.
$(SERVED): pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[sql]" gunicorn
	touch $@

$(INSTALLED): pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(SERVED)
