# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether a node is as its variables say. Each problem names the owner, the file and the date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed

__all__ = ["certificates", "mistake", "of_crls", "of_freshness", "of_parts", "result"]

Result = dict[str, Any]

_TRUST_DIRECTORY = "trust anchors"  # the name of this place in the part
_ITEM = "- "  # of a list in a message
_PLACE = re.compile(r"^\w+\[\d+\]")  # such as user_credentials[2]


def of_parts(parts: dict[str, Result], days_left: dict[str, int]) -> Iterator[str]:
    """Yield the problems of each part.

    :param parts: the results of the parts in check mode, by role.
    :param days_left: by role, the days for which a certificate must be valid.
    """
    told: set[str] = set()
    for role, part in parts.items():
        if "credentials" in part:
            credentials, days = part["credentials"], days_left.get(role, 0)
            told.update(mistake(credential["msg"]) for credential in credentials if credential.get("failed"))
            yield from (line for credential in credentials for line in _of_credential(credential, days))
            yield from (service["reason"] for service in part.get("services", []) if service["owed"])
            yield from _of_failure(part)
            yield from (
                f"{purged['owner']}: no longer listed: {', '.join(purged['paths'])}"
                for purged in part.get("purged", [])
            )
            continue
        yield from (f"{role}: {line}" for line in _failures(part) if mistake(line) not in told)
        if part.get("changed"):
            yield f"{role}: {'; '.join(_DIFFERENCES[role](part))}"


def _of_failure(part: Result) -> Iterator[str]:
    """Return the failures of a part with credentials that are no failures of its credentials."""
    told = {credential["msg"] for credential in part["credentials"] if credential.get("failed")}
    return (line for line in _failures(part) if line not in told)


def _failures(part: Result) -> list[str]:
    """Return the lines of the message of a failed part. A first line that only counts the others is left out."""
    lines = part["msg"].splitlines() if part.get("failed") else []
    counted = len(lines) > 1 and lines[1].startswith(_ITEM)
    return [line.removeprefix(_ITEM) for line in lines[counted:]]


def mistake(line: str) -> str:
    """Return a line about an item of a list without the name of the list: two parts may have the same items."""
    return _PLACE.sub("", line.removeprefix(_ITEM))


def _of_credential(credential: Result, days: int) -> Iterator[str]:
    if credential.get("failed"):
        yield str(credential["msg"])
    elif credential["changed"]:
        yield from credential["differences"]
    days_left = credential.get("days_left", days)
    if days_left < days:
        until = credential["not_after"][:10]
        yield f"{_named(credential)}: valid until {until}, for {days_left} days, and {days} are wanted"


def _named(credential: Result) -> str:
    """Return the owner and the file of a credential."""
    path = str(credential["cert_path"])
    return f"{credential['owner']}: {path}" if credential["owner"] else path


def _of_trust_anchors(part: Result) -> Iterator[str]:
    named = {"missing": "added", "unwanted": "removed", "another certificate": "replaced"}
    told = [key for key in named.values() if part[key]]
    for what, key in named.items():
        if key in told:
            yield f"{what}: {listed([anchor['alias'] for anchor in part[key]])}"
    places = [place for place in part["places"] if place != _TRUST_DIRECTORY or not (told or part["files"])]
    differing = [*part["files"], *places]
    if differing:
        yield f"differing: {listed(differing)}"


def _of_vos(part: Result) -> Iterator[str]:
    yield from (f"{vo['name']} ({', '.join(vo['changes'])})" for vo in part["vos"] if vo["changed"])


def _of_mapfile(part: Result) -> Iterator[str]:
    for what, key in (("missing", "added"), ("unwanted", "removed")):
        if part[key]:
            yield f"{what}: {listed(part[key])}"
    if not part["added"] and not part["removed"]:
        yield "order, owner or mode of the file"


_DIFFERENCES = {"trust_anchors": _of_trust_anchors, "voms_client": _of_vos, "grid_mapfile": _of_mapfile}


def certificates(parts: dict[str, Result]) -> list[dict[str, str]]:
    """Return the certificates that the node should have, as ``grid.security.crl_info`` takes them."""
    return [{name: credential[name] for name in _IDENTITY} for credential in _known(parts)]


_IDENTITY = ("issuer_dn", "serial_number")


def _known(parts: dict[str, Result]) -> list[Result]:
    """Return the credentials whose certificate is known."""
    credentials = [credential for part in parts.values() for credential in part.get("credentials", [])]
    return [credential for credential in credentials if "serial_number" in credential]


def of_crls(answer: Result, parts: dict[str, Result]) -> Iterator[str]:
    """Yield the certificates that a CRL of the node revokes. :param answer: of ``grid.security.crl_info``."""
    revoked = {_identity(revocation): revocation for revocation in answer["revoked"]}
    for credential in _known(parts):
        revocation = revoked.get(_identity(credential))
        if revocation:
            date, file = revocation["revoked_on"][:10], revocation["file"]
            yield f"{_named(credential)}: {credential['subject_dn']} was revoked on {date}, says {file}"


def _identity(found: Result) -> tuple[Any, ...]:
    return tuple(found[name] for name in _IDENTITY)


def of_freshness(answer: Result) -> Iterator[str]:
    """Yield the CRLs that are missing, or not valid for long enough. :param answer: of ``grid.security.crl_info``."""
    yield from (_of_crl(crl) for crl in answer["crls"] if crl["state"] != "fresh" and not crl["excluded"])


def _of_crl(crl: Result) -> str:
    until = f", valid until {crl['next_update']}" if crl["next_update"] else ""
    return f"CRL of {crl['alias']}: {crl['state']}{until}: {crl['file'] or 'no file'}"


def result(problems: list[str], warnings: list[str]) -> Result:
    """Return the task's result. It is failed if there is a problem."""
    found: Result = {"changed": False, "problems": problems, "warnings": warnings}
    if problems:
        lines = ["The node is not as its variables say:", *(f"{_ITEM}{problem}" for problem in problems)]
        found.update(failed=True, msg="\n".join(lines))
    return found
