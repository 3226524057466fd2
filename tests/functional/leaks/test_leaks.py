# SPDX-License-Identifier: GPL-3.0-or-later
"""Search planted passphrases and keys in all places of a run, also in places that exist for a moment only."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.functional.leaks import cases, places, planted, traces

SOMEBODY = "nobody"
PYTHON = "/usr/bin/python3"  # executable for everybody: the virtual environment may use a Python of root


def settings(root: Path, pipelining: bool) -> dict[str, str]:
    """Return the environment of a run that keeps everything that Ansible can keep."""
    return {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(root / "facts"),
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit,ansible.builtin.tree",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_CALLBACK_TREE_DIR": str(root / "tree"),
        "ANSIBLE_PIPELINING": str(int(pipelining)),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(root / "given/vault-password"),
        "JUNIT_OUTPUT_DIR": str(root / "junit"),
    }


def needles(root: Path) -> planted.Needles:
    """Return the planted secrets, and the lines of the encrypted stored keys."""
    sought = planted.Needles(cases.SECRETS)
    for path in root.glob("home/**/userkey.pem"):
        sought.add_lines("stored-key", path.read_bytes())
    return sought


@pytest.mark.parametrize("pipelining", [False, True], ids=["payload files", "pipelining"])
@pytest.mark.parametrize("mode", ["real", "check", "become"])
def test_nothing_secret_is_left_anywhere(site: Any, journal: list[bytes] | None, mode: str, pipelining: bool) -> None:
    more = {}
    if mode == "become":
        if os.geteuid() != 0:
            pytest.skip("only root can become somebody else without a password")
        more = {"become": True, "become_user": SOMEBODY, "vars": {"ansible_python_interpreter": PYTHON}}
        os.chown(site.root / "home", pwd.getpwnam(SOMEBODY).pw_uid, -1)
    play = cases.play(site.root / "given", site.root / "home", **more)
    options = ["--diff", "--check"] if mode == "check" else ["--diff"]
    done = site.run_play(play, *options, **settings(site.root, pipelining))
    assert done.returncode == 0, done.stdout + done.stderr
    trace = traces.Trace.read(site.root / "given/trace")
    found = places.gather(site, (done.stdout + done.stderr).encode(), journal, trace)
    searched = places.counted(found)
    print(mode, pipelining, trace.programs, searched)
    assert min(searched[kind] for kind in ("written", "left", "output", "arguments", "environment")) > 0
    assert {"ansible.log", "localhost"} <= {os.path.basename(place) for place in found}
    assert journal is None or b"grid.security.pkcs12_pem: Invoked" in found["journal"]
    sought = needles(site.root)
    assert places.leaks(found, sought, pipelining) == []
    # Allowed secrets are found, so the search works.
    seen = {name for data in found.values() for name in sought.found_in(data)}
    assert "stored-key" in seen or mode == "check"
    assert {"host-key", "host-token"} <= seen or mode == "check"
    assert ("node-import" in seen) is not pipelining
