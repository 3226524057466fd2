# SPDX-License-Identifier: GPL-3.0-or-later
"""Search the passphrases of a list of users in the output of one task, and of a loop. One passphrase is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.tests.support import pki

SECRETS = ("Import-of-alice", "Wrong-of-bob", "Store-of-alice", "Store-of-bob")
OPTIONS = ("src", "directory", "passphrase", "privatekey_passphrase", "kdf_iterations")


@pytest.fixture(name="users")
def _users(site: Any) -> list[dict[str, Any]]:
    users = []
    for name, given in (("alice", "Import-of-alice"), ("bob", "Wrong-of-bob")):
        (site.root / f"{name}.p12").write_bytes(pki.issue(name).archive(f"Import-of-{name}"))
        own = {"src": f"{name}.p12", "directory": str(site.root / "homes" / name)}
        users.append({**own, "passphrase": given, "privatekey_passphrase": f"Store-of-{name}", "kdf_iterations": 1000})
    return users


def run(site: Any, users: list[dict[str, Any]], task: dict[str, Any]) -> str:
    """Return the output of a run that fails for bob only."""
    play = {"vars": {"users": users}, "tasks": [task]}
    output = site.run_play(play)
    assert output.returncode != 0
    assert (site.root / "homes/alice/userkey.pem").exists()
    assert not (site.root / "homes/bob").exists()
    return str(output.stdout + output.stderr)


def loop(**more: Any) -> dict[str, Any]:
    options = {name: f"{{{{ item.{name} }}}}" for name in OPTIONS}
    return {"grid.security.pkcs12_pem": options, "loop": "{{ users }}", **more}


def seen(output: str) -> set[str]:
    return {secret for secret in SECRETS if secret in output}


def test_a_list_in_one_task_shows_no_passphrase(site: Any, users: list[dict[str, Any]]) -> None:
    output = run(site, users, {"grid.security.pkcs12_pem": {"credentials": "{{ users }}"}})
    assert seen(output) == set()
    assert "bob.p12: the import passphrase is wrong" in output


def test_a_loop_shows_no_passphrase_with_no_log_only(site: Any, users: list[dict[str, Any]]) -> None:
    """Check the documentation about Ansible: a label does not hide items."""
    assert seen(run(site, users, loop())) == set(SECRETS)
    assert seen(run(site, users, loop(loop_control={"label": "{{ item.src }}"}))) == set(SECRETS)
    assert seen(run(site, users, loop(no_log=True))) == set()
