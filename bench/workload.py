# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the inputs once below build/bench: users' archives in two editions, a host credential, trust anchors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from places import WORK

from ansible_collections.grid.security.tests.support import igtf, pki

USERS = [f"bench{number:03}" for number in range(500)]
ITERATIONS = 600_000  # of stored keys: the default of kdf_iterations
ARCHIVE_ITERATIONS = {"openssl": 2048, "firefox": 600_000}  # by the program that writes such archives
EDITIONS = {"first": 100, "renewed": 200}  # days that a certificate is valid
FEW = 3  # trust anchors, for tools that take minutes for a whole release
RELEASES = {"old": "bookworm", "new": "trixie"}  # of IGTF, by the Debian release that has it


def archive(style: str, edition: str, owner: str) -> Path:
    """Return the path of a user's archive."""
    return WORK / "archives" / style / edition / f"{owner}.p12"


def credential(style: str, edition: str, owner: str) -> dict[str, str]:
    """Return one item of user_credentials."""
    passphrases = {"passphrase": f"import-{owner}", "privatekey_passphrase": f"store-{owner}"}
    return {"owner": owner, "src": str(archive(style, edition, owner)), **passphrases}


def credentials(count: int, style: str = "openssl", edition: str = "first") -> list[dict[str, str]]:
    """Return user_credentials for the first ``count`` users."""
    return [credential(style, edition, owner) for owner in USERS[:count]]


def bundle(path: Path, items: list[dict[str, str]]) -> None:
    """Write a tarball of the users' archives, for tools that convert on the node."""
    with tarfile.open(path, "w") as tar:
        for item in items:
            tar.add(item["src"], f"bench/{item['owner']}.p12")


HOST_ARCHIVE = WORK / "archives/host.p12"
HOST_PASSPHRASE = "import-host"
AUTHORITY = WORK / "archives/authority.pem"  # the CA that issued all certificates


def make_archives() -> None:
    """Make the archives that are missing, on all cores, because key pairs and 600,000 iterations take long."""
    wanted = [(edition, owner) for edition in EDITIONS for owner in USERS]
    missing = [pair for pair in wanted if not all(archive(style, *pair).exists() for style in ARCHIVE_ITERATIONS)]
    if not AUTHORITY.exists():
        missing = wanted
    elif not missing and HOST_ARCHIVE.exists():
        return
    for edition in EDITIONS:
        for style in ARCHIVE_ITERATIONS:
            archive(style, edition, "").parent.mkdir(parents=True, exist_ok=True)
    authority = _authority()
    host = _issue("bench.grid.test", authority, 100)
    _write(HOST_ARCHIVE, host, HOST_PASSPHRASE, ARCHIVE_ITERATIONS["openssl"])
    share = [missing[start :: os.cpu_count() or 1] for start in range(os.cpu_count() or 1)]
    with ProcessPoolExecutor() as workers:
        list(workers.map(_make_users, share, [_portable(authority)] * len(share)))


def _authority() -> pki.Credential:
    """Return the CA of earlier measurements, because its archives are used again. Make a CA if there is none."""
    path = AUTHORITY.with_suffix(".p12")
    if AUTHORITY.exists():
        key, certificate, _others = pkcs12.load_key_and_certificates(path.read_bytes(), None)
        assert certificate is not None
        return pki.Credential(key, certificate)
    authority = pki.issue("Bench CA", authority=True, days=3650)
    path.write_bytes(authority.archive(""))
    AUTHORITY.write_bytes(authority.pem)
    return authority


def _portable(authority: pki.Credential) -> tuple[bytes, bytes]:
    """Return the CA's key and certificate as bytes, because key objects cannot be sent to another process."""
    return authority.archive(""), authority.pem


def _make_users(wanted: list[tuple[str, str]], portable: tuple[bytes, bytes]) -> None:
    key, certificate, _others = pkcs12.load_key_and_certificates(portable[0], None)
    assert certificate is not None
    authority = pki.Credential(key, certificate)
    for edition, owner in wanted:
        issued = _issue(owner, authority, EDITIONS[edition])
        for style, iterations in ARCHIVE_ITERATIONS.items():
            _write(archive(style, edition, owner), issued, f"import-{owner}", iterations)


def _issue(name: str, authority: pki.Credential, days: int) -> pki.Credential:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return pki.issue(name, key=key, issuer=authority, days=days)


def _write(path: Path, issued: pki.Credential, passphrase: str, iterations: int) -> None:
    """Write an archive with PBES2, as OpenSSL 3 and Firefox do. The rename makes sure that no archive is incomplete."""
    builder: Any = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(iterations)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    encryption = builder.build(passphrase.encode())
    data = pkcs12.serialize_key_and_certificates(b"bench", issued.key, issued.certificate, None, encryption)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.rename(path)


def release(name: str) -> Path:
    """Return the directory of an IGTF release, for ``sources``. Its packages are in the directory beside it."""
    return WORK / "anchors" / name / "igtf"


def packages(name: str) -> list[Path]:
    """Return the distribution's packages of the release."""
    return sorted((WORK / "anchors" / name / "download").glob("*.deb"))


def make_anchors() -> None:
    """Make two releases of IGTF, and a copy of the new release with one changed CA."""
    for name, suite in RELEASES.items():
        if not release(name).exists():
            download = WORK / "anchors" / name / "download"
            shutil.rmtree(download, ignore_errors=True)
            download.mkdir(parents=True)
            shutil.copytree(igtf.release(suite, download), release(name), symlinks=True)
    if not release("changed").exists():
        shutil.copytree(release("new"), release("changed"), symlinks=True)
        _change_one(release("changed"))


def _change_one(directory: Path) -> None:
    """Change the CRL URL of one CA: the most frequent change between releases."""
    path = sorted(directory.rglob("*.crl_url"))[0]
    path.write_text("http://crl.example.org/moved.crl\n")


def some_anchors(count: int) -> dict[str, Any]:
    """Return the options of trust_anchors for the first CAs of the new release."""
    described = release("new").rglob("*.info")  # some files describe a profile and no CA
    aliases = sorted({path.stem for path in described if path.with_suffix(".pem").exists()})
    return {"sources": [str(release("new"))], "include": aliases[:count]}


def options(name: str) -> dict[str, Any]:
    """Return the options of trust_anchors for a release, or for ``few`` CAs of the new release."""
    return some_anchors(FEW) if name == "few" else {"sources": [str(release(name))]}


def laid_out(name: str) -> Path:
    """Return the directory with a release as the module writes it. Other tools copy it, as files or as .tar.gz."""
    return WORK / "anchors" / name / "laid-out"


def lay_out(name: str) -> None:
    """Make the directory :func:`laid_out` and its tarball."""
    if Path(f"{laid_out(name)}.tar.gz").exists():
        return
    laid_out(name).parent.mkdir(parents=True, exist_ok=True)
    arguments = json.dumps({"path": str(laid_out(name)), **options(name)})
    command = ["ansible", "localhost", "-m", "grid.security.trust_anchors", "-a", arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "-czf", f"{laid_out(name)}.tar.gz", "-C", laid_out(name), "."], check=True)


def make() -> None:
    """Make all inputs."""
    make_archives()
    make_anchors()
    for name in ("old", "new", "changed", "few"):
        lay_out(name)
