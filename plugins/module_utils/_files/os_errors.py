# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn errors of the operating system into messages with the state of the files and a remedy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["INTACT", "WHOLE", "explain", "explained"]

INTACT = "What was there before is intact."
WHOLE = "Every file is whole, the old one or the new one"
_REMEDY = "Fix the cause (rights, owner, space, quota, read-only file system), then run again."


@contextlib.contextmanager
def explained(path: str, participle: str, state: str = INTACT) -> Iterator[None]:
    """Raise the error of :func:`explain` in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise explain(path, participle, state, error) from error


def explain(path: str, participle: str, state: str, error: OSError) -> GridSecurityError:
    """Return the error that says that ``path`` cannot be ``participle``, such as "written".

    :param state: the state of the files now. Unless it is :data:`INTACT`, the error code is ``incomplete``.
    """
    error_code = "os_error" if state == INTACT else "incomplete"
    return GridSecurityError(error_code, f"{path} cannot be {participle}: {error.strerror}. {state} {_REMEDY}")
