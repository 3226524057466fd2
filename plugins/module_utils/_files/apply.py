# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a plan. Each file is the old one or the new one at any time, and all files of a set are replaced or none."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import (
    directories,
    leftovers,
    locks,
    manifest,
    scan,
    secure_fs,
)
from ansible_collections.grid.security.plugins.module_utils._files.entries import Entry, Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import INTACT, WHOLE, explain, explained
from ansible_collections.grid.security.plugins.module_utils._files.plan import plan

__all__ = ["apply", "changed_meanwhile"]

_MOST_OPEN = 64  # files that are written at a time, well below the number that a process may have open
_BEGUN = f"Other changes are made already. {WHOLE}."
_UNSAFE = "The changes so far are made, but a power failure might undo them."


def apply(
    entries: list[Entry], contents: dict[str, bytes], preconditions: list[dict[str, Any]], inspectors: Inspectors
) -> dict[str, str]:
    """Make directories, then files, then links, then removals. Return the path of each backup by the path of its file.

    Each kind is on disk before the next begins.

    :param preconditions: the directories as they were when the entries were made.
    """
    for entry in entries:
        if entry.state == "directory":
            _make_directory(entry)
    with contextlib.ExitStack() as stack:
        opened = _open_parents(entries, stack)
        # The directories are locked now, so plan again.
        steps = [step for step in plan([entry for entry in entries if not _is_done(entry)], inspectors) if step.changes]
        if steps:
            _check(preconditions)
        new = [step for step in steps if step.rewrite]
        with _temporaries(new, opened, contents) as temporaries:
            backups = _back_up(steps, opened)
            _replace(new, opened, temporaries)
        _carry_out([step for step in steps if not step.rewrite], opened, begun=bool(new))
    return backups


def _is_done(entry: Entry) -> bool:
    """Tell whether an entry needs no step: directories are made, and leftovers are cleared.

    New files with names of leftovers belong to this run.
    """
    return entry.state == "directory" or (
        entry.state == "absent" and leftovers.is_leftover(os.path.basename(entry.path))
    )


def changed_meanwhile(path: str) -> GridSecurityError:
    """Return the error about a path that is not in the state for which the change was planned."""
    return GridSecurityError("changed_meanwhile", f"{path} was changed by somebody else during the run. Run again.")


# --- directories ------------------------------------------------------------------------------------------------------


def _make_directory(entry: Entry) -> None:
    with explained(entry.path, "written"), directories.parent_directory(entry.path) as (parent, name):
        mode = entry.mode
        if secure_fs.make_directory(parent, name, entry.initial_mode if mode is None else mode) and mode is None:
            mode = entry.initial_mode
        with directories.open_directory(entry.path) as directory:
            if mode is not None and stat.S_IMODE(os.fstat(directory).st_mode) != mode:
                os.fchmod(directory, mode)


def _open_parents(entries: list[Entry], stack: contextlib.ExitStack) -> dict[str, int]:
    """Open, lock and clear the directories of all entries. Return their descriptors by path."""
    opened: dict[str, int] = {}
    needed = {os.path.dirname(entry.path) for entry in entries if entry.state in ("file", "link")}
    for parent in sorted({os.path.dirname(entry.path) for entry in entries if entry.state != "directory"}):
        try:
            opened[parent] = stack.enter_context(directories.open_directory(parent))
        except GridSecurityError as error:
            if error.error_code != "no_directory" or parent in needed:
                raise
            continue
        stack.enter_context(locks.locked(opened[parent], parent))
        with explained(parent, "looked at"):
            locks.clear_leftovers(opened[parent], parent)
    return opened


def _check(preconditions: list[dict[str, Any]]) -> None:
    """Refuse directories that changed since the entries were made.

    Entries that contain only the differences hold for the compared state only. In another state, old and new files
    would be mixed.

    :raises GridSecurityError: ``changed_meanwhile``.
    """
    for expected in preconditions:
        found = scan.scan(expected["directory"], expected["patterns"])
        if manifest.digest_of_placed(found) != expected["sha256"]:
            raise changed_meanwhile(expected["directory"])


def _locate(step: Step, opened: dict[str, int]) -> tuple[int, str]:
    """Return the descriptor of the directory of a step's path, and the name in it."""
    parent, name = os.path.split(step.entry.path)
    return opened[parent], name


def _sync(steps: list[Step], opened: dict[str, int]) -> None:
    for parent in sorted({os.path.dirname(step.entry.path) for step in steps}):
        with explained(parent, "flushed to disk", _UNSAFE):
            secure_fs.sync(opened[parent])


# --- new files under temporary names ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _temporaries(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes]) -> Iterator[dict[str, str]]:
    """Yield the temporary names of all new files by path. The files are complete and on disk.

    Files that were not renamed are removed at the end.
    """
    made: dict[str, str] = {}
    try:
        for start in range(0, len(steps), _MOST_OPEN):
            _write(steps[start : start + _MOST_OPEN], opened, contents, made)
        yield made
    finally:
        _discard(made, opened)


def _write(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes], made: dict[str, str]) -> None:
    """Write some new files, then wait for all of them: this is faster than to wait after each file.

    :param made: receives the temporary names.
    """
    unfinished: dict[str, int] = {}
    try:
        for step in steps:
            path = step.entry.path
            made[path], unfinished[path] = _begin(step, opened, contents)
        for path in list(unfinished):
            with explained(path, "written"):
                secure_fs.finish(unfinished.pop(path))
    finally:
        for descriptor in unfinished.values():
            directories.close(descriptor)


def _begin(step: Step, opened: dict[str, int], contents: dict[str, bytes]) -> tuple[str, int]:
    """Return the temporary name of a new file, and its descriptor."""
    entry, (directory, _name) = step.entry, _locate(step, opened)
    owner = None if entry.uid == entry.gid == -1 else (entry.uid, entry.gid)
    content = _content(step, contents)
    with explained(entry.path, "written"):
        return secure_fs.write_temporary(directory, entry.path, content, _mode(entry), owner)


def _mode(entry: Entry) -> int:
    return 0o600 if entry.mode is None else entry.mode


def _content(step: Step, contents: dict[str, bytes]) -> bytes:
    if step.kept:
        return step.before.content or b""
    try:
        return contents[str(step.entry.sha256)]
    except KeyError:
        raise changed_meanwhile(step.entry.path) from None


def _discard(temporaries: dict[str, str], opened: dict[str, int]) -> None:
    for path, temporary in temporaries.items():
        secure_fs.discard(opened[os.path.dirname(path)], temporary)


# --- replacing files --------------------------------------------------------------------------------------------------


def _back_up(steps: list[Step], opened: dict[str, int]) -> dict[str, str]:
    """Back up all files that are replaced or removed, before the first of them is. Return the paths of the backups."""
    backups = {}
    for step in steps:
        entry = step.entry
        if entry.backup and step.before.kind == "file" and (step.rewrite or entry.state == "absent"):
            directory, name = _locate(step, opened)
            with explained(entry.path, "written"):
                backup = secure_fs.back_up(directory, name, _mode(entry))
                secure_fs.sync(directory)
            backups[entry.path] = os.path.join(os.path.dirname(entry.path), backup)
    return backups


def _replace(steps: list[Step], opened: dict[str, int], temporaries: dict[str, str]) -> None:
    """Rename all new files, or none: half of a credential is of no use.

    Nothing is done between two renames, so a kill between them is improbable.
    """
    with _kept(steps if len(steps) > 1 else [], opened) as kept:
        tried: list[Step] = []
        try:
            for step in steps:
                tried.append(step)
                directory, name = _locate(step, opened)
                os.rename(temporaries[step.entry.path], name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException as error:
            stuck = _roll_back(tried, kept, opened)
            if isinstance(error, OSError):
                raise _not_replaced(tried[-1].entry.path, stuck, error) from error
            raise
        temporaries.clear()
        _sync(steps, opened)


@contextlib.contextmanager
def _kept(steps: list[Step], opened: dict[str, int]) -> Iterator[dict[str, str]]:
    """Yield second names of the files that are about to be replaced, so that the files can be restored."""
    kept: dict[str, str] = {}
    try:
        for step in steps:
            directory, name = _locate(step, opened)
            with explained(step.entry.path, "written"):
                temporary = secure_fs.keep(directory, name) if step.before.kind != "absent" else None
            if temporary is not None:
                kept[step.entry.path] = temporary
        yield kept
    except BaseException:
        _discard(kept, opened)
        raise
    _remove_kept(kept, opened)


def _remove_kept(kept: dict[str, str], opened: dict[str, int]) -> None:
    for path, temporary in kept.items():
        parent = os.path.dirname(path)
        with explained(os.path.join(parent, temporary), "removed", f"It is what {path} was before."):
            os.unlink(temporary, dir_fd=opened[parent])


def _roll_back(tried: list[Step], kept: dict[str, str], opened: dict[str, int]) -> list[str]:
    """Undo renames, the last of which failed. Return the paths that cannot be restored."""
    stuck = [step.entry.path for step in reversed(tried) if not _is_back(step, kept, opened) and step is not tried[-1]]
    with contextlib.suppress(GridSecurityError):
        _sync(tried, opened)
    return stuck


def _is_back(step: Step, kept: dict[str, str], opened: dict[str, int]) -> bool:
    """Restore the path of a step, and return whether that succeeded."""
    directory, name = _locate(step, opened)
    try:
        if step.entry.path in kept:
            os.rename(kept[step.entry.path], name, src_dir_fd=directory, dst_dir_fd=directory)
        elif step.before.kind == "absent":
            os.unlink(name, dir_fd=directory)
        else:
            return False
    except OSError:
        return False
    return True


def _not_replaced(path: str, stuck: list[str], error: OSError) -> GridSecurityError:
    if not stuck:
        return explain(path, "written", INTACT, error)
    replaced = f"Replaced already, and not to be put back, is {', '.join(stuck)}."
    return explain(path, "written", f"{replaced} {WHOLE}, but old and new may not match.", error)


# --- the other changes ------------------------------------------------------------------------------------------------


def _carry_out(steps: list[Step], opened: dict[str, int], begun: bool) -> None:
    """Change modes, then links, then remove files.

    :param begun: whether something was changed before that cannot be undone.
    """
    for state, action in _ACTIONS.items():
        chosen = [step for step in steps if step.entry.state == state]
        for step in chosen:
            with explained(step.entry.path, "written", _BEGUN if begun else INTACT):
                action(step, *_locate(step, opened))
            begun = True
        _sync(chosen, opened)


def _change_mode(step: Step, directory: int, name: str) -> None:
    if not secure_fs.change_mode(directory, name, int(step.entry.mode or 0), step.before.uid):
        raise changed_meanwhile(step.entry.path)


def _replace_link(step: Step, directory: int, name: str) -> None:
    secure_fs.replace_link(directory, name, str(step.entry.target))


def _remove(step: Step, directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if step.entry.empty_directory:
            _remove_if_empty(directory, name)
        else:
            os.unlink(name, dir_fd=directory)


def _remove_if_empty(directory: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


_ACTIONS = {"file": _change_mode, "link": _replace_link, "absent": _remove}
