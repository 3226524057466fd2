# SPDX-License-Identifier: GPL-3.0-or-later
# make demo | make test: everything they need is set up below build/.

PYTHON := $(shell sh tests/support/find-python)
VENV := build/venv
TREE := build/collections/ansible_collections/grid/security
SOURCES := $(shell git ls-files)
SCRIPTS := $(shell git grep --files-with-matches -E '^\#!/(bin/sh|usr/bin/env bash)')
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

# Named apart from the roles: ansible-test would run the role itself in place of a target of the same name.
INTEGRATION := pkcs12_pem file_set role_user_credentials role_host_credential role_grid_mapfile role_trust_anchors \
	role_crl_updates role_voms_client
ANSIBLE_TEST := tests/support/ansible-test $(TREE)
PYTEST := PYTHONPATH=$(CURDIR)/build/collections pytest -q -ra -c pyproject.toml

# Real nodes (molecule/), which need root's rights or sudo without a password.
CLUSTER := cd tests/support && python -m cluster
PRIVILEGED := tests/support/privileged
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
DO := list
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/build/molecule
export MOLECULE_COMMAND_BORDERS := false

.PHONY: help demo test test-fast lint types unit functional sanity integration matrix matrix-corners clean
.PHONY: mutants road hostile hostile-long faults faults-long fuzz-corpus fuzz
.PHONY: molecule molecule-run scenario scenario-run cluster cluster-create cluster-destroy cluster-packages bench bench-run
help:
	@echo "make demo            run the main job below build/demo"
	@echo "make test            everything that CI runs"
	@echo "make test-fast       lint, types, unit tests"
	@echo "make hostile         users who attack the engine in their homes; as root, with accounts made for it"
	@echo "make hostile-long    the same with many more rounds of each race"
	@echo "make faults          kills and errors at a sample of the system calls of the engine"
	@echo "make faults-long     kills and errors at all of them"
	@echo "make matrix          units and the main integration target over versions of ansible-core, cryptography, Python"
	@echo "make matrix-corners  two rows of it: the oldest and the newest ansible-core and cryptography"
	@echo "make fuzz-corpus     what fuzzing found once, what is met every day, and some fresh mutations"
	@echo "make fuzz            each reader for FUZZ_SECONDS (600), guided by coverage; keeps what it finds in build/fuzz"
	@echo "make molecule        all scenarios on real Debian nodes, from their creation to their destruction"
	@echo "make cluster         create the nodes, or those that are missing; make cluster-destroy"
	@echo "make scenario DO='converge --scenario-name default'   any command of molecule on nodes that stay"
	@echo "make bench           what users would pick instead, measured side by side on the nodes; writes bench/results"
	@echo "make mutants         plant small faults into the plugins, and list those that no unit test notices; MUTANTS, SEED, PARTS"
	@echo "make road            count how often control changes file before an archive is opened"
	@echo "make clean           remove build/"

demo: $(TREE)/MANIFEST.json
	playbooks/demo/run build/demo

test: test-fast fuzz-corpus hostile faults sanity functional integration matrix-corners demo molecule

test-fast: lint types unit

lint: $(TREE)/MANIFEST.json
	ruff check .
	ruff format --check .
	yamllint --strict .
	shellcheck $(SCRIPTS)
	antsibull-changelog lint
	cd $(TREE) && ansible-lint --offline --nocolor --config-file $(CURDIR)/.ansible-lint
	ansible-lint --offline --nocolor molecule .config

types: $(TREE)/MANIFEST.json
	cd build/collections && MYPYPATH=. mypy --config-file $(CURDIR)/pyproject.toml -p ansible_collections.grid.security.plugins
	cd tests/support && MYPYPATH=. mypy --config-file $(CURDIR)/pyproject.toml -p cluster
	mypy molecule tests/cluster

unit: $(TREE)/MANIFEST.json
	$(PYTEST) -n auto $(TREE)/tests/unit

fuzz-corpus: $(TREE)/MANIFEST.json
	$(PYTEST) -n auto $(TREE)/tests/fuzz

FUZZ_SECONDS := 600
fuzz: $(TREE)/MANIFEST.json build/fuzz-venv/ready
	PYTHONPATH=$(CURDIR)/build/collections build/fuzz-venv/bin/python -W ignore \
		-m ansible_collections.grid.security.tests.fuzz.long build/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Not part of the tests: a person judges each fault that survives.
PARTS :=
mutants: $(TREE)/MANIFEST.json
	python tests/support/mutants.py $(TREE) $(PARTS)

# Not part of the tests: how often control changes file before an archive is opened.
road: $(TREE)/MANIFEST.json
	PYTHONPATH=$(CURDIR)/build/collections python tests/support/road.py

# Whole runs of ansible-playbook: how often modules are executed, what is left where.
functional: $(TREE)/MANIFEST.json
	tests/support/machine gpg:gnupg ssh:openssh-client keytool:default-jre-headless openssl:openssl
	tests/support/machine strace:strace sudo:sudo python3-cryptography libglobus-gss-assist3
	$(PYTEST) -n auto --dist loadfile $(TREE)/tests/functional

hostile: $(TREE)/MANIFEST.json
	tests/support/machine strace:strace bindfs:bindfs setpriv:util-linux chattr:e2fsprogs useradd:passwd
	$(PYTEST) -n auto --dist loadfile $(TREE)/tests/hostile

hostile-long: export HOSTILE_LONG = 1
hostile-long: hostile

# The engine killed and failing at its system calls, by strace: two workers, because each starts processes of its own.
faults: $(TREE)/MANIFEST.json
	tests/support/machine strace:strace
	$(PYTEST) -n 2 $(TREE)/tests/faults

faults-long: export FAULTS_LONG = 1
faults-long: faults

sanity: $(TREE)/MANIFEST.json
	$(ANSIBLE_TEST) sanity --venv --color no

integration: $(TREE)/MANIFEST.json
	$(ANSIBLE_TEST) integration --color no --allow-root --allow-destructive $(INTEGRATION)

matrix: $(TREE)/MANIFEST.json
	nox --noxfile tests/noxfile.py

matrix-corners: $(TREE)/MANIFEST.json
	nox --noxfile tests/noxfile.py --tags corners

molecule: $(TREE)/MANIFEST.json
	$(PRIVILEGED) "the scenarios on real nodes" $(MAKE) molecule-run

scenario: $(TREE)/MANIFEST.json
	$(PRIVILEGED) "the scenario on real nodes" $(MAKE) scenario-run

cluster: $(VENV)/ready
	$(PRIVILEGED) "the nodes" $(MAKE) cluster-create

bench: $(TREE)/MANIFEST.json
	$(PRIVILEGED) "measurements on real nodes" $(MAKE) bench-run SUITES="$(SUITES)"

molecule-run: cluster-packages cluster-destroy
	$(SUDO) $(VENV)/bin/python -B -m pytest -q tests/cluster
	molecule test --all

scenario-run: cluster-create
	molecule $(DO)

SUITES :=
bench-run: cluster-create build/bench-venv/ready
	tests/support/machine rsync:rsync
	PATH="$(CURDIR)/build/bench-venv/bin:$$PATH" PYTHONPATH=$(CURDIR)/build/collections python bench/run.py $(SUITES)
	build/bench-venv/bin/python bench/report.py

cluster-create: cluster-packages
	$(CLUSTER) create

cluster-destroy: $(VENV)/ready
	$(CLUSTER) destroy
	rm -rf build/molecule

cluster-packages: $(VENV)/ready
	tests/support/machine systemd-container mmdebstrap iproute2 openssh-client debian-archive-keyring

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
	ansible-galaxy collection build --force --output-path build .
	ansible-galaxy collection install --force --no-deps --collections-path build/collections build/grid-security-*.tar.gz
	touch $@

clean:
	! test -e build/cluster || $(MAKE) cluster-destroy
	! test -e build/images || $(SUDO) rm -rf build/images
	rm -rf build
