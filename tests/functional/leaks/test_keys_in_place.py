# SPDX-License-Identifier: GPL-3.0-or-later
"""Place private keys in files that a run reads: with a user's certificate, and in wrong directories.

Over SSH, Ansible prints the whole answer of a module, from ``-vvv`` on.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.functional.leaks import cases, places, planted, test_leaks, traces
from ansible_collections.grid.security.tests.support import pki

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root works for other users")

# Run the command here. Ansible sees no difference to a run on another machine.
SSH = """#!/bin/sh
for command; do :; done
exec /bin/sh -c "$command"
"""
NAME = "home-key"


def prepare(root: Path) -> None:
    """Make homes of another account with key and certificate in one file, and files of root with the same key."""
    key = planted.credential(NAME).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = planted.credential(NAME).key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = planted.credential(NAME).pem
    for number, content in enumerate((certificate + key, key + certificate, der, certificate + key)):
        home = root / f"home/user{number}"
        home.mkdir()
        (home / "usercert.pem").write_bytes(content)
        (home / "usercert.pem").chmod(0o644)
        for path in (home, home / "usercert.pem"):
            os.chown(path, pwd.getpwnam(test_leaks.SOMEBODY).pw_uid, -1)
    (root / "home/etc").mkdir()
    for name in ("usercert.pem", "hostkey.pem", "note"):
        (root / f"home/etc/{name}").write_bytes(b"# a note\n" + certificate + key)
        (root / f"home/etc/{name}").chmod(0o644)
    (root / "given/ca.pem").write_bytes(pki.issue("CA", authority=True).pem)
    (root / "given/ssh").write_text(SSH)
    (root / "given/ssh").chmod(0o755)


def tasks(root: Path) -> list[dict[str, Any]]:
    home, etc = root / "home", str(root / "home/etc")
    user = {"src": str(root / "given/alice.p12"), "passphrase": "{{ run_import }}", "kdf_iterations": 1000}
    user = {**user, "privatekey_passphrase": "{{ run_store }}", "owner": test_leaks.SOMEBODY}
    note = {"path": f"{home}/user3/usercert.pem", "content": "replaced"}
    server = {"host": "voms.example.org", "port": 443, "dn": "/CN=voms", "ca_dn": "/CN=CA"}
    done = [
        {"grid.security.trust_anchors": {"sources": [str(root / "given/ca.pem")], "path": etc}},
        {"grid.security.pkcs12_pem": {**user, "directory": f"{home}/user0", "backup": True, "allow_older": True}},
        {"grid.security.pkcs12_pem": {**user, "directory": f"{home}/user1"}},
        {"grid.security.pkcs12_pem": {**user, "directory": f"{home}/user2"}},
        {"grid.security.pkcs12_pem": {**user, "owner": None, "directory": etc, "backup": True}},
        {"grid.security.file_set": {"sets": [{"name": "theirs", "owner": test_leaks.SOMEBODY, "entries": [note]}]}},
        {"grid.security.file_set": {"sets": [{"name": "ours", "entries": [{**note, "path": f"{etc}/note"}]}]}},
        {
            "grid.security.voms_client": {
                "vos": [{"name": "vo", "servers": [server]}],
                "vomses_path": etc,
                "vomsdir_path": str(home / "vomsdir"),
            }
        },
    ]
    return [{**task, "ignore_errors": True} for task in done]


@pytest.mark.parametrize("mode", ["real", "check"])
def test_keys_that_lie_in_the_way_go_nowhere(site: Any, journal: list[bytes] | None, mode: str) -> None:
    root = site.root
    prepare(root)
    there = {"ansible_connection": "ssh", "ansible_python_interpreter": test_leaks.PYTHON}
    play = {"vars_files": [str(root / "given/secrets.json")], "vars": there, "tasks": tasks(root)}
    options = ["--diff", "--check"] if mode == "check" else ["--diff"]
    more = {"ANSIBLE_SSH_EXECUTABLE": str(root / "given/ssh"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(root / "ssh")}
    done = site.run_play(play, *options, **{**test_leaks.settings(root, True), **more})
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"observed"' in done.stdout, "otherwise what modules answer does not show, and nothing could leak"
    assert "unreachable=0" in done.stdout
    assert "not removed are hostkey.pem, usercert.pem" in done.stdout + done.stderr
    assert "ignored=0" in done.stdout
    found = places.gather(site, (done.stdout + done.stderr).encode(), journal, traces.Trace.read(root / "given/trace"))
    sought = planted.Needles([*cases.SECRETS, NAME])
    assert places.leaks(found, sought, pipelining=True) == []
    assert NAME in {name for data in found.values() for name in sought.found_in(data)}
