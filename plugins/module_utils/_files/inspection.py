# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the functions that look into files for the engine. The engine itself knows no file format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Callable

__all__ = ["Inspectors"]


@dataclass(frozen=True)
class Inspectors:
    """Functions on the content of a file. The fields of entries and manifests say which function looks into a file.

    :param public_part: return the part of the content that the controller may see, or nothing. It serves ``observe``,
        and diffs of another user's files.
    :param fingerprint: return the fingerprint that ``certificates`` lists for the content, or None.
    :param describe_key: return facts about a private key that may be told. It serves ``privatekey``.
    :param is_encrypted_key: tell whether the content is an encrypted private key. It serves ``beside``.
    :param holds_private_key: tell whether the content must not leave the node. It serves ``recall`` and manifests.
    :param describe_file: return facts about a file of a directory that is compared by a manifest.
    :param describe_linked: return facts about a file to which a link in the same directory leads.
    :param fingerprints: return the value of ``certificate`` in the facts for each certificate of the content.
    :param largest_key: the size in bytes up to which a private key is read.
    """

    public_part: Callable[[bytes], bytes]
    fingerprint: Callable[[bytes], str | None]
    describe_key: Callable[[bytes], dict[str, Any]]
    is_encrypted_key: Callable[[bytes], bool]
    holds_private_key: Callable[[bytes], bool]
    describe_file: Callable[[bytes], dict[str, Any]]
    describe_linked: Callable[[bytes], dict[str, Any]]
    fingerprints: Callable[[bytes], Iterable[str | None]]
    largest_key: int
