# SPDX-License-Identifier: GPL-3.0-or-later
"""Test nodes with a Python that is older than the supported versions.

Some versions of ansible-core refuse such a Python before any code of a module runs, and others do not. The interpreters
are real. They are found in pyenv and in /usr/bin.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support import pki

PYENV = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
MODULES = ["crl_info", "crls", "file_set", "grid_mapfile", "node", "pkcs12_pem", "trust_anchors", "voms_client"]


def interpreter(version: str) -> str:
    """Return the path of a Python that runs, or skip the test. In CI, a missing Python is a failure."""
    for path in [*glob.glob(f"{PYENV}/versions/{version}.*/bin/python{version}"), f"/usr/bin/python{version}"]:
        if shutil.which(path):
            return path
    if os.environ.get("CI"):
        pytest.fail(f"Python {version} is not installed")
    pytest.skip(f"needs Python {version}")


def task(module: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"name": module, f"grid.security.{module}": options, "ignore_errors": True, "register": module}


def tasks(root: Path) -> list[dict[str, Any]]:
    """Return a task for each module, all below ``root``, and a last task that writes their messages."""
    (root / "cas").mkdir()
    (root / "cas/CA.pem").write_bytes(pki.issue("CA", authority=True).pem)
    (root / "cas/CA.crl_url").write_text("http://127.0.0.1:1/ca.crl")
    (root / "alice.p12").write_bytes(pki.issue("alice").archive())
    sources = {"sources": [{"src": str(root / "cas"), "subjects": ["/DC=org/*"]}], "path": str(root / "certificates")}
    archive = {"passphrase": "import", "privatekey_passphrase": "store", "directory": str(root / "globus")}
    entry = {"path": "motd", "content": "hello", "mode": "0644"}
    options: dict[str, dict[str, Any]] = {
        "crl_info": {"path": str(root)},
        "crls": sources,
        "file_set": {"sets": [{"name": "one", "directory": str(root), "entries": [entry]}]},
        "grid_mapfile": {"path": str(root / "grid-mapfile"), "entries": ["/DC=org/CN=Robot robot"]},
        "node": {},
        "pkcs12_pem": {"src": "alice.p12", **archive},
        "trust_anchors": sources,
        "voms_client": {"vos": ["atlas"], "vomses_path": str(root / "vomses"), "vomsdir_path": str(root / "vomsdir")},
    }
    on_node = task("pkcs12_pem", {"src": str(root / "alice.p12"), "remote_src": True, **archive})
    registered = ", ".join([*MODULES, "on_node"])
    said = "{{ [" + registered + "] | map(attribute='msg', default='nothing') | join('\n') }}"
    write = {"ansible.builtin.copy": {"content": said, "dest": str(root / "said")}}
    return [
        *(task(module, options[module]) for module in MODULES),
        {**on_node, "register": "on_node"},
        {**write, "vars": {"ansible_python_interpreter": sys.executable}},
    ]


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8"])
def test_each_module_names_the_version_and_the_remedy(site: Any, version: str) -> None:
    python = interpreter(version)
    variables = {"voms_client_vos": ["atlas"], "ansible_python_interpreter": python}
    done = site.run_play({"tasks": tasks(site.root), "vars": variables}, ANSIBLE_PIPELINING="1")
    assert (site.root / "said").exists(), done.stdout + done.stderr
    lines = (site.root / "said").read_text().splitlines()
    found = rf"Python {re.escape(version)}\.\d+ \({re.escape(python)}\)"
    wanted = re.compile(
        rf"the node has {found}, and .* needs Python 3\.9 or newer.* set ansible_python_interpreter .*\."
    )
    assert [line for line in lines if not wanted.fullmatch(line)] == []
    assert len(lines) == len(MODULES) + 1
    assert "Traceback" not in done.stdout
