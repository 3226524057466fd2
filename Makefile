# SPDX-License-Identifier: GPL-3.0-or-later
# make demo | make test: everything they need is set up below build/.

PYTHON := $(shell sh tests/support/find-python)
VENV := build/venv
BIN := $(VENV)/bin
TREE := build/collections/ansible_collections/grid/security
SOURCES := $(shell git ls-files)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

# Named apart from the roles: ansible-test would run the role itself in place of a target of the same name.
INTEGRATION := pkcs12_pem file_set role_user_credentials role_host_credential role_grid_mapfile role_trust_anchors role_voms_client
ANSIBLE_TEST := PATH="$(CURDIR)/$(BIN):$$PATH" tests/support/ansible-test $(TREE)

.PHONY: help demo test test-fast lint types unit fuzz-corpus fuzz functional sanity integration matrix matrix-corners bench machine clean
help:
	@echo "make demo            run the main job below build/demo"
	@echo "make test            everything that CI runs"
	@echo "make test-fast       lint, types, unit tests"
	@echo "make matrix          units and the main integration target over versions of ansible-core, cryptography, Python"
	@echo "make matrix-corners  the oldest and the newest of them"
	@echo "make fuzz-corpus     what fuzzing found once, what is met every day, and some fresh mutations"
	@echo "make fuzz            each reader for FUZZ_SECONDS (600), guided by coverage; keeps what it finds in build/fuzz"
	@echo "make bench           what users would pick instead, measured side by side; writes bench/results"
	@echo "make clean           remove build/"

demo: $(TREE)/MANIFEST.json
	PATH="$(CURDIR)/$(BIN):$$PATH" playbooks/demo/run build/demo

test: test-fast fuzz-corpus sanity functional integration matrix-corners demo

test-fast: lint types unit

lint: $(TREE)/MANIFEST.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	$(BIN)/shellcheck .ci/run playbooks/demo/run tests/support/ansible-test tests/support/find-python \
		tests/support/machine \
		tests/integration/targets/setup_credentials/files/authority
	$(BIN)/antsibull-changelog lint
	cd $(TREE) && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline --nocolor --config-file $(CURDIR)/.ansible-lint

types: $(TREE)/MANIFEST.json
	cd build/collections && MYPYPATH=. $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml \
		-p ansible_collections.grid.security.plugins

unit: $(TREE)/MANIFEST.json
	PYTHONPATH=$(CURDIR)/build/collections $(BIN)/pytest -q -n auto -c pyproject.toml $(TREE)/tests/unit

fuzz-corpus: $(TREE)/MANIFEST.json
	PYTHONPATH=$(CURDIR)/build/collections $(BIN)/pytest -q -n auto -c pyproject.toml $(TREE)/tests/fuzz

FUZZ_SECONDS := 600
fuzz: $(TREE)/MANIFEST.json build/fuzz-venv/ready
	PYTHONPATH=$(CURDIR)/build/collections build/fuzz-venv/bin/python -W ignore \
		-m ansible_collections.grid.security.tests.fuzz.long build/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Whole runs of ansible-playbook: how often modules are executed, what is left where.
functional: machine $(TREE)/MANIFEST.json
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=$(CURDIR)/build/collections \
		$(BIN)/pytest -q -ra -n auto --dist loadfile -c pyproject.toml $(TREE)/tests/functional

sanity: $(TREE)/MANIFEST.json
	$(ANSIBLE_TEST) sanity --venv --color no

integration: $(TREE)/MANIFEST.json
	$(ANSIBLE_TEST) integration --color no --allow-root --allow-destructive $(INTEGRATION)

matrix: $(TREE)/MANIFEST.json
	$(BIN)/nox --noxfile tests/noxfile.py

matrix-corners: $(TREE)/MANIFEST.json
	$(BIN)/nox --noxfile tests/noxfile.py --tags corners

machine:
	tests/support/machine gpg:gnupg keytool:default-jre-headless openssl:openssl

bench: $(TREE)/MANIFEST.json build/bench-venv/ready
	tests/support/machine rsync:rsync sshd:openssh-server
	PATH="$(CURDIR)/build/bench-venv/bin:$$PATH" PYTHONPATH=$(CURDIR)/build/collections python bench/trust.py build/bench 5

$(VENV)/ready: tests/requirements.txt
build/bench-venv/ready: bench/requirements.txt
build/fuzz-venv/ready: tests/fuzz/requirements.txt
$(VENV)/ready build/bench-venv/ready build/fuzz-venv/ready:
	"$(PYTHON)" -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	touch $@

# The tests run against what a user installs: the tarball.
$(TREE)/MANIFEST.json: $(VENV)/ready $(SOURCES)
	rm -rf build/collections build/grid-security-*.tar.gz
	$(BIN)/ansible-galaxy collection build --force --output-path build .
	$(BIN)/ansible-galaxy collection install --force --no-deps --collections-path build/collections \
		build/grid-security-*.tar.gz
	touch $@

clean:
	rm -rf build
