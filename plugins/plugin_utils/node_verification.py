# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node is as its variables say: each problem with the owner, the file and the date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils import credential_report

__all__ = ["certificates", "of_crls", "of_parts", "result"]

Result = dict[str, Any]
_MOST_NAMED = 20  # in one line


def of_parts(parts: dict[str, Result], days_left: dict[str, int]) -> Iterator[str]:
    """The problems of each part.

    :param parts: the results of the parts in check mode, by role. :param days_left: by role, the days for which a
        certificate must be valid.
    """
    for role, part in parts.items():
        if part.get("failed"):
            yield from (f"{role}: {line.removeprefix('- ')}" for line in part["msg"].splitlines())
        if "credentials" in part:
            yield from _of_credentials(part["credentials"], days_left.get(role, 0))
        elif part["changed"]:
            yield f"{role}: {'; '.join(_DIFFERENCES[role](part))}"


def _of_credentials(credentials: list[Result], days: int) -> Iterator[str]:
    for one in credentials:
        if one["changed"] and not one.get("failed"):
            yield from credential_report.changes(one)
        if one.get("days_left", days) < days:
            owner = f"{one['owner']}: " if one["owner"] else ""
            yield (
                f"{owner}{one['cert_path']}: valid until {one['not_after'][:10]}, which is {one['days_left']} days"
                f" and should be {days}"
            )


def _of_trust_anchors(part: Result) -> Iterator[str]:
    named = {"missing": "added", "unwanted": "removed", "another certificate": "replaced"}
    for what, key in named.items():
        if part[key]:
            yield f"{what}: {_listed([one['alias'] for one in part[key]])}"
    if part["files"] or part["places"]:
        yield f"differing: {_listed([*part['files'], *part['places']])}"


def _of_vos(part: Result) -> Iterator[str]:
    yield from (f"{vo['name']} ({', '.join(vo['why'])})" for vo in part["vos"] if vo["changed"])


def _of_mapfile(part: Result) -> Iterator[str]:
    for what, key in (("missing", "added"), ("unwanted", "removed")):
        if part[key]:
            yield f"{what}: {_listed(part[key])}"
    if not part["added"] and not part["removed"]:
        yield "order, owner or mode of the file"


_DIFFERENCES = {"trust_anchors": _of_trust_anchors, "voms_client": _of_vos, "grid_mapfile": _of_mapfile}


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + rest


def certificates(parts: dict[str, Result]) -> list[dict[str, str]]:
    """The certificates that the node should have, as ``grid.security.crl_info`` takes them."""
    found = [one for part in parts.values() for one in part.get("credentials", []) if "serial_number" in one]
    return [{name: one[name] for name in ("issuer_dn", "serial_number")} for one in found]


def of_crls(answer: Result, parts: dict[str, Result]) -> Iterator[str]:
    """What the node's CRLs say. :param answer: of ``grid.security.crl_info``."""
    paths = {
        (one["issuer_dn"], one["serial_number"]): one
        for part in parts.values()
        for one in part.get("credentials", [])
        if "serial_number" in one
    }
    for revoked in answer["revoked"]:
        one = paths[revoked["issuer_dn"], revoked["serial_number"]]
        owner = f"{one['owner']}: " if one["owner"] else ""
        yield (
            f"{owner}{one['cert_path']}: {one['subject_dn']} was revoked on {revoked['revoked_on'][:10]}, says"
            f" {revoked['file']}"
        )
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
