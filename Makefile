# SPDX-License-Identifier: GPL-3.0-or-later
# make demo | make test: everything they need is set up below build/.

PYTHON := $(shell sh tests/support/find-python)
VENV := build/venv
BIN := $(VENV)/bin
TREE := build/collections/ansible_collections/grid/security
SOURCES := $(shell git ls-files)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

.PHONY: help demo test test-fast lint types unit clean
help:
	@echo "make demo       run the main job below build/demo"
	@echo "make test       everything"
	@echo "make test-fast  lint, types, unit tests"
	@echo "make clean      remove build/"

demo: $(TREE)/MANIFEST.json
	PATH="$(CURDIR)/$(BIN):$$PATH" playbooks/demo/run build/demo

test: test-fast demo

test-fast: lint types unit

lint: $(TREE)/MANIFEST.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TREE)/MANIFEST.json
	cd build/collections && MYPYPATH=. $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml \
		-p ansible_collections.grid.security.plugins

unit: $(TREE)/MANIFEST.json
	PYTHONPATH=$(CURDIR)/build/collections $(BIN)/pytest -q -n auto -c pyproject.toml $(TREE)/tests/unit

$(VENV)/ready: tests/requirements.txt
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@

# The tests run against what a user installs: the tarball.
$(TREE)/MANIFEST.json: $(VENV)/ready $(SOURCES)
	$(BIN)/ansible-galaxy collection build --force --output-path build .
	$(BIN)/ansible-galaxy collection install --force --no-deps --collections-path build/collections \
		build/grid-security-*.tar.gz
	touch $@

clean:
	rm -rf build
