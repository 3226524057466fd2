# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's trust store: where each platform wants additional CAs, and how it takes them up.

macOS is written after Apple's manual of ``security``; no test here can run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.plugin_utils._action import places
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts, Place, file_facts

if TYPE_CHECKING:
    from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["NAME", "detect", "place", "refresh"]

NAME = "system trust store"
_PREFIX = "grid-security-"  # by which our files are known among those of others
_KEYCHAIN = "/Library/Keychains/System.keychain"


@dataclass(frozen=True)
class Platform:
    """:param bundle: what the update command writes. :param command: the update command; macOS has one for each CA."""

    directory: str
    ending: str
    bundle: str | None
    command: list[str]
    package: str


_PLATFORMS = {
    # update-ca-certificates(8)
    "Debian": Platform(
        "/usr/local/share/ca-certificates",
        ".crt",
        "/etc/ssl/certs/ca-certificates.crt",
        ["update-ca-certificates"],
        "ca-certificates",
    ),
    # update-ca-trust(8)
    "RedHat": Platform(
        "/etc/pki/ca-trust/source/anchors",
        ".pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        ["update-ca-trust", "extract"],
        "ca-certificates",
    ),
    "Darwin": Platform("/Library/Application Support", ".pem", None, [], "macOS"),
}


def detect(action: GridAction) -> str:
    """The node's family of systems, from facts if they are known, or else asked for.

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
            f"system_store: the trust store of {family or 'this system'} is not known here, but of"
            f" {', '.join(_PLATFORMS)}. Leave system_store out, and use bundle_path.",
        )
    return str(family)


def place(family: str, anchors: list[Anchor], pem: dict[str, bytes]) -> Place:
    """The directory of additional CAs, with one file for each. :param pem: certificates by alias."""
    platform = _PLATFORMS[family]
    wanted = {f"{_PREFIX}{one.alias}{platform.ending}": file_facts(pem[one.alias], one.fingerprint) for one in anchors}
    patterns = [f"{_PREFIX}*{platform.ending}"]
    return Place(NAME, platform.directory, patterns, wanted, [], platform.bundle)


def refresh(action: GridAction, family: str, changed: Place, found: Facts) -> Conversation:
    """Let the system take up what was placed, and see that it did. :param found: what was there before.

    :raises GridSecurityError: ``command_failed`` or ``not_in_system_store``.
    """
    platform = _PLATFORMS[family]
    for command in [platform.command] if platform.command else _keychain_commands(changed, found):
        result = action.execute("ansible.builtin.command", {"argv": command})
        if result.get("failed"):
            said = result.get("stderr") or result.get("msg")
            raise GridSecurityError(
                "command_failed",
                f"system_store: {' '.join(command)} failed: {said}. Install {platform.package}, or mend what it says,"
                " then run again.",
            )
    (after,) = yield Request([places.compare_set(changed)])
    places.raise_failure([after])
    if after.get("missing"):
        raise GridSecurityError(
            "not_in_system_store",
            f"{changed.bundle} lacks {', '.join(after['missing'])} although it was made anew. Look for rules of the"
            " system that exclude them.",
        )


def _keychain_commands(changed: Place, found: Facts) -> list[list[str]]:
    """security(1): additions by file, removals by fingerprint."""
    before = {one.get("certificate") for one in found.values()}
    after = {one["certificate"]: name for name, one in changed.wanted.items()}
    add = ["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _KEYCHAIN]
    added = [[*add, f"{changed.directory}/{name}"] for fingerprint, name in after.items() if fingerprint not in before]
    gone = sorted(str(one).replace(":", "") for one in before - set(after) if one)
    return added + [["security", "delete-certificate", "-t", "-Z", one, _KEYCHAIN] for one in gone]
