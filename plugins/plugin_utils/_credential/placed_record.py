# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the record of placed credentials: a file of root on the node that lists them with their owners.

A run finds credentials of users who left the list in this record. The node is not trusted: a record without the
expected form counts as damaged, and a record leads to removals on its own node only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from typing import Any, NamedTuple

from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions

__all__ = ["Placement", "Record", "decode", "encode", "file_set", "is_usual", "merged"]

_VERSION = 1
_OWNER = "root"
_MOST = 20_000  # placements
_LONGEST_TEXT = 4096  # characters of a path
_MOST_FINGERPRINTS = 16  # of one placement: the certificate in place, and those that later runs tried to place
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class Placement(NamedTuple):
    """The place of a credential. Paths are as in the options; the node expands ``~``."""

    owner: str
    directory: str
    certificate: str
    privatekey: str
    other_certs: str

    @classmethod
    def of(cls, options: CredentialOptions) -> Placement:
        """Return the placement of a credential that has an owner."""
        paths = (options.cert_path, options.privatekey_path, options.other_certs_path or "")
        return cls(options.owner or "", options.place, *paths)

    @property
    def place(self) -> tuple[str, ...]:
        """Return the directory, the certificate and the private key, without the owner."""
        return self[1:4]

    def removal_set(self, fingerprints: list[str]) -> dict[str, Any]:
        """Return the file set that removes the credential if its certificate has one of the fingerprints."""
        paths = [path for path in (self.privatekey, self.other_certs, self.certificate) if path]
        entries: list[dict[str, Any]] = [{"path": path, "state": "absent", "beside": True} for path in paths]
        entries[-1]["certificates"] = fingerprints
        return {"name": f"purge of {self.owner}", "owner": self.owner, "directory": self.directory, "entries": entries}


# The SHA-256 fingerprints of the certificates that may be in place, the newest last.
Record = dict[Placement, list[str]]


def merged(record: Record, more: Record) -> Record:
    """Return a record with everything that is in either of the two."""
    result = dict(record)
    for placement, fingerprints in more.items():
        known = [fingerprint for fingerprint in record.get(placement, []) if fingerprint not in fingerprints]
        result[placement] = [*known, *fingerprints][-_MOST_FINGERPRINTS:]
    return result


def encode(record: Record) -> bytes:
    """Return the file: JSON with a line for each credential. Equal records have equal digests."""
    lines = [json.dumps({**key._asdict(), "fingerprints": value}) for key, value in sorted(record.items())]
    return "\n".join([f'{{"version": {_VERSION}, "credentials": [', ",\n".join(lines), "]}", ""]).encode()


def decode(data: bytes) -> Record:
    """Read the record of a node.

    :raises ValueError: it does not have the expected form.
    """
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if (
        not isinstance(value, dict)
        or value.get("version") != _VERSION
        or not isinstance(value.get("credentials"), list)
    ):
        raise ValueError("not a record of this version")
    if len(value["credentials"]) > _MOST:
        raise ValueError("too many credentials")
    return dict(map(_decode_line, value["credentials"]))


def is_usual(placement: Placement) -> bool:
    """Return whether a record may have the placement: its fields are printable texts."""
    return all(isinstance(text, str) and len(text) <= _LONGEST_TEXT and text.isprintable() for text in placement)


def _decode_line(line: Any) -> tuple[Placement, list[str]]:
    if not isinstance(line, dict) or set(line) != {*Placement._fields, "fingerprints"}:
        raise ValueError("a credential has other fields")
    placement, fingerprints = Placement(*(line[name] for name in Placement._fields)), line["fingerprints"]
    if not is_usual(placement):
        raise ValueError("a field is no text")
    if not all((placement.owner, placement.directory, placement.certificate, placement.privatekey)):
        raise ValueError("a field is empty")
    if not isinstance(fingerprints, list) or len(fingerprints) > _MOST_FINGERPRINTS:
        raise ValueError("fingerprints are no list, or too many")
    if not all(isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint) for fingerprint in fingerprints):
        raise ValueError("a fingerprint is none")
    return placement, fingerprints


def file_set(path: str, data: bytes, backup: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the file set that makes ``data`` the record at ``path``, and its contents.

    :param backup: whether to keep the file in place as a backup.
    """
    digest = hashlib.sha256(data).hexdigest()
    facts = {"sha256": digest, "size": len(data), "mode": "0600", "secret": True, "backup": backup}
    entries = [
        {"path": ".", "state": "directory", "initial_mode": "0700"},
        {"path": os.path.basename(path), "state": "file", "recall": True, **facts},
    ]
    wanted = {"name": "record of placed credentials", "owner": _OWNER, "directory": os.path.dirname(path)}
    return {**wanted, "entries": entries}, {digest: base64.b64encode(data).decode()}
