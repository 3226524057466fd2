# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as a node that is reached over SSH: a server of our own on loopback, for as long as it is needed."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def running(directory: Path, python: str) -> Iterator[str]:
    """The inventory of one host, for which a server runs meanwhile; its keys and settings lie in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        (directory / name).unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (directory / "authorized").write_bytes((directory / "user.pub").read_bytes())
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where the server wants to give up its rights
    port = _free_port()
    options = ["ListenAddress=127.0.0.1", f"HostKey={directory}/host", f"AuthorizedKeysFile={directory}/authorized"]
    options += ["StrictModes=no", "UsePAM=no", "PidFile=none", "Subsystem=sftp internal-sftp", "PermitRootLogin=yes"]
    options += [f"SetEnv=HOME={directory}"]  # a slow ~/.bashrc of this machine would be paid for in every command
    arguments = [word for option in options for word in ("-o", option)]
    server = subprocess.Popen(
        [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-f", "/dev/null", "-p", str(port), *arguments]
    )
    try:
        _wait_for(port)
        quiet = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        yield (
            f"node ansible_host=127.0.0.1 ansible_port={port} ansible_user={getpass.getuser()}"
            f" ansible_ssh_private_key_file={directory}/user ansible_ssh_common_args='{quiet}'"
            f" ansible_python_interpreter={python}\n"
        )
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _attempt in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as stream:
            if stream.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise SystemExit(f"the SSH server on port {port} does not answer")
