# SPDX-License-Identifier: GPL-3.0-or-later
# make demo | make test: everything they need is set up below build/.

PYTHON := $(shell sh tests/support/find-python)
VENV := build/venv
BIN := $(VENV)/bin
TREE := build/collections/ansible_collections/grid/security
SOURCES := $(shell git ls-files)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

# Named apart from the roles: ansible-test would run the role itself in place of a target of the same name.
INTEGRATION := pkcs12_pem file_set role_user_credentials role_trust_anchors
ANSIBLE_TEST := PATH="$(CURDIR)/$(BIN):$$PATH" tests/support/ansible-test $(TREE)

# Real nodes (molecule/), which need root's rights or sudo without a password.
CLUSTER := cd tests/support && $(CURDIR)/$(BIN)/python -m cluster
PRIVILEGED := tests/support/privileged
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
DO := list
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/build/molecule
export MOLECULE_COMMAND_BORDERS := false

.PHONY: help demo test test-fast lint types unit functional sanity integration matrix matrix-corners clean
.PHONY: molecule molecule-run scenario scenario-run cluster cluster-create cluster-destroy cluster-packages
help:
	@echo "make demo            run the main job below build/demo"
	@echo "make test            everything that CI runs"
	@echo "make test-fast       lint, types, unit tests"
	@echo "make matrix          units and the main integration target over versions of ansible-core, cryptography, Python"
	@echo "make matrix-corners  the oldest and the newest of them"
	@echo "make molecule        all scenarios on real Debian nodes, from their creation to their destruction"
	@echo "make cluster         create the nodes, or those that are missing; make cluster-destroy"
	@echo "make scenario DO='converge --scenario-name default'   any command of molecule on nodes that stay"
	@echo "make clean           remove build/"

demo: $(TREE)/MANIFEST.json
	PATH="$(CURDIR)/$(BIN):$$PATH" playbooks/demo/run build/demo

test: test-fast sanity functional integration matrix-corners demo molecule

test-fast: lint types unit

lint: $(TREE)/MANIFEST.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	$(BIN)/shellcheck .ci/run playbooks/demo/run tests/support/ansible-test tests/support/find-python \
		tests/support/machine tests/support/privileged tests/support/cluster/boot tests/support/cluster/customize \
		tests/integration/targets/setup_credentials/files/authority
	$(BIN)/antsibull-changelog lint
	cd $(TREE) && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline --nocolor --config-file $(CURDIR)/.ansible-lint
	PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline --nocolor molecule .config

types: $(TREE)/MANIFEST.json
	cd build/collections && MYPYPATH=. $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml \
		-p ansible_collections.grid.security.plugins
	cd tests/support && MYPYPATH=. $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml -p cluster
	$(BIN)/mypy molecule tests/cluster

unit: $(TREE)/MANIFEST.json
	PYTHONPATH=$(CURDIR)/build/collections $(BIN)/pytest -q -n auto -c pyproject.toml $(TREE)/tests/unit

# Whole runs of ansible-playbook: how often modules are executed, what is left where.
functional: $(TREE)/MANIFEST.json
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

molecule: $(TREE)/MANIFEST.json
	$(PRIVILEGED) "the scenarios on real nodes" $(MAKE) molecule-run

scenario: $(TREE)/MANIFEST.json
	$(PRIVILEGED) "the scenario on real nodes" $(MAKE) scenario-run

cluster: $(VENV)/ready
	$(PRIVILEGED) "the nodes" $(MAKE) cluster-create

molecule-run: cluster-packages cluster-destroy
	$(SUDO) $(BIN)/python -B -m pytest -q tests/cluster
	PATH="$(CURDIR)/$(BIN):$$PATH" molecule test --all

scenario-run: cluster-create
	PATH="$(CURDIR)/$(BIN):$$PATH" molecule $(DO)

cluster-create: cluster-packages
	$(CLUSTER) create

cluster-destroy: $(VENV)/ready
	$(CLUSTER) destroy
	rm -rf build/molecule

cluster-packages:
	tests/support/machine systemd-container mmdebstrap iproute2 openssh-client debian-archive-keyring

$(VENV)/ready: tests/requirements.txt
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@

# The tests run against what a user installs: the tarball.
$(TREE)/MANIFEST.json: $(VENV)/ready $(SOURCES)
	rm -rf build/collections build/grid-security-*.tar.gz
	$(BIN)/ansible-galaxy collection build --force --output-path build .
	$(BIN)/ansible-galaxy collection install --force --no-deps --collections-path build/collections \
		build/grid-security-*.tar.gz
	touch $@

clean:
	! test -e build/cluster || $(MAKE) cluster-destroy
	! test -e build/images || $(SUDO) rm -rf build/images
	rm -rf build
