# Each target makes its own virtual environment and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what is imported; all files of TensorFlow would take half a minute.
PIP := -qq --progress-bar off --disable-pip-version-check --no-compile
export PYTHONDONTWRITEBYTECODE :=

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope

.PHONY: demo test test-fast test-slow test-exhaustive lint docs clean

demo: $(VENV)/installed
	$(BIN)/keras-transfer demo

test: $(VENV)/test-installed
	$(PYTEST)

# The packages whose tests are quick; another one: make test-fast FAST=tests/data
FAST ?= tests/_statistics tests/auditing tests/calibration tests/callbacks tests/freezing \
    tests/heads tests/models tests/optimizers tests/plans tests/test__files.py \
    tests/test_contract.py
test-fast: $(VENV)/test-installed
	$(PYTEST) $(FAST)

# Several workers, kills, and the browser: one of each kind. Each test is long and alone. In one
# session with the others the two processes would need 20 GiB.
test-slow: $(VENV)/test-installed
	$(PYTEST) --dist worksteal -m slow

# Before a release: all networks, all kills, real training. Half an hour, and 13 GiB of memory for
# ConvNeXtXLarge.
test-exhaustive: $(VENV)/test-installed
	$(BIN)/python -m pytest -m exhaustive

lint: $(VENV)/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/test-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/site

# Stamps: it is installed anew when the metadata change.
$(VENV)/installed: setup.cfg setup.py pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP) --editable .
	touch $@

$(VENV)/test-installed: setup.cfg setup.py pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP) --editable ".[test,docs]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache
