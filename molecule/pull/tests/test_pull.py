# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the same playbook by ansible-pull on a node, and by ansible-runner. A push then changes nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from scenario import CERTIFICATES, INVENTORY, PKI, ROOT, site
from testinfra.host import Host

testinfra_hosts = ["ansible://wn2"]

SSH_CONFIG = ROOT / "build/cluster/ssh_config"
PLAYBOOK = "- import_playbook: grid.security.site\n"


def forget(host: Host) -> None:
    """Remove the files that the site placed for all users of the node."""
    with host.sudo():
        host.check_output("rm -rf %s /etc/vomses /etc/grid-security/vomsdir", CERTIFICATES)


def send(files: dict[str, bytes], directory: str) -> None:
    """Write files to a new directory of wn2."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    unpack = f"rm -rf {directory} && mkdir {directory} && tar -xC {directory}"
    subprocess.run(["ssh", "-F", SSH_CONFIG, "wn2", unpack], input=packed.getvalue(), check=True)


def settings() -> dict[str, Any]:
    """Return the variables of the parts that need no passphrase, because nodes have no passphrases."""
    command = ["ansible-inventory", "--inventory", INVENTORY, "--host", "wn2"]
    pushed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (source,) = pushed["trust_anchors_sources"]
    return {
        "trust_anchors_sources": [{**source, "src": "ca.pem"}],
        "crl_updates_source": pushed["crl_updates_source"],
        "voms_client_vos": pushed["voms_client_vos"],
        "ansible_connection": "local",
    }


def test_ansible_pull(host: Host) -> None:
    forget(host)
    (collection,) = (ROOT / "build").glob("grid-security-*.tar.gz")
    files = {"site.yml": PLAYBOOK.encode(), "files/ca.pem": (PKI / "ca.pem").read_bytes()}
    files["inventory.json"] = json.dumps({"all": {"hosts": {"wn2": settings()}}}).encode()
    send(files, "/tmp/site")
    send({"collection.tar.gz": collection.read_bytes()}, "/tmp/collection")
    host.check_output(
        "cd /tmp/site && git init --quiet && git add --all"
        " && git -c user.name=site -c user.email=site@example.org commit --quiet --message site"
    )
    with host.sudo():
        host.check_output("ansible-galaxy collection install --force /tmp/collection/collection.tar.gz")
        host.check_output("git config --global --replace-all safe.directory '*'")
        pulled = host.check_output("ansible-pull --url /tmp/site --inventory inventory.json --limit wn2 site.yml 2>&1")
    assert "failed=0 " in pulled
    assert set(site().changed.values()) == {0}


def test_ansible_runner(host: Host, tmp_path: Path) -> None:
    forget(host)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/site.yml").write_text(PLAYBOOK)
    shutil.copytree(INVENTORY, tmp_path / "inventory")
    (tmp_path / "env").mkdir()
    arguments = f"-F '{SSH_CONFIG}'"
    (tmp_path / "env/extravars").write_text(json.dumps({"ansible_ssh_common_args": arguments}))
    command = (
        f"ansible-runner transmit {tmp_path} -p site.yml | ansible-runner worker | ansible-runner process {tmp_path}"
    )
    run = subprocess.run(
        ["sh", "-c", command], env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(site().changed.values()) == {0}
