# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node is as its variables say: each problem with the owner, the file and the date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed

__all__ = ["certificates", "mistake", "of_crls", "of_freshness", "of_parts", "result"]

Result = dict[str, Any]

_TRUST_DIRECTORY = "trust anchors"  # as the part calls this place
_ITEM = "- "  # of a list in a message
_PLACE = re.compile(r"^\w+\[\d+\]")  # such as user_credentials[2]


def of_parts(parts: dict[str, Result], days_left: dict[str, int]) -> Iterator[str]:
    """The problems of each part.

    :param parts: the results of the parts in check mode, by role.
    :param days_left: by role, the days for which a certificate must be valid.
    """
    told: set[str] = set()
    for role, part in parts.items():
        if "credentials" in part:
            told.update(mistake(one["msg"]) for one in part["credentials"] if one.get("failed"))
            yield from (line for one in part["credentials"] for line in _of_credential(one, days_left.get(role, 0)))
            yield from (one["reason"] for one in part.get("services", []) if one["owed"])
            yield from _of_failure(part)
            yield from (
                f"{one['owner']}: no longer listed: {', '.join(one['paths'])}" for one in part.get("purged", [])
            )
            continue
        yield from (f"{role}: {line}" for line in _failures(part) if mistake(line) not in told)
        if part.get("changed"):
            yield f"{role}: {'; '.join(_DIFFERENCES[role](part))}"


def _of_failure(part: Result) -> Iterator[str]:
    """Why a part with credentials failed, beside the failures of its credentials."""
    told = {one["msg"] for one in part["credentials"] if one.get("failed")}
    return (line for line in _failures(part) if line not in told)


def _failures(part: Result) -> list[str]:
    """The lines of the message of a part that failed, without the first line if it only counts the others."""
    lines = part["msg"].splitlines() if part.get("failed") else []
    counted = len(lines) > 1 and lines[1].startswith(_ITEM)
    return [line.removeprefix(_ITEM) for line in lines[counted:]]


def mistake(line: str) -> str:
    """A line about an item of a list, without the name of the list: two parts may have the same items."""
    return _PLACE.sub("", line.removeprefix(_ITEM))


def _of_credential(one: Result, days: int) -> Iterator[str]:
    if one.get("failed"):
        yield str(one["msg"])
    elif one["changed"]:
        yield from one["differences"]
    if one.get("days_left", days) < days:
        yield f"{_named(one)}: valid until {one['not_after'][:10]}, for {one['days_left']} days, and {days} are wanted"


def _named(one: Result) -> str:
    """Owner and file of a credential."""
    return f"{one['owner']}: {one['cert_path']}" if one["owner"] else str(one["cert_path"])


def _of_trust_anchors(part: Result) -> Iterator[str]:
    named = {"missing": "added", "unwanted": "removed", "another certificate": "replaced"}
    told = [key for key in named.values() if part[key]]
    for what, key in named.items():
        if key in told:
            yield f"{what}: {listed([one['alias'] for one in part[key]])}"
    places = [one for one in part["places"] if one != _TRUST_DIRECTORY or not (told or part["files"])]
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
    """The certificates that the node should have, as ``grid.security.crl_info`` takes them."""
    return [{name: one[name] for name in _IDENTITY} for one in _known(parts)]


_IDENTITY = ("issuer_dn", "serial_number")


def _known(parts: dict[str, Result]) -> list[Result]:
    """The credentials whose certificate is known."""
    return [one for part in parts.values() for one in part.get("credentials", []) if "serial_number" in one]


def of_crls(answer: Result, parts: dict[str, Result]) -> Iterator[str]:
    """The certificates of the node that a CRL of the node revokes. :param answer: of ``grid.security.crl_info``."""
    revoked = {tuple(one[name] for name in _IDENTITY): one for one in answer["revoked"]}
    for one in _known(parts):
        found = revoked.get(tuple(one[name] for name in _IDENTITY))
        if found:
            when, file = found["revoked_on"][:10], found["file"]
            yield f"{_named(one)}: {one['subject_dn']} was revoked on {when}, says {file}"


def of_freshness(answer: Result) -> Iterator[str]:
    """The CRLs that are missing, or not valid for long enough. :param answer: of ``grid.security.crl_info``."""
    yield from (_of_crl(one) for one in answer["crls"] if one["state"] != "fresh" and not one["excluded"])


def _of_crl(one: Result) -> str:
    until = f", valid until {one['next_update']}" if one["next_update"] else ""
    return f"CRL of {one['alias']}: {one['state']}{until}: {one['file'] or 'no file'}"


def result(problems: list[str], warnings: list[str]) -> Result:
    """The task's result, failed if there is a problem."""
    found: Result = {"changed": False, "problems": problems, "warnings": warnings}
    if problems:
        found.update(
            failed=True, msg="\n".join(["The node is not as its variables say:", *(f"- {one}" for one in problems)])
        )
    return found
