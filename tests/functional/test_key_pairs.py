# SPDX-License-Identifier: GPL-3.0-or-later
"""Test pairs that TLS libraries load, and archives with several pairs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential import pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.tests.support import pki

ALICE, BOB = pki.issue("Alice"), pki.issue("Bob")
REASON = "private key rewritten as an RSA-PSS key, as its certificate requires"
OTHER_SALT = "protection renewed (other salt, now as an RSA-PSS key)"


@pytest.fixture(scope="module", name="pss", params=[b"", pki.PSS_SHA256], ids=["unrestricted", "sha256"])
def _pss(request: Any) -> pki.Credential:
    if pki.CRYPTOGRAPHY < 38:
        pytest.skip("cryptography before 38 does not read RSA-PSS keys")
    return pki.rsa_pss(pki.issue(key=rsa.generate_private_key(65537, 2048)), request.param)


def place_as_0_1_0_did(one: pki.Credential, home: Path, encrypted: bool) -> None:
    """Make an archive with an ordinary RSA key and an RSA-PSS certificate."""
    info = one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    key = pkcs8.encrypt(info, "store", 1000) if encrypted else pem.encode("PRIVATE KEY", info)
    home.mkdir(mode=0o700)
    for name, content in (("usercert.pem", one.pem), ("userkey.pem", key)):
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)
    with pytest.raises(ssl.SSLError):
        load(home)


def load(home: Path, passphrase: str = "store") -> None:
    """Load the pair like a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(home / "usercert.pem", home / "userkey.pem", lambda: passphrase)


@pytest.mark.parametrize(("encrypted", "reason"), [(True, OTHER_SALT), (False, REASON)])
def test_an_rsa_pss_pair_in_the_form_of_an_earlier_release_is_corrected(
    site: Any, pss: pki.Credential, encrypted: bool, reason: str
) -> None:
    home = site.root / "home"
    place_as_0_1_0_did(pss, home, encrypted)
    (site.root / "alice.p12").write_bytes(pki.loose(pss).archive())
    options = {"src": "alice.p12", "directory": str(home), "passphrase": "import", "encrypt_privatekey": encrypted}
    if encrypted:
        options.update(privatekey_passphrase="store", kdf_iterations=1000)
    first = site.play([{"grid.security.pkcs12_pem": options}])
    assert reason in first.stdout, first.stdout
    load(home)
    again = site.play([{"grid.security.pkcs12_pem": options}])
    assert "changed=0" in again.stdout, again.stdout


def test_the_passphrase_of_an_rsa_pss_key_changes(site: Any, pss: pki.Credential) -> None:
    home = site.root / "home"
    (site.root / "alice.p12").write_bytes(pki.loose(pss).archive())
    options = {"src": "alice.p12", "directory": str(home), "passphrase": "import", "kdf_iterations": 1000}
    for passphrase in ("store", "other"):
        output = site.play([{"grid.security.pkcs12_pem": {**options, "privatekey_passphrase": passphrase}}])
        assert "changed=1" in output.stdout, output.stdout
        load(home, passphrase)
    assert "passphrase changed" in output.stdout


@pytest.mark.parametrize("remote", [False, True])
def test_each_owner_gets_a_pair_of_one_archive(site: Any, remote: bool) -> None:
    (site.root / "all.p12").write_bytes(pki.bundle((ALICE, "alice"), (BOB, "bob")))
    common = {"src": str(site.root / "all.p12"), "passphrase": "import", "privatekey_passphrase": "store"}
    items = [{"directory": str(site.root / name), "friendly_name": name} for name in ("alice", "bob")]
    unnamed = {"directory": str(site.root / "carol")}
    wrong = {"directory": str(site.root / "dave"), "friendly_name": "dave"}
    task = {"grid.security.pkcs12_pem": {**common, "remote_src": remote, "credentials": [*items, unnamed, wrong]}}
    output = site.play([task])
    for name, one in (("alice", ALICE), ("bob", BOB)):
        assert (site.root / name / "usercert.pem").read_bytes() == one.pem
        load(site.root / name)
    assert "2 private keys with certificates, and it is not clear which pair to place" in output.stdout
    assert "no credential in it has the friendly name" in output.stdout
    assert not (site.root / "carol").exists()
    assert not (site.root / "dave").exists()


def test_another_friendly_name_is_another_credential(site: Any) -> None:
    """Check that the persistent cache has an entry for each friendly name."""
    (site.root / "all.p12").write_bytes(pki.bundle((ALICE, "alice"), (BOB, "bob")))
    options = {"src": "all.p12", "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
    for name, one in (("alice", ALICE), ("bob", BOB)):
        options.update(friendly_name=name, directory=str(site.root / "home"), allow_subject_change=True)
        output = site.play([{"grid.security.pkcs12_pem": options}])
        assert output.returncode == 0, output.stdout
        assert (site.root / "home/usercert.pem").read_bytes() == one.pem
        assert f'"friendly_name": "{name}"' in output.stdout


def test_a_host_s_pair_in_a_java_keystore(site: Any) -> None:
    (site.root / "all.p12").write_bytes(pki.bundle((ALICE, "se"), (BOB, "old")))
    variables = {
        "host_credential_src": "all.p12",
        "host_credential_passphrase": "import",
        "host_credential_directory": str(site.root / "host"),
    }
    play = {"roles": ["grid.security.host_credential"], "vars": variables}
    assert "Set host_credential_friendly_name to the name of the right pair" in site.run_play(play).stdout
    variables["host_credential_friendly_name"] = "se"
    output = site.run_play(play)
    assert output.returncode == 0, output.stdout
    assert (site.root / "host/hostcert.pem").read_bytes() == ALICE.pem
