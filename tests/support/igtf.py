# SPDX-License-Identifier: GPL-3.0-or-later
"""Real trust anchors: Debian's packages of IGTF releases, fetched and checked by apt from the machine's own mirror."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROFILES = ("classic", "mics", "slcs", "iota", "experimental", "unaccredited")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def release(suite: str, directory: Path) -> Path:
    """The anchors that ``suite`` has, one directory for each profile, unpacked below ``directory``."""
    for part in ("lists/partial", "cache/archives/partial", "unpacked"):
        (directory / part).mkdir(parents=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n")
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


def _mirror() -> str:
    """The Debian archive that this machine is set up for, whether or not apt has ever fetched its lists."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    lines = [line for path in files if path.suffix in (".list", ".sources") for line in _lines(path)]
    uris = [word for line in lines if not line.startswith("#") for word in line.split() if "://" in word]
    return next(uri for uri in uris if uri.rstrip("/").endswith("/debian"))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
