# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a file that already lies on a node."""

from __future__ import annotations

import base64
import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import option_paths
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import accounts
from ansible_collections.grid.security.plugins.module_utils._files.directories import parent_directory
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Job
from ansible_collections.grid.security.plugins.module_utils._files.observed import observe
from ansible_collections.grid.security.plugins.module_utils._files.run_as import run_job

__all__ = ["read"]

_LIMIT = (1 << 20) + 1  # bytes; one more than an archive may have, so that its size is noticed
_TIME = 30.0  # seconds


def read(path: str, owner: str | None) -> bytes:
    """Return the content of ``path``. Root reads where only root can exchange the file; else ``owner`` reads.

    :raises GridSecurityError: ``no_source``, or an error of :func:`option_paths.check` or of
        :func:`directories.open_directory`.
    """
    account = accounts.find_account(owner)
    argument = {"path": os.path.abspath(accounts.expand_home(option_paths.check(path, "src"), account))}
    # Apart, because the path may lead to a file system that never answers.
    result = run_job(_read, Job(accounts.find_account(None), argument, _TIME, apart=os.geteuid() == 0), secret=False)
    if result.get("error_code") in ("not_roots", "timeout") and owner is not None:
        result = run_job(_read, Job(account, argument, _TIME), secret=True)
    if result.get("failed"):
        raise GridSecurityError(result["error_code"], result["msg"])
    return base64.b64decode(result["content"])


def _read(argument: dict[str, Any]) -> dict[str, Any]:
    path = argument["path"]
    with parent_directory(path) as (directory, name):
        found = observe(directory, name, _LIMIT)
    if found.kind == "file" and found.content is not None:
        return {"content": base64.b64encode(found.content).decode()}
    cause = {"absent": "does not exist", "file": "cannot be read, or is larger than 1 MiB"}.get(found.kind)
    raise GridSecurityError(
        "no_source", f"{path} on the node {cause or 'is no regular file'}. Name the archive in src."
    )
