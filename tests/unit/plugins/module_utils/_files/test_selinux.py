# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux labels, where a policy has labels and where SELinux is off."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import selinux


def use(monkeypatch: pytest.MonkeyPatch, enabled: int, status: int = 0) -> dict[str, bytes]:
    """Have a policy with the label ``wanted`` for all files. Return the attributes that are set."""
    library = SimpleNamespace(
        is_selinux_enabled=lambda: enabled, matchpathcon=lambda _path, _mode: (status, "wanted" if not status else "")
    )
    attributes: dict[str, bytes] = {}
    monkeypatch.setattr(selinux, "_library", library)
    monkeypatch.setattr(os, "getxattr", lambda _descriptor, name: attributes[name], raising=False)
    monkeypatch.setattr(os, "setxattr", lambda _file, name, value: attributes.update({name: value}), raising=False)
    return attributes


def test_a_file_gets_the_label_of_its_final_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attributes = use(monkeypatch, 1)
    attributes["security.selinux"] = b"other\0"
    assert selinux.current(3) == b"other"
    selinux.label(3, str(tmp_path), 0o600)
    assert attributes == {"security.selinux": b"wanted\0"}
    assert selinux.default(str(tmp_path), 0o600) == selinux.current(3) == b"wanted"


@pytest.mark.parametrize(("enabled", "status"), [(0, 0), (1, -1)])
def test_without_a_label_in_a_policy_nothing_is_set(monkeypatch: pytest.MonkeyPatch, enabled: int, status: int) -> None:
    attributes = use(monkeypatch, enabled, status)
    attributes["security.selinux"] = b"other\0"
    selinux.label(3, "/x", 0o600)
    assert selinux.default("/x", 0o600) is None
    assert attributes == {"security.selinux": b"other\0"}
