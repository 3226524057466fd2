# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the problems of a node. Each problem is reported once."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._node import node_verification

WRONG = "bob.p12 for bob: the import passphrase is wrong."
UNKNOWN = "[1] for carol: Unsupported parameters: pasphrase."


def failed(*lines: str, **more: Any) -> dict[str, Any]:
    return {"failed": True, "changed": False, "msg": "\n".join(lines), **more}


def credentials() -> dict[str, Any]:
    messages = [WRONG, f"user_credentials{UNKNOWN}"]
    each = [{"failed": True, "owner": "x", "msg": one} for one in messages]
    lines = ["2 of 3 credentials failed; 1 of the other 1 changed.", *(f"- {one}" for one in messages)]
    return failed(*lines, credentials=each)


def problems(**parts: dict[str, Any]) -> list[str]:
    return list(node_verification.of_parts(parts, {}))


def test_a_mistake_in_a_shared_list_is_one_problem() -> None:
    mapfile = failed(
        "3 of the mappings failed; the others are made.", f"- {WRONG}", f"- grid_mapfile_credentials{UNKNOWN}"
    )
    told = [WRONG, f"user_credentials{UNKNOWN}"]
    assert problems(user_credentials=credentials(), grid_mapfile=mapfile) == told
    mapfile["msg"] += "\n- grid_mapfile_entries[0]: it is no mapping."
    assert problems(user_credentials=credentials(), grid_mapfile=mapfile) == [
        *told,
        "grid_mapfile: grid_mapfile_entries[0]: it is no mapping.",
    ]


def test_other_failures_of_a_part_are_told() -> None:
    part = credentials()
    part["msg"] += "\nnothing is purged."
    assert problems(user_credentials=part)[-1] == "nothing is purged."
    assert problems(voms_client=failed("no VO is named.")) == ["voms_client: no VO is named."]
    vos = failed("1 VO is defined wrongly and left as it is; the others are done.", "- vos[0]: x", "the import failed.")
    assert problems(voms_client=vos) == ["voms_client: vos[0]: x", "voms_client: the import failed."]


def test_the_trust_directory_is_not_named_beside_what_is_missing_in_it() -> None:
    nothing: dict[str, Any] = {"changed": True, "added": [], "removed": [], "replaced": [], "files": [], "places": []}
    missing = {**nothing, "added": [{"alias": "our-ca"}], "places": ["trust anchors", "bundle /etc/bundle.pem"]}
    assert problems(trust_anchors=missing) == ["trust_anchors: missing: our-ca; differing: bundle /etc/bundle.pem"]
    other = {**nothing, "files": ["ca.info: unwanted"], "places": ["trust anchors"]}
    assert problems(trust_anchors=other) == ["trust_anchors: differing: ca.info: unwanted"]
