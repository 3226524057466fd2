# SPDX-License-Identifier: GPL-3.0-or-later
"""Run with Mitogen, which serves modules by an import hook in processes that live longer than a task."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support import pki

AUTHORITY = pki.issue("CA", authority=True)
OWNERS = ("daemon", "games", "mail")  # accounts of every Debian system
PASSPHRASE = "import-4711"
OPTIONS = {"passphrase": PASSPHRASE, "privatekey_passphrase": "store-0815", "kdf_iterations": 1000}
LIMIT_OF_CORES = {"ansible.builtin.shell": "prlimit --pid $PPID --core --raw --noheadings --output SOFT,HARD"}
BECOME = ["-e", "ansible_become=true ansible_become_method=sudo ansible_become_user=root"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root places files for other accounts")


@pytest.fixture(name="homes")
def _homes() -> Iterator[Path]:
    """Make a directory that everybody can reach, unlike the directories of pytest."""
    with tempfile.TemporaryDirectory(prefix="gridtest-", dir="/var/lib") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(name="users")
def _users(site: Any, homes: Path) -> list[dict[str, Any]]:
    """Make credentials of three owners, for directories that do not exist yet."""
    users = []
    for name in OWNERS:
        (site.root / f"{name}.p12").write_bytes(pki.issue(name, issuer=AUTHORITY).archive(PASSPHRASE))
        (homes / name).mkdir()
        os.chown(homes / name, pwd.getpwnam(name).pw_uid, -1)
        users.append({"owner": name, "src": f"{name}.p12", "directory": str(homes / name / ".globus"), **OPTIONS})
    return users


def play(site: Any, tasks: list[dict[str, Any]], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tasks with Mitogen."""
    package = util.find_spec("ansible_mitogen")
    assert package and package.submodule_search_locations, "Mitogen is not installed: see tests/requirements.txt"
    plugins = Path(package.submodule_search_locations[0]) / "plugins/strategy"
    strategy = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    done: subprocess.CompletedProcess[str] = site.play(tasks, *options, **strategy)
    return done


def placed(users: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Return the mode and the owner of each file, by the owner of the directory."""
    return {
        user["owner"]: [
            (stat.filemode(path.stat().st_mode), path.owner()) for path in sorted(Path(user["directory"]).iterdir())
        ]
        for user in users
    }


@pytest.mark.parametrize(("remote", "options"), [(False, []), (True, BECOME)], ids=["controller", "remote_src by sudo"])
def test_credentials_of_several_owners(
    site: Any, users: list[dict[str, Any]], remote: bool, options: list[str]
) -> None:
    if remote:
        users = [{**user, "src": str(site.root / user["src"]), "remote_src": True} for user in users]
    task = {"grid.security.pkcs12_pem": {"credentials": users}}
    first, second = play(site, [task], *options), play(site, [task], *options)
    assert "changed=1 " in first.stdout, first.stdout + first.stderr
    assert "changed=0 " in second.stdout
    assert placed(users) == {name: [("-rw-------", name)] * 2 for name in OWNERS}
    assert "changed=0 " in site.play([task]).stdout, "ansible's own strategy finds the same"
    assert [word for word in ("import-4711", "store-0815") if word in first.stdout + first.stderr] == []


def test_errors_are_told_and_others_are_placed(site: Any, homes: Path, users: list[dict[str, Any]]) -> None:
    users[1]["passphrase"] = "wrong"
    (site.root / "stranger.p12").write_bytes(pki.issue("stranger").archive(PASSPHRASE))
    users.append({**users[0], "owner": "nobody-of-this-name", "src": "stranger.p12"})
    done = play(site, [{"grid.security.pkcs12_pem": {"credentials": users}}])
    said = done.stdout + done.stderr
    assert '"error_code": "wrong_passphrase"' in said
    assert "there is no account 'nobody-of-this-name'" in said
    assert "killed" not in said
    assert sorted(path.parent.name for path in homes.glob("*/.globus")) == ["daemon", "mail"]


def test_a_whole_node(site: Any, users: list[dict[str, Any]]) -> None:
    (site.root / "ca.pem").write_bytes(AUTHORITY.pem)
    variables = {
        "user_credentials": users,
        "trust_anchors_sources": [{"src": "ca.pem", "subjects": ["/DC=org/*"]}],
        "trust_anchors_path": str(site.root / "certificates"),
        "voms_client_vos": ["atlas"],
        "voms_client_vomses_path": str(site.root / "vomses"),
        "voms_client_vomsdir_path": str(site.root / "vomsdir"),
    }
    task = {"grid.security.node": {}, "vars": variables}
    first, second = play(site, [task]), play(site, [task])
    assert "changed=1 " in first.stdout, first.stdout + first.stderr
    assert "changed=0 " in second.stdout
    assert placed(users) == {name: [("-rw-------", name)] * 2 for name in OWNERS}


def test_nothing_of_a_module_stays_in_mitogen_s_process(site: Any, users: list[dict[str, Any]]) -> None:
    """Check that modules run in another process: Mitogen's own process still allows core dumps."""
    site.prefix.extend(["prlimit", "--core=4711:4711"])
    done = play(site, [{"grid.security.pkcs12_pem": users[0]}, LIMIT_OF_CORES])
    assert "changed=2 " in done.stdout, done.stdout + done.stderr
    assert "4711 4711" in done.stdout
