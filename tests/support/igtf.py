# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch real trust anchors: Debian's packages of IGTF releases, from the machine's mirror. apt checks them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.grid.security.tests.support import mirror

PROFILES = ("classic", "mics", "slcs", "iota", "experimental", "unaccredited")


def release(suite: str, directory: Path) -> Path:
    """Unpack the anchors of ``suite`` below ``directory``, in one directory for each profile."""
    for part in ("lists/partial", "cache/archives/partial", "unpacked"):
        (directory / part).mkdir(parents=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={mirror.KEYRING}] {mirror.debian()} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    packages = [f"igtf-policy-{profile}" for profile in PROFILES]
    for command in (["update"], ["download", *packages]):
        subprocess.run(["apt-get", "--quiet", *options, *command], cwd=directory, check=True)
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, directory / "unpacked"], check=True)
    return directory / "unpacked/usr/share/igtf-policy"
