# SPDX-License-Identifier: GPL-3.0-or-later
"""Check chains in whole runs with a site's own CAs, and with real CAs and their signing policies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import certificates, chain, safe_x509
from ansible_collections.grid.security.plugins.plugin_utils._trust import ca_material
from ansible_collections.grid.security.plugins.plugin_utils._trust.source_options import read_source
from ansible_collections.grid.security.tests.support import igtf, pki

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt fetches the release, and it is missing")
FILTERS: dict[str, Any] = {"profiles": [], "include": [], "exclude": [], "exclude_expired": False}


@pytest.fixture(name="authority")
def _authority(site: Any) -> pki.Credential:
    """Make the CA of a site with the users alice and bob."""
    authority = pki.issue("CA", authority=True)
    (site.root / "ca.pem").write_bytes(authority.pem)
    for name in ("alice", "bob"):
        (site.root / f"{name}.p12").write_bytes(pki.issue(name, issuer=authority).archive())
    return authority


def variables(site: Any) -> dict[str, Any]:
    passphrases = {"passphrase": "import", "privatekey_passphrase": "store"}
    users = [
        {"src": f"{name}.p12", "directory": str(site.root / "node" / name), "owner": None, **passphrases}
        for name in ("alice", "bob")
    ]
    return {
        "trust_anchors_sources": [{"src": "ca.pem", "subjects": ["/DC=org/*"]}],
        "trust_anchors_path": str(site.root / "node/certificates"),
        "user_credentials": users,
    }


def certificate(site: Any, name: str) -> bytes:
    data: bytes = (site.root / "node" / name / "usercert.pem").read_bytes()
    return data


def test_a_self_signed_namesake_is_refused(
    site: Any, authority: pki.Credential, executed: Callable[[str], list[str]]
) -> None:
    """Make a certificate with bob's name, as anybody can. Without the check, it is placed in bob's home."""
    (site.root / "node").mkdir()
    play = {"roles": ["grid.security.node"], "vars": variables(site)}
    first = site.run_play(play)
    assert first.returncode == 0, first.stdout
    before = certificate(site, "bob")
    (site.root / "bob.p12").write_bytes(pki.issue("bob", start=0).archive())
    (site.root / "alice.p12").write_bytes(pki.issue("alice", start=0, issuer=authority).archive())
    run = site.run_play(play)
    assert run.returncode != 0
    assert "bob.p12: the certificate of /DC=org/DC=example/CN=bob is not trusted: it is self-signed" in run.stdout
    assert "1 of 2 credentials failed; 1 of the other 1 changed." in run.stdout
    assert certificate(site, "bob") == before
    play["vars"]["user_credentials_check_chain"] = False
    assert site.run_play(play).returncode == 0
    assert certificate(site, "bob") != before
    play["vars"].update(user_credentials_check_chain=True, user_credentials=play["vars"]["user_credentials"][:1])
    again = site.run_play(play)
    assert executed(again.stdout) == ["file_set"], "alice's certificate is known to be good"
    assert "changed=0" in again.stdout


def test_a_node_checks_archives_that_lie_there(
    site: Any, authority: pki.Credential, executed: Callable[[str], list[str]]
) -> None:
    (site.root / "node").mkdir()
    (site.root / "bob.p12").write_bytes(pki.issue("bob").archive())
    users = [
        {**one, "remote_src": True, "src": str(site.root / one["src"])} for one in variables(site)["user_credentials"]
    ]
    task = {"grid.security.pkcs12_pem": {"credentials": users, "trust_anchors": ["ca.pem"]}}
    run = site.play([task])
    assert "bob.p12: the certificate of /DC=org/DC=example/CN=bob is not trusted: it is self-signed" in run.stdout
    assert executed(run.stdout) == ["pkcs12_pem"]
    assert [path.name for path in (site.root / "node").iterdir()] == ["alice"]
    assert "BEGIN CERTIFICATE" not in run.stdout, "the CAs are not part of the result"


def test_without_the_sources_the_task_says_so_for_each(site: Any, authority: pki.Credential) -> None:
    (site.root / "node/bob").mkdir(parents=True)
    (site.root / "node/bob/usercert.pem").touch()
    (site.root / "ca.pem").unlink()
    play = {"roles": ["grid.security.user_credentials"], "vars": variables(site)}
    play["vars"]["user_credentials"][1]["state"] = "absent"
    run = site.run_play(play)
    assert "1 of 2 credentials failed; 1 of the other 1 changed." in run.stdout
    assert "alice.p12: trust_anchors_sources: ca.pem was not found on the controller in " in run.stdout
    assert not (site.root / "node/bob/usercert.pem").exists()


@needs_apt
def test_real_cas(tmp_path: Path) -> None:
    """Check that each intermediate CA of IGTF leads to a root by our rules and by openssl's rules."""
    release = igtf.release("bookworm", tmp_path)
    action: Any = SimpleNamespace(find=str)
    trusted = ca_material.collect(action, [read_source(str(release), "")], FILTERS)
    assert not any(ca["problem"] for ca in trusted["cas"])
    roots = [ca for ca in trusted["cas"] if _is_root(ca)]
    others = [ca for ca in trusted["cas"] if not _is_root(ca)]
    assert len(roots) > 40
    assert len(others) > 20
    forger = pki.issue("Forger", authority=True).pem.decode()
    for ca in others:
        _verify(ca, trusted)
        with pytest.raises(GridSecurityError, match="is not among the CAs"):
            _verify(ca, {**trusted, "cas": [one for one in others if one is not ca]})
        strict = [{**one, "patterns": ["/C=XX/*"]} for one in roots + others if one is not ca]
        with pytest.raises(GridSecurityError, match="the signing policy of .* does not let it issue to"):
            _verify(ca, {**trusted, "cas": strict})
        forged = [{**one, "pem": forger} for one in others + roots]  # another key with the name of each CA
        with pytest.raises(GridSecurityError, match="is not signed with that CA's key"):
            _verify(ca, {**trusted, "cas": forged})
    _compare_with_openssl(tmp_path, roots, others)


def _is_root(ca: dict[str, Any]) -> bool:
    one = safe_x509.load(ca["pem"].encode())
    return one.issuer == one.subject


def _verify(ca: dict[str, Any], trusted: dict[str, Any]) -> None:
    """Return the middle of a certificate's validity, so that the result does not depend on the date."""
    one = safe_x509.load(ca["pem"].encode())
    start, end = certificates.start(one), certificates.expiry(one)
    chain.verify(ca["alias"], [one], trusted, start + (end - start) / 2)


def _compare_with_openssl(scratch: Path, roots: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    (scratch / "roots.pem").write_text("".join(ca["pem"] for ca in roots))
    (scratch / "others.pem").write_text("".join(ca["pem"] for ca in others))
    for ca in others:
        (scratch / "one.pem").write_text(ca["pem"])
        verify = ["openssl", "verify", "-no_check_time", "-auth_level", "0", "-CAfile", "roots.pem"]
        subprocess.run([*verify, "-untrusted", "others.pem", "one.pem"], cwd=scratch, check=True, capture_output=True)
