# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add CAs to the system's trust store: the directory for additional CAs on each platform, and its update command.

macOS is supported as Apple's manual of ``security`` describes it. No test runs on macOS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Send
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory

if TYPE_CHECKING:
    from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["NAME", "detect", "directory", "refresh"]

NAME = "system trust store"
_PREFIX = "grid-security-"  # of the names of this collection's files
_KEYCHAIN = "/Library/Keychains/System.keychain"


@dataclass(frozen=True)
class _Platform:
    """A family of systems.

    :param directory: for additional CAs. :param ending: of the files in it.
    :param bundle: the file that the update command writes.
    :param command: the update command; empty on macOS, which has a command for each CA.
    :param package: the package with the command.
    """

    directory: str
    ending: str
    bundle: str | None
    command: list[str]
    package: str


_PLATFORMS = {
    # update-ca-certificates(8)
    "Debian": _Platform(
        "/usr/local/share/ca-certificates",
        ".crt",
        "/etc/ssl/certs/ca-certificates.crt",
        ["update-ca-certificates"],
        "ca-certificates",
    ),
    # update-ca-trust(8)
    "RedHat": _Platform(
        "/etc/pki/ca-trust/source/anchors",
        ".pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        ["update-ca-trust", "extract"],
        "ca-certificates",
    ),
    "Darwin": _Platform("/Library/Application Support", ".pem", None, [], "macOS"),
}


def detect(action: GridAction) -> str:
    """Return the node's family of systems, from the known facts or from the node.

    :raises GridSecurityError: ``unsupported_system``.
    """
    family = action.task_vars.get("ansible_facts", {}).get("os_family")
    if family is None:
        arguments = {"gather_subset": ["!all", "min"], "filter": ["ansible_os_family"]}
        result = action.execute("ansible.builtin.setup", arguments)
        family = result.get("ansible_facts", {}).get("ansible_os_family")
    if family not in _PLATFORMS:
        raise GridSecurityError(
            "unsupported_system",
            f"system_store: the trust store of {family or 'this system'} is not known. Known are those of"
            f" {', '.join(_PLATFORMS)}. Leave system_store out, and use bundle_path.",
        )
    return str(family)


def directory(family: str, anchors: list[Anchor], pem: dict[str, bytes]) -> ManagedDirectory:
    """Return the directory of additional CAs, with a file for each CA. :param pem: certificates by alias."""
    platform = _PLATFORMS[family]
    wanted = {
        f"{_PREFIX}{anchor.alias}{platform.ending}": file_facts.of_file(pem[anchor.alias], anchor.fingerprint)
        for anchor in anchors
    }
    patterns = [f"{_PREFIX}*{platform.ending}"]
    return ManagedDirectory(NAME, platform.directory, patterns, wanted, [], platform.bundle)


def refresh(action: GridAction, family: str, changed: ManagedDirectory, found: Facts, send: Send) -> None:
    """Run the system's update command, and check that the system has the CAs afterwards.

    :param changed: of :func:`directory`. :param found: the files of the directory before it was changed.
    :raises GridSecurityError: ``command_failed`` or ``not_in_system_store``.
    """
    platform = _PLATFORMS[family]
    for command in [platform.command] if platform.command else _keychain_commands(changed, found):
        _run(action, command, platform.package)
    _check_bundle(changed, send)


def _run(action: GridAction, command: list[str], package: str) -> None:
    result = action.execute("ansible.builtin.command", {"argv": command})
    if result.get("failed"):
        cause = result.get("stderr") or result.get("msg")
        raise GridSecurityError(
            "command_failed",
            f"system_store: {' '.join(command)} failed: {cause}. Install {package}, or fix the cause, then run again.",
        )


def _check_bundle(changed: ManagedDirectory, send: Send) -> None:
    outcomes = send([changed.compare_set], {})
    managed_directory.raise_failure(outcomes)
    missing = outcomes[0].get("missing")
    if missing:
        raise GridSecurityError(
            "not_in_system_store",
            f"{changed.bundle} lacks {', '.join(missing)} although the update command succeeded. Look for rules of the"
            " system that exclude them.",
        )


def _keychain_commands(changed: ManagedDirectory, found: Facts) -> list[list[str]]:
    """Return the commands of macOS, security(1): CAs are added by file and removed by fingerprint."""
    before = {facts.get("certificate") for facts in found.values()}
    after = {facts["certificate"]: name for name, facts in changed.wanted.items()}
    add = ["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _KEYCHAIN]
    added = [[*add, f"{changed.path}/{name}"] for fingerprint, name in after.items() if fingerprint not in before]
    gone = sorted(str(fingerprint).replace(":", "") for fingerprint in before - set(after) if fingerprint)
    return added + [["security", "delete-certificate", "-t", "-Z", digest, _KEYCHAIN] for digest in gone]
