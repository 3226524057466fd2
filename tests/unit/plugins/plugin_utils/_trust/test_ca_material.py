# SPDX-License-Identifier: GPL-3.0-or-later
"""The CAs and CRLs of sources, as chains are checked by them."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import ca_material, source_files
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.tests.support.ca_sources import FILTERS, ROOT


def test_a_large_file_without_crls_costs_only_itself() -> None:
    files = {"root.pem": ROOT.pem, "huge.pem": bytes(source_files.LARGEST + 1)}
    found = ca_material.from_groups([Group("/release", "", files)], FILTERS)
    assert [one["alias"] for one in found["cas"]] == ["root"]


def test_a_crl_that_is_cut_off_does_not_pass_for_none() -> None:
    files = {"crls.pem": b"-----BEGIN X509 CRL-----\n" + b"A" * source_files.LARGEST}
    with pytest.raises(GridSecurityError, match="/release/crls.pem holds CRLs and is larger than 1 MiB"):
        ca_material.from_groups([Group("/release", "", files)], FILTERS)
