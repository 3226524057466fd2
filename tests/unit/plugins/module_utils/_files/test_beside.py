# SPDX-License-Identifier: GPL-3.0-or-later
"""Files whose fate depends on the certificate beside them: encrypted keys that stay, credentials that are removed."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import apply, selinux
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.tests.support import pki

ALICE, RENEWED = pki.issue(), pki.issue()


def key_pem(credential: pki.Credential, passphrase: str = "") -> bytes:
    protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    encoded: bytes = credential.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return encoded


PLACED, THEIRS = key_pem(ALICE, "placed"), key_pem(ALICE, "theirs")


class Home:
    """A directory with a credential, and what the engine says about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.certificate, self.key = path / "usercert.pem", path / "userkey.pem"

    def place(self, certificate: bytes, key: bytes) -> None:
        for path, content in ((self.certificate, certificate), (self.key, key)):
            path.write_bytes(content)
            path.chmod(0o600)

    def converge(self, certificate: bytes, key: bytes, keep: bool = True, send: bool = True) -> dict[str, Any]:
        """Converge the files of a credential with ``update_passphrase: on_create``."""
        fingerprint = hashlib.sha256(pem.first(certificate, "CERTIFICATE") or b"").hexdigest()
        entries = [
            file_entry("usercert.pem", certificate, observe=True, certificates=[fingerprint] if keep else None),
            file_entry("userkey.pem", key, secret=True, privatekey=True, beside=keep),
        ]
        return self.send(entries, [certificate, key] if send else [])

    def remove(self, *certificates: bytes, check: bool = False) -> dict[str, Any]:
        fingerprints = [hashlib.sha256(pem.first(one, "CERTIFICATE") or b"").hexdigest() for one in certificates]
        entries = [
            {"path": "usercert.pem", "state": "absent", "beside": True, "certificates": fingerprints},
            {"path": "userkey.pem", "state": "absent", "beside": True},
        ]
        return self.send(entries, [], check)

    def send(self, entries: list[dict[str, Any]], contents: list[bytes], check: bool = False) -> dict[str, Any]:
        one = {"name": "test", "directory": str(self.path), "entries": entries}
        sent = {hashlib.sha256(content).hexdigest(): base64.b64encode(content).decode() for content in contents}
        return inspectors.converge([one], sent, check, False)[0]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


def file_entry(path: str, content: bytes, **fields: Any) -> dict[str, Any]:
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return {"path": path, "state": "file", "mode": "0600", **facts, **fields}


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Home:
    return Home(tmp_path.resolve())


# --- keys that stay ---------------------------------------------------------------------------------------------------


def test_encrypted_key_beside_its_certificate_stays(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    assert home.converge(ALICE.pem, PLACED, keep=False, send=False)["changed"]
    result = home.converge(ALICE.pem, PLACED, send=False)
    assert not result["changed"]
    assert not result.get("needs")
    assert home.key.read_bytes() == THEIRS


def test_its_mode_is_corrected_and_its_content_stays(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    home.key.chmod(0o644)
    result = home.converge(ALICE.pem, PLACED, send=False)
    assert [one["changes"] for one in result["entries"]] == [["mode 0644 → 0600"]]
    assert (home.key.read_bytes(), stat.S_IMODE(home.key.stat().st_mode)) == (THEIRS, 0o600)


def test_longer_than_the_key_that_would_be_placed(home: Home) -> None:
    home.place(ALICE.pem, b"Bag Attributes: none\n" * 200 + THEIRS)
    assert not home.converge(ALICE.pem, PLACED, send=False)["changed"]


def test_chain_that_comes_or_goes_is_no_other_certificate(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    chain = ALICE.pem + pki.issue("CA").pem
    result = home.converge(chain, PLACED)
    assert [one["path"] for one in result["entries"]] == [str(home.certificate)]
    assert (home.certificate.read_bytes(), home.key.read_bytes()) == (chain, THEIRS)


def test_label_is_corrected_with_the_content_that_is_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.place(ALICE.pem, THEIRS)
    inode = home.key.stat().st_ino
    monkeypatch.setattr(selinux, "default", lambda _path, _mode: b"wanted")
    monkeypatch.setattr(selinux, "current", lambda _descriptor: b"found")
    monkeypatch.setattr(selinux, "label", lambda *_all: None)
    assert home.converge(ALICE.pem, PLACED, send=False)["needs"] == [hashlib.sha256(ALICE.pem).hexdigest()]
    result = home.converge(ALICE.pem, PLACED)
    assert ["SELinux label corrected"] in [one["changes"] for one in result["entries"]]
    assert home.key.read_bytes() == THEIRS
    assert home.key.stat().st_ino != inode


def spoil_key(home: Home, content: bytes) -> None:
    home.key.write_bytes(content)


SPOILED: dict[str, Any] = {
    "unencrypted key": lambda home: spoil_key(home, key_pem(ALICE)),
    "garbage under the right label": lambda home: spoil_key(home, pem.encode("ENCRYPTED PRIVATE KEY", b"x" * 300)),
    "empty file": lambda home: spoil_key(home, b""),
    "enormous file": lambda home: spoil_key(home, THEIRS + b"\n" * (1 << 17)),
    "no key": lambda home: home.key.unlink(),
    "other certificate": lambda home: home.certificate.write_bytes(RENEWED.pem),
    "own certificate behind another": lambda home: home.certificate.write_bytes(RENEWED.pem + ALICE.pem),
    "no certificate": lambda home: home.certificate.unlink(),
    "damaged certificate": lambda home: home.certificate.write_bytes(ALICE.pem[:-40]),
    "link to a key": lambda home: link(home.key),
    "link to a certificate": lambda home: link(home.certificate),
}


def link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.parametrize("spoil", SPOILED)
def test_anything_else_is_replaced(home: Home, spoil: str) -> None:
    home.place(ALICE.pem, THEIRS)
    SPOILED[spoil](home)
    assert hashlib.sha256(PLACED).hexdigest() in home.converge(ALICE.pem, PLACED, send=False)["needs"]
    assert not home.converge(ALICE.pem, PLACED).get("failed")
    assert (home.certificate.read_bytes(), home.key.read_bytes()) == (ALICE.pem, PLACED)
    assert not home.key.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_key_of_somebody_else_is_replaced(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    os.chown(home.key, 65534, -1)
    home.converge(ALICE.pem, PLACED)
    assert (home.key.read_bytes(), home.key.stat().st_uid) == (PLACED, 0)


def test_renewal_replaces_the_key(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    renewed = key_pem(RENEWED, "placed")
    home.converge(RENEWED.pem, renewed)
    assert (home.certificate.read_bytes(), home.key.read_bytes()) == (RENEWED.pem, renewed)


def test_renewal_gives_the_key_its_name_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed between the two names must not leave a key that the next run takes for the user's."""
    home.place(ALICE.pem, THEIRS)
    rename, renamed = os.rename, []

    def killed(source: str, name: str, **fields: Any) -> None:
        if renamed:
            raise SystemExit
        rename(source, name, **fields)
        renamed.append(name)

    monkeypatch.setattr(apply, "_is_back", lambda *_all: True)  # who is killed puts nothing back
    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(SystemExit):
        home.converge(RENEWED.pem, key_pem(RENEWED, "placed"))
    monkeypatch.undo()
    assert renamed == ["userkey.pem"]
    home.converge(RENEWED.pem, PLACED)
    assert (home.certificate.read_bytes(), home.key.read_bytes()) == (RENEWED.pem, PLACED)


@pytest.mark.parametrize("keep", [False, True])
def test_run_that_keeps_no_key_gives_names_in_the_same_order(home: Home, keep: bool) -> None:
    """The next run may keep keys."""
    home.place(ALICE.pem, THEIRS)
    result = home.converge(RENEWED.pem, key_pem(RENEWED, "placed"), keep, send=False)
    assert [Path(one["path"]).name for one in result["entries"]] == ["userkey.pem", "usercert.pem"]


def test_key_that_is_spoiled_during_the_run_is_noticed(home: Home) -> None:
    home.place(ALICE.pem, key_pem(ALICE))
    chain = ALICE.pem + pki.issue("CA").pem
    fingerprint = hashlib.sha256(pem.first(chain, "CERTIFICATE") or b"").hexdigest()
    entries = [
        file_entry("usercert.pem", chain, certificates=[fingerprint]),
        file_entry("userkey.pem", PLACED, secret=True, beside=True),
    ]
    assert home.send(entries, [chain])["error_code"] == "changed_meanwhile"
    assert home.certificate.read_bytes() == ALICE.pem


# --- what is told about a key -----------------------------------------------------------------------------------------


def test_facts_of_a_key_that_differs_are_told(home: Home) -> None:
    home.place(ALICE.pem, key_pem(ALICE))
    found = {"kind": "plain", "algorithm": "1.2.840.10045.2.1"}
    assert home.converge(ALICE.pem, PLACED, send=False)["key_files"] == {str(home.key): found}
    assert "key_files" not in home.converge(ALICE.pem, key_pem(ALICE), send=False)


def test_nothing_is_told_about_files_that_are_no_keys(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    assert "key_files" not in home.send([file_entry("userkey.pem", PLACED, secret=True)], [])
    assert "key_files" not in home.send([file_entry("missing.pem", PLACED, privatekey=True)], [])


def test_stored_content_is_told_when_it_differs(home: Home) -> None:
    (home.path / "record").write_bytes(b"{}")
    entry = file_entry("record", b"new", recall=True)
    assert home.send([entry], [])["stored"] == {str(home.path / "record"): base64.b64encode(b"{}").decode()}
    assert "stored" not in home.send([file_entry("record", b"{}", recall=True)], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_stored_content_of_somebody_else_is_not_told(home: Home) -> None:
    (home.path / "record").write_bytes(b"{}")
    os.chown(home.path / "record", 65534, -1)
    assert "stored" not in home.send([file_entry("record", b"new", recall=True)], [])


# --- credentials that are removed -------------------------------------------------------------------------------------


def test_credential_that_was_placed_is_removed(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    (home.path / "own").write_bytes(b"own")
    assert home.remove(RENEWED.pem, ALICE.pem, check=True)["changed"]
    assert len(home.names()) == 3
    assert home.remove(RENEWED.pem, ALICE.pem)["changed"]
    assert home.names() == ["own"]
    assert not home.remove(ALICE.pem)["changed"]


@pytest.mark.parametrize("present", [RENEWED.pem, RENEWED.pem + ALICE.pem, b"", None])
def test_credential_beside_another_certificate_is_left(home: Home, present: bytes | None) -> None:
    home.place(present or b"", THEIRS)
    if present is None:
        home.certificate.unlink()
    before = home.names()
    result = home.remove(ALICE.pem)
    assert not result["changed"]
    assert result["left"] == [str(home.path / name) for name in sorted(before, reverse=True)]
    assert home.names() == before


def test_link_to_the_certificate_is_left(home: Home) -> None:
    home.place(ALICE.pem, THEIRS)
    link(home.certificate)
    assert len(home.remove(ALICE.pem)["left"]) == 2
    assert len(home.names()) == 3


def test_certificate_is_removed_last(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed in between must not leave a key that nobody knows any more."""
    home.place(ALICE.pem, THEIRS)
    removed: list[str] = []
    unlink = os.unlink

    def noted(name: str, **fields: Any) -> None:
        removed.append(name)
        unlink(name, **fields)

    monkeypatch.setattr(os, "unlink", noted)
    home.remove(ALICE.pem)
    assert [name for name in removed if name.endswith(".pem")] == ["userkey.pem", "usercert.pem"]
