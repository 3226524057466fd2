# SPDX-License-Identifier: GPL-3.0-or-later
"""What is placed: users' archives in two editions, a host credential, trust anchors. Made once below build/bench."""

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
ROUNDS = {"openssl": 2048, "firefox": 600_000}  # of key derivation in an archive, by what writes such archives
EDITIONS = {"first": 100, "renewed": 200}  # days that a certificate is valid
FEW = 3  # trust anchors, where a whole release would take minutes
RELEASES = {"old": "bookworm", "new": "trixie"}  # of IGTF, by the Debian release that has it


def archive(style: str, edition: str, owner: str) -> Path:
    """Where a user's archive is."""
    return WORK / "archives" / style / edition / f"{owner}.p12"


def credential(style: str, edition: str, owner: str) -> dict[str, str]:
    """One item of user_credentials."""
    passphrases = {"passphrase": f"import-{owner}", "privatekey_passphrase": f"store-{owner}"}
    return {"owner": owner, "src": str(archive(style, edition, owner)), **passphrases}


def credentials(count: int, style: str = "openssl", edition: str = "first") -> list[dict[str, str]]:
    """user_credentials for so many users."""
    return [credential(style, edition, owner) for owner in USERS[:count]]


def bundle(path: Path, items: list[dict[str, str]]) -> None:
    """An archive of the archives, for those who convert on the node."""
    with tarfile.open(path, "w") as tar:
        for item in items:
            tar.add(item["src"], f"bench/{item['owner']}.p12")


HOST_ARCHIVE = WORK / "archives/host.p12"
HOST_PASSPHRASE = "import-host"
AUTHORITY = WORK / "archives/authority.pem"  # the CA that issued all certificates


def make_archives() -> None:
    """All archives that are not there yet, on all cores: key pairs take their time, and 600,000 rounds as well."""
    wanted = [(edition, owner) for edition in EDITIONS for owner in USERS]
    missing = [one for one in wanted if not all(archive(style, *one).exists() for style in ROUNDS)]
    if not AUTHORITY.exists():
        missing = wanted
    elif not missing and HOST_ARCHIVE.exists():
        return
    for edition in EDITIONS:
        for style in ROUNDS:
            archive(style, edition, "").parent.mkdir(parents=True, exist_ok=True)
    authority = _authority()
    _write(HOST_ARCHIVE, _issue("bench.grid.test", authority, 100), HOST_PASSPHRASE, ROUNDS["openssl"])
    share = [missing[start :: os.cpu_count() or 1] for start in range(os.cpu_count() or 1)]
    with ProcessPoolExecutor() as workers:
        list(workers.map(_make_users, share, [_portable(authority)] * len(share)))


def _authority() -> pki.Credential:
    """Return the CA of earlier measurements, whose archives are used again, or make one."""
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
    """Keys do not travel between processes as they are."""
    return authority.archive(""), authority.pem


def _make_users(wanted: list[tuple[str, str]], portable: tuple[bytes, bytes]) -> None:
    key, certificate, _others = pkcs12.load_key_and_certificates(portable[0], None)
    assert certificate is not None
    authority = pki.Credential(key, certificate)
    for edition, owner in wanted:
        issued = _issue(owner, authority, EDITIONS[edition])
        for style, rounds in ROUNDS.items():
            _write(archive(style, edition, owner), issued, f"import-{owner}", rounds)


def _issue(name: str, authority: pki.Credential, days: int) -> pki.Credential:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return pki.issue(name, key=key, issuer=authority, days=days)


def _write(path: Path, issued: pki.Credential, passphrase: str, rounds: int) -> None:
    """An archive by PBES2, as OpenSSL 3 and Firefox write it. Complete or not there: who comes later looks for it."""
    builder: Any = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    encryption = builder.build(passphrase.encode())
    data = pkcs12.serialize_key_and_certificates(b"bench", issued.key, issued.certificate, None, encryption)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.rename(path)


def release(name: str) -> Path:
    """A release of IGTF as the directory that ``sources`` takes; its packages lie beside it."""
    return WORK / "anchors" / name / "igtf"


def packages(name: str) -> list[Path]:
    """The distribution's packages of that release."""
    return sorted((WORK / "anchors" / name / "download").glob("*.deb"))


def make_anchors() -> None:
    """Two releases of IGTF, the new one with a single CA changed, and its first few CAs alone."""
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
    """A CA with another address for its CRL, which is what changes most often."""
    path = sorted(directory.rglob("*.crl_url"))[0]
    path.write_text("http://crl.example.org/moved.crl\n")


def some_anchors(count: int) -> dict[str, Any]:
    """Options of trust_anchors for the first CAs of the new release."""
    described = release("new").rglob("*.info")  # some describe a profile and not a CA
    aliases = sorted({path.stem for path in described if path.with_suffix(".pem").exists()})
    return {"sources": [str(release("new"))], "include": aliases[:count]}


def options(name: str) -> dict[str, Any]:
    """Options of trust_anchors for a release, or for ``few`` of the new one."""
    return some_anchors(FEW) if name == "few" else {"sources": [str(release(name))]}


def laid_out(name: str) -> Path:
    """A release, or ``few``, as the module lays it out: what peers copy, who cannot make it. Also as .tar.gz."""
    return WORK / "anchors" / name / "laid-out"


def lay_out(name: str) -> None:
    """Make :func:`laid_out` and its archive."""
    if Path(f"{laid_out(name)}.tar.gz").exists():
        return
    laid_out(name).parent.mkdir(parents=True, exist_ok=True)
    arguments = json.dumps({"path": str(laid_out(name)), **options(name)})
    command = ["ansible", "localhost", "-m", "grid.security.trust_anchors", "-a", arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "-czf", f"{laid_out(name)}.tar.gz", "-C", laid_out(name), "."], check=True)


def make() -> None:
    """All of it."""
    make_archives()
    make_anchors()
    for name in ("old", "new", "changed", "few"):
        lay_out(name)
