# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests and the integration target pkcs12_pem over versions of ansible-core, cryptography and Python.

Each row is a controller (Python, ansible-core, cryptography) and the Python of a node. The node has the same
cryptography, for ``remote_src``. Interpreters are found on PATH and in pyenv. The tests of nodes with a Python that
is too old run with each ansible-core except the newest. ``make functional`` runs them with the newest.
"""

from __future__ import annotations

import glob
import itertools
import os
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build/collections/ansible_collections/grid/security"
CONTROLLERS = {"3.10": "==2.16.*", "3.11": "==2.19.*", "3.13": ""}
CRYPTOGRAPHY = ["==36.0.1", "==38.0.4", "==43.*", ""]
NODES = ["3.9", "3.11", "3.13"]
CORNERS = {("3.10", "==36.0.1", "3.9"), ("3.13", "", "3.11")}

pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
os.environ["PATH"] = os.pathsep.join([*sorted(glob.glob(f"{pyenv}/versions/*/bin")), os.environ["PATH"]])
nox.options.envdir = str(ROOT / "build/matrix")
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True  # a missing interpreter fails, so that no row is left out


def rows() -> list[nox.param]:
    combinations = itertools.product(CONTROLLERS, CRYPTOGRAPHY, NODES)
    return [
        nox.param(
            controller,
            cryptography,
            node,
            id=f"core{CONTROLLERS[controller] or '-newest'}-cryptography{cryptography or '-newest'}-node{node}",
            tags=["corners"] if (controller, cryptography, node) in CORNERS else [],
        )
        for controller, cryptography, node in combinations
    ]


@nox.session
@nox.parametrize(["python", "cryptography", "node"], rows())
def matrix(session: nox.Session, cryptography: str, node: str) -> None:
    core = CONTROLLERS[str(session.python)]
    tools = ["cryptography-vectors", "pytest", "pytest-xdist"]
    session.install(f"ansible-core{core}", f"cryptography{cryptography}", *tools)
    interpreter = Path(session.virtualenv.location) / f"node-{node}"
    session.run(f"python{node}", "-m", "venv", str(interpreter), external=True)
    session.run(str(interpreter / "bin/pip"), "install", "--quiet", f"cryptography{cryptography}", external=True)
    session.env["PYTHONPATH"] = session.env["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "build/collections")
    session.env["ANSIBLE_ROLES_PATH"] = str(TREE / "tests/integration/targets")
    if core or cryptography:  # `make unit` runs them with the newest of both; they do not use the Python of the node
        session.run("pytest", "-q", "-n", "auto", "-c", str(ROOT / "pyproject.toml"), str(TREE / "tests/unit"))
    if core:  # each ansible-core refuses other old versions of Python; `make functional` tests the newest
        test = TREE / "tests/functional/test_old_python.py"
        session.run("pytest", "-q", "-n", "auto", "-c", str(ROOT / "pyproject.toml"), str(test))
    host = f"localhost ansible_connection=local ansible_python_interpreter={interpreter}/bin/python"
    inventory = Path(session.virtualenv.location) / f"inventory-{node}"
    inventory.write_text(host + "\n")
    session.run("ansible-playbook", "-i", str(inventory), str(TREE / "tests/support/target.yml"))
