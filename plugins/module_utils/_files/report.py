# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report on a plan: what differs, which contents are needed, and what the controller may know of the files."""

from __future__ import annotations

import base64
import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import diffs
from ansible_collections.grid.security.plugins.module_utils._files.entries import Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors

__all__ = ["diff", "report", "with_backups"]


def report(
    steps: list[Step], contents: dict[str, bytes], argument: dict[str, Any], inspectors: Inspectors
) -> dict[str, Any]:
    """Return the result of a set. It is the same in check mode and after the steps are applied.

    :param argument: of :func:`set_work.work`.
    """
    changed = [step for step in steps if step.changes]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "entries": [{"path": step.entry.path, "changes": step.changes} for step in changed],
        **_facts(steps, contents, inspectors),
    }
    if argument["diff"]:
        result["diff"] = [diff(step, contents, argument["for_other_user"], inspectors) for step in changed]
    return result


def with_backups(result: dict[str, Any], backups: dict[str, str]) -> dict[str, Any]:
    """Return the result with the path of the backup in each entry that has one."""
    entries = [
        {**entry, "backup_file": backups[entry["path"]]} if entry["path"] in backups else entry
        for entry in result["entries"]
    ]
    return {**result, "entries": entries}


def _facts(steps: list[Step], contents: dict[str, bytes], inspectors: Inspectors) -> dict[str, Any]:
    """Return the facts for the controller that are not empty.

    - ``needs``: digests of the contents that have to be sent.
    - ``observed``: the public parts of files that are about to change.
    - ``key_files``: facts from the headers of private keys that are about to be replaced.
    - ``stored``: contents of files that the controller itself placed and wants to see again.
    - ``left``: paths that are not removed because of the certificate beside them.
    """
    changed = [step for step in steps if step.changes]
    facts: dict[str, Any] = {
        "needs": sorted({step.needs for step in changed if step.needs} - set(contents)),
        "observed": _observed(changed, inspectors),
        "key_files": _key_files(steps, inspectors),
        "stored": {step.entry.path: _text(_present(step)) for step in steps if _is_recalled(step, inspectors)},
        "left": [step.entry.path for step in steps if step.left],
    }
    return {name: value for name, value in facts.items() if value}


def _present(step: Step) -> bytes:
    return step.before.content or b""


def _observed(steps: list[Step], inspectors: Inspectors) -> dict[str, str]:
    public = {step.entry.path: inspectors.public_part(_present(step)) for step in steps if step.entry.observe}
    return {path: _text(content) for path, content in public.items() if content}


def _key_files(steps: list[Step], inspectors: Inspectors) -> dict[str, dict[str, Any]]:
    replaced = [step for step in steps if step.needs and step.before.content is not None]
    return {step.entry.path: inspectors.describe_key(_present(step)) for step in replaced if step.entry.privatekey}


def _is_recalled(step: Step, inspectors: Inspectors) -> bool:
    """Tell whether to return the content of a file: it belongs to this user, differs, and holds no private key.

    A wrong path may lead to a private key.
    """
    before, content = step.before, step.before.content
    if not step.entry.recall or content is None or before.sha256 == step.entry.sha256:
        return False
    return before.uid == os.geteuid() and not inspectors.holds_private_key(content)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def diff(step: Step, contents: dict[str, bytes], for_other_user: bool, inspectors: Inspectors) -> dict[str, str]:
    """Return the diff of one file.

    :param for_other_user: whether the set belongs to another user. Then only the public part of the old content shows.
    """
    entry = step.entry
    summary = "".join(f"# {change}\n" for change in step.changes)
    if entry.state != "file" or not step.rewrite or entry.secret:
        return {"prepared": f"{entry.path}\n{summary}"}
    present = _present(step)
    public = inspectors.public_part(present) if for_other_user or entry.observe else present
    if present != public:
        summary += "# of the old content, only certificates are shown\n"
    before, after = (diffs.without_keys(text) for text in (public, contents.get(str(entry.sha256), b"")))
    return {"prepared": summary + "".join(diffs.unified(before, after, entry.path))}
