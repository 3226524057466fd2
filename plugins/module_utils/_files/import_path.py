# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a new interpreter import the code that runs in this interpreter.

Ansible sends the code in a file, which is on ``sys.path``. Mitogen sends no file: an import hook asks the controller
for each module. A new interpreter has no such hook, so it gets an archive of the sources. The archive has no name in
the file system, and is gone when both processes have closed it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from typing import IO, Any
from zipimport import zipimporter

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["for_new_interpreter"]

_PACKAGES = ("ansible", "ansible_collections")


@contextlib.contextmanager
def for_new_interpreter() -> Iterator[list[str]]:
    """Yield the ``sys.path`` with which a new interpreter finds this code.

    Start the interpreter before the context ends.

    :raises GridSecurityError: ``hidden_code`` if the import hook of this code does not give the sources.
    """
    loader = __spec__.loader
    if isinstance(loader, (SourceFileLoader, zipimporter)):
        yield sys.path
        return
    if _source(__name__) is None:
        raise GridSecurityError("hidden_code", _HIDDEN.format(type(loader).__name__))
    with _sources() as archive:
        os.set_inheritable(archive.fileno(), True)
        yield [f"/dev/fd/{archive.fileno()}", *filter(None, sys.path)]  # an empty entry means the current directory


_HIDDEN = (
    "{0} loads the code of this module and does not give the code to other processes. So no process can work with the"
    " rights of an owner. Run the play with ansible's own strategy (strategy: linear)."
)


def _sources() -> IO[bytes]:
    """Return all modules of ansible and of collections that this process has imported. A worker needs no others."""
    # Only import hooks need these, and each new interpreter would load them.
    # pylint: disable-next=import-outside-toplevel
    import tempfile

    # pylint: disable-next=import-outside-toplevel
    import zipfile

    archive = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    with zipfile.ZipFile(archive, "w") as sources:
        for name in sorted(sys.modules):
            source = _source(name) if name.partition(".")[0] in _PACKAGES else None
            if source is not None:
                stem = name.replace(".", "/")
                is_package = hasattr(sys.modules[name], "__path__")
                sources.writestr(f"{stem}/__init__.py" if is_package else f"{stem}.py", source)
    archive.flush()
    return archive


def _source(name: str) -> str | None:
    """Return the source of an imported module, or None if its loader does not give it."""
    loader: Any = getattr(getattr(sys.modules[name], "__spec__", None), "loader", None)
    try:
        source: str | None = loader.get_source(name)
    except (AttributeError, ImportError):
        return None
    return source
