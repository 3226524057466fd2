# SPDX-License-Identifier: GPL-3.0-or-later
"""What trust anchors come to on a node, with CAs that cannot be used or not by all programs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_rendering, trust_anchors
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
MIDDLE = pki.issue("Middle", authority=True, issuer=ROOT)
OTHER = pki.issue("Other", authority=True)
OPTIONS = {name: spec.get("default") for name, spec in trust_anchors.OPTIONS.items()}


def render(files: dict[str, bytes], **options: Any) -> dict[str, Any]:
    return anchor_rendering.render([Group("release", "classic", files)], {**OPTIONS, **options}, "Debian")


def placed(rendered: dict[str, Any], number: int = 0) -> set[str]:
    return {name for name in rendered["directories"][number]["wanted"] if name.endswith((".pem", ".crt"))}


def test_one_bad_file_costs_only_itself_and_what_needs_it() -> None:
    files = {"root.pem": b"<html>", "middle.pem": MIDDLE.pem, "other.pem": OTHER.pem}
    with pytest.raises(GridSecurityError, match=r"root\.pem is a web page"):
        render(files)
    rendered = render(files, on_unreadable="skip")
    assert placed(rendered) == {"other.pem"}
    left_out, incomplete, *_others = rendered["warnings"]
    assert "- release/root.pem is a web page" in left_out
    assert "Middle needs" not in incomplete
    assert incomplete.startswith("trust anchors, left out because of incomplete chains: middle needs /DC=org")


def test_excluded_files_are_not_told() -> None:
    files = {"root.pem": b"<html>", "other.pem": OTHER.pem}
    rendered = render(files, exclude=["root"])
    assert placed(rendered) == {"other.pem"}
    assert not any("root" in one for one in rendered["warnings"])


def test_a_ca_that_cryptography_does_not_read_is_in_every_place() -> None:
    odd = pem.encode("CERTIFICATE", pki.without_seconds(ROOT))
    rendered = render({"root.pem": odd}, bundle_path="/etc/bundle.pem", java_truststore_path="/etc/java.p12")
    assert [sorted(directory["wanted"]) for directory in rendered["directories"][1:]] == [
        ["bundle.pem"],
        ["java.p12"],
        ["grid-security-root.crt"],
    ]
    assert placed(rendered) == {"root.pem"}
    assert "not in the Java truststore" not in "".join(rendered["warnings"])


def test_a_ca_that_java_does_not_read_is_told_only_if_there_is_a_truststore() -> None:
    parameters = der.encode_sequence(der.encode_oid("1.2.840.10045.2.1"), der.encode_sequence(der.encode_integer(1)))
    key = der.encode_sequence(parameters, der.encode(0x03, b"\0\4" + 64 * b"\1"))
    files = {"root.pem": pem.encode("CERTIFICATE", pki.altered(ROOT, public_key=key))}
    told = "".join(render(files, java_truststore_path="/etc/java.p12")["warnings"])
    assert "not in the Java truststore because Java would refuse the whole file: root (its key has" in told
    assert "Java" not in "".join(render(files)["warnings"])
