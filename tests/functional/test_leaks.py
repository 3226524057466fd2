# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted passphrases and keys are looked for wherever a run may leave something."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.support import pki

IMPORT, STORE, WRONG = "planted-import-4711", "planted-store-0815", "planted-wrong-1234"


@pytest.fixture(scope="module", name="journal")
def _journal() -> Iterator[list[bytes]]:
    """What modules say to syslog: caught at its socket, unless a daemon listens there already."""
    messages: list[bytes] = []
    path = Path("/dev/log").resolve()  # where systemd is installed and does not run, a link to nothing
    if os.geteuid() != 0 or path.exists():
        yield messages
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        path.parent.mkdir(parents=True, exist_ok=True)
        server.bind(str(path))
        server.settimeout(0.2)
        done = threading.Event()
        reader = threading.Thread(target=_collect, args=(server, messages, done))
        reader.start()
        try:
            yield messages
        finally:
            done.set()
            reader.join()
            path.unlink()


def _collect(server: socket.socket, messages: list[bytes], done: threading.Event) -> None:
    while not done.is_set():
        try:
            messages.append(server.recv(1 << 20))
        except TimeoutError:
            continue


def secrets_of(one: pki.Credential, placed: list[Path]) -> list[bytes]:
    """Passphrases, the private key's DER in Base64 at any offset, and every line of the encrypted key."""
    der = one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    found = [word.encode() for word in (IMPORT, STORE, WRONG)] + [der[40:60]]
    found += [base64.b64encode(der[40 + offset : 70 + offset])[:36] for offset in range(3)]
    for path in placed:
        found += [line for line in path.read_bytes().splitlines() if re.fullmatch(rb"[A-Za-z0-9+/]{64}", line)]
    return found


def traces(site: Any, output: subprocess.CompletedProcess[str], journal: list[bytes]) -> dict[str, bytes]:
    places = {"output": (output.stdout + output.stderr).encode(), "journal": b"\n".join(journal)}
    roots = [site.root / "controller-tmp", site.root / "node-tmp", site.root / "saved"]
    for path in [site.root / "ansible.log", *(path for root in roots for path in root.rglob("*"))]:
        if path.is_file():
            places[str(path.relative_to(site.root))] = path.read_bytes()
    return places


CASES: dict[str, tuple[dict[str, Any], list[str], bool]] = {
    "placed": ({}, [], True),
    "placed with diff": ({}, ["--diff"], True),
    "check mode": ({}, ["--check", "--diff"], True),
    "converted on the node": ({"remote_src": True}, ["--diff"], True),
    "wrong passphrase": ({"passphrase": WRONG}, ["--diff"], False),
    "wrong passphrase on the node": ({"passphrase": WRONG, "remote_src": True}, ["--diff"], False),
    "no such directory": ({"directory": "/proc/nowhere/.globus"}, [], False),
    "no such option": ({"pass_phrase": STORE}, [], False),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("as_list", [False, True], ids=["single", "list"])
def test_nothing_secret_is_left_anywhere(site: Any, journal: list[bytes], case: str, as_list: bool) -> None:
    changes, options, succeeds = CASES[case]
    one = pki.issue()
    (site.root / "alice.p12").write_bytes(one.archive(IMPORT))
    home = site.root / "home"
    arguments = {"src": str(site.root / "alice.p12"), "directory": str(home), "passphrase": IMPORT}
    arguments = {**arguments, "privatekey_passphrase": STORE, **changes}
    tasks = [
        {
            "grid.security.pkcs12_pem": {"credentials": [arguments]} if as_list else arguments,
            "register": "result",
            "ignore_errors": True,
        },
        {"ansible.builtin.debug": {"var": "result"}},
        {"ansible.builtin.command": f"cp -r {site.root}/controller-tmp {site.root}/saved", "check_mode": False},
        {"ansible.builtin.fail": {"msg": "the task failed"}, "when": "result is failed"},
    ]
    output = site.play(tasks, *options)
    assert (output.returncode == 0) is succeeds, output.stdout
    places = traces(site, output, journal)
    assert len(places) > 3
    for secret in secrets_of(one, []):
        assert [name for name, text in places.items() if secret in text] == []
    visible = {name: text for name, text in places.items() if not name.startswith("saved")}
    for line in secrets_of(one, [path for path in [home / "userkey.pem"] if path.exists()]):
        assert [name for name, text in visible.items() if line in text] == []
