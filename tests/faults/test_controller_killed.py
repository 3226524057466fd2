# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill ansible-playbook and all its processes at each new file in a temporary directory of controller or node.

Ansible removes these directories at its end, but not if it is killed. So they must contain nothing that opens a
credential, and nothing that others may read.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.faults.conftest import LONG
from ansible_collections.grid.security.tests.support import pki

IMPORT, STORE, VAULT = "planted-import-4711", "planted-store-0815", "planted-vault-1234"
MARK = "GRID_SECURITY_TEST_RUN"  # in the environment of all processes of a run
TEMPORARY = ("controller", "node", "tmp")
MOST = 40  # the most files of a run; it makes about eight


def start(root: Path, arguments: dict[str, Any], pipelining: bool) -> subprocess.Popen[bytes]:
    """Start a run."""
    tasks = [{"grid.security.pkcs12_pem": arguments}]
    (root / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    (root / "hosts").write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    (root / "vault").write_text(VAULT)
    for name in TEMPORARY:
        (root / name).mkdir()
    settings = {
        MARK: str(root),
        "TMPDIR": str(root / "tmp"),
        "ANSIBLE_LOCAL_TEMP": str(root / "controller"),
        "ANSIBLE_REMOTE_TMP": str(root / "node"),
        "ANSIBLE_PIPELINING": str(int(pipelining)),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(root / "vault"),
    }
    command = ["ansible-playbook", "-i", "hosts", "play.json"]
    with open(root / "output", "wb") as output:
        return subprocess.Popen(command, cwd=root, env={**os.environ, **settings}, stdout=output)


def files(root: Path) -> set[Path]:
    return {path for name in TEMPORARY for path in (root / name).rglob("*") if path.is_file()}


def killed_at_file(root: Path, run: subprocess.Popen[bytes], number: int) -> bool:
    """Kill the run and its processes when it has made ``count`` files. Return False if it makes fewer files."""
    seen: set[Path] = set()
    while run.poll() is None and len(seen) < number:
        seen |= files(root)
    while processes := list(processes_of(root)):
        for process in processes if len(seen) >= number else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        run.poll()
        time.sleep(0.01)
    return len(seen) >= number


def processes_of(root: Path) -> Iterator[int]:
    """Return the living processes with the mark of a run."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={root}\0".encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


def secrets_of(one: pki.Credential, archive: bytes) -> list[bytes]:
    """Return the secrets of the credential as text, in Base64, and in the Base64 of PEM, as contents are sent."""
    pem, der = (
        one.key.private_bytes(form, PrivateFormat.PKCS8, NoEncryption()) for form in (Encoding.PEM, Encoding.DER)
    )
    words = [word.encode() for word in (IMPORT, STORE, VAULT)]
    return [form for secret in (*words, der[30:], pem[30:-30], archive) for form in forms(secret)]


def forms(secret: bytes) -> list[bytes]:
    """Return the first bytes, and their Base64 at each possible offset."""
    return [secret[:40]] + [base64.b64encode(secret[offset:48])[:-4].rstrip(b"=") for offset in range(3)]


CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "encrypted": ({"privatekey_passphrase": STORE}, False),
    "unencrypted, with pipelining": ({"encrypt_privatekey": False}, True),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_opens_a_credential_is_left(room: Path, case: str, count: Any) -> None:
    options, pipelining = CASES[case]
    one = pki.issue()
    archive = one.archive(IMPORT)
    secrets, step = secrets_of(one, archive), 1 if LONG else 2
    for number in range(step, MOST, step):
        root = room.parent / str(number)
        root.mkdir()
        (root / "alice.p12").write_bytes(VaultLib([("default", VaultSecret(VAULT.encode()))]).encrypt(archive))
        arguments = {"src": "alice.p12", "directory": str(root / "home"), "passphrase": IMPORT, **options}
        reached = killed_at_file(root, start(root, arguments, pipelining), number)
        left = files(root)
        assert [path for path in left if any(secret in path.read_bytes() for secret in secrets)] == []
        assert [path for path in left if not is_private(path, root)] == []
        if not reached:
            break
    assert not reached
    assert left == set()
    assert (root / "home/userkey.pem").exists(), (root / "output").read_text()
    count("controllers killed", number // step - 1)


def is_private(path: Path, root: Path) -> bool:
    """Return whether no other account can reach the path."""
    above = [one for one in (path, *path.parents) if one.is_relative_to(root) and one != root]
    return any(not stat.S_IMODE(one.stat().st_mode) & 0o077 for one in above)
