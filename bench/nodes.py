# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare nodes for measurements, and clean them up, by scripts that run on the nodes as root."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import harness
import workload
from places import WORK
from sites import Site

TRUST = "/etc/grid-security/certificates"
_LAST = workload.USERS[-1]
ACCOUNTS = f"id {_LAST} >/dev/null 2>&1 || for name in {' '.join(workload.USERS)}; do useradd --create-home $name; done"
NO_CREDENTIALS = "rm -rf /home/bench*/.globus"
NO_ANCHORS = f"rm -rf {TRUST} && mkdir -p {TRUST}"
NOTHING = (
    f"{NO_CREDENTIALS}; {NO_ANCHORS}; rm -rf /etc/vomses /etc/grid-security/vomsdir"
    " /etc/grid-security/hostcert.pem /etc/grid-security/hostkey.pem /etc/grid-security/grid-mapfile"
)

# The distribution's packages come from a repository on the node itself, because nodes have no access to the network.
_REPOSITORY = "/var/lib/bench-repository"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes"
NO_PACKAGES = f"{_APT} purge 'igtf-policy-*' >/dev/null; {NO_ANCHORS}"


def old_packages() -> str:
    """Return the command that installs the packages of the previous release."""
    versions = [f"{_field(path, 'Package')}={_field(path, 'Version')}" for path in workload.packages("old")]
    return f"{_APT} install {' '.join(versions)} >/dev/null"


def run(site: Site, script: str) -> None:
    """Run a script on all nodes."""
    harness.run(site.shell(script))


def add_repository(site: Site) -> None:
    """Create a repository with both releases on each node, and add it to apt."""
    archive = _repository()
    run(site, f"mkdir -p {_REPOSITORY}")
    harness.run(site.module("ansible.builtin.unarchive", src=str(archive), dest=_REPOSITORY))
    source = f"deb [trusted=yes] file:{_REPOSITORY} ./"
    run(site, f"echo '{source}' >/etc/apt/sources.list.d/bench.list && {_APT} update >/dev/null")


def remove_repository(site: Site) -> None:
    """Remove the packages, the repository and its apt source."""
    run(site, f"{NO_PACKAGES}; rm -rf {_REPOSITORY} /etc/apt/sources.list.d/bench.list")


def _repository() -> Path:
    packages = [path for name in workload.RELEASES for path in workload.packages(name)]
    index = WORK / "Packages"
    index.write_text("\n".join(_entry(path) for path in packages))
    archive = WORK / "repository.tar"
    with tarfile.open(archive, "w") as tar:
        for path in [index, *packages]:
            tar.add(path, path.name)
    return archive


def _entry(path: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True).stdout
    digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    return f"{control}Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n"


def _field(path: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "--field", path, name], capture_output=True, text=True, check=True
    ).stdout.strip()
