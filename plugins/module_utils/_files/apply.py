# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory made what it should be: each file the old one or the new one, all files of a set or none."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import leftovers, manifest, scan, secure_fs
from ansible_collections.grid.security.plugins.module_utils._files.entries import Entry, Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.plan import plan

__all__ = ["apply", "changed_meanwhile"]

_MOST_OPEN = 64  # files that are written at a time, well below what a process may have open
_BEGUN = f"Other changes are made already. {secure_fs.WHOLE}."
_UNSAFE = "The changes so far are made, but a power failure might undo them."


def apply(
    entries: list[Entry], contents: dict[str, bytes], preconditions: list[dict[str, Any]], inspectors: Inspectors
) -> dict[str, str]:
    """Make it so: directories, then files, then links, then removals, each kind on disk before the next begins.

    :param preconditions: directories as they were when the entries were made.
    """
    for entry in entries:
        if entry.state == "directory":
            _make_directory(entry)
    with contextlib.ExitStack() as stack:
        opened = _open_parents(entries, stack)
        # Anew, for now nobody else works here.
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
    """Whether it was seen to before: directories are made, leftovers are cleared, and there may be new ones, ours."""
    return entry.state == "directory" or (
        entry.state == "absent" and leftovers.is_leftover(os.path.basename(entry.path))
    )


def _make_directory(entry: Entry) -> None:
    with secure_fs.explained(entry.path, "written"), secure_fs.parent_directory(entry.path) as (parent, name):
        mode = entry.mode
        if secure_fs.make_directory(parent, name, entry.initial_mode if mode is None else mode) and mode is None:
            mode = entry.initial_mode
        with secure_fs.open_directory(entry.path) as directory:
            if mode is not None and stat.S_IMODE(os.fstat(directory).st_mode) != mode:
                os.fchmod(directory, mode)


def _open_parents(entries: list[Entry], stack: contextlib.ExitStack) -> dict[str, int]:
    opened: dict[str, int] = {}
    needed = {os.path.dirname(entry.path) for entry in entries if entry.state in ("file", "link")}
    for parent in sorted({os.path.dirname(entry.path) for entry in entries if entry.state != "directory"}):
        try:
            opened[parent] = stack.enter_context(secure_fs.open_directory(parent))
        except GridSecurityError as error:
            if error.error_code != "no_directory" or parent in needed:
                raise
            continue
        stack.enter_context(secure_fs.locked(opened[parent], parent))
        with secure_fs.explained(parent, "looked at"):
            secure_fs.clear_leftovers(opened[parent], parent)
    return opened


def _check(preconditions: list[dict[str, Any]]) -> None:
    """Entries that say what differs are right for that state only: with another they would make a mixture."""
    for one in preconditions:
        if manifest.digest_of_placed(scan.scan(one["directory"], one["patterns"])) != one["sha256"]:
            raise changed_meanwhile(one["directory"])


def _place_of(step: Step, opened: dict[str, int]) -> tuple[int, str]:
    parent, name = os.path.split(step.entry.path)
    return opened[parent], name


@contextlib.contextmanager
def _temporaries(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes]) -> Iterator[dict[str, str]]:
    """All new files of the set, complete and on disk under temporary names; what is not renamed is removed again."""
    made: dict[str, str] = {}
    try:
        for start in range(0, len(steps), _MOST_OPEN):
            _write(steps[start : start + _MOST_OPEN], opened, contents, made)
        yield made
    finally:
        _discard(made, opened)


def _write(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes], made: dict[str, str]) -> None:
    """Write some new files, then wait for all of them: the disk is asked once, not once for each.

    :param made: gets their temporary names.
    """
    unfinished: dict[str, int] = {}
    try:
        for step in steps:
            path = step.entry.path
            made[path], unfinished[path] = _begin(step, opened, contents)
        for path in list(unfinished):
            with secure_fs.explained(path, "written"):
                secure_fs.finish(unfinished.pop(path))
    finally:
        for descriptor in unfinished.values():
            secure_fs.close(descriptor)


def _begin(step: Step, opened: dict[str, int], contents: dict[str, bytes]) -> tuple[str, int]:
    """The temporary name of a new file, and its descriptor."""
    entry, (directory, _name) = step.entry, _place_of(step, opened)
    mode = 0o600 if entry.mode is None else entry.mode
    ids = (entry.uid, entry.gid)
    content = _content(step, contents)
    with secure_fs.explained(entry.path, "written"):
        return secure_fs.write_temporary(directory, entry.path, content, mode, ids if ids != (-1, -1) else None)


def _discard(temporaries: dict[str, str], opened: dict[str, int]) -> None:
    for path, temporary in temporaries.items():
        secure_fs.discard(opened[os.path.dirname(path)], temporary)


def _content(step: Step, contents: dict[str, bytes]) -> bytes:
    if step.kept:
        return step.before.content or b""
    try:
        return contents[str(step.entry.sha256)]
    except KeyError:
        raise changed_meanwhile(step.entry.path) from None


def changed_meanwhile(path: str) -> GridSecurityError:
    """What is no more as it was when the change was decided upon."""
    return GridSecurityError("changed_meanwhile", f"{path} was changed by somebody else during the run. Run again.")


def _back_up(steps: list[Step], opened: dict[str, int]) -> dict[str, str]:
    """Backups of all files that go, before the first of them does; their paths."""
    backups = {}
    for step in steps:
        entry = step.entry
        if entry.backup and step.before.kind == "file" and (step.rewrite or entry.state == "absent"):
            directory, name = _place_of(step, opened)
            with secure_fs.explained(entry.path, "written"):
                backup = secure_fs.back_up(directory, name, 0o600 if entry.mode is None else entry.mode)
                secure_fs.sync(directory)
            backups[entry.path] = os.path.join(os.path.dirname(entry.path), backup)
    return backups


def _replace(steps: list[Step], opened: dict[str, int], temporaries: dict[str, str]) -> None:
    """Give all new files their names, or none of them: half of a credential is of no use.

    Nothing lies between two renames, so that a kill hardly ever does.
    """
    with _kept(steps if len(steps) > 1 else [], opened) as kept:
        tried: list[Step] = []
        try:
            for step in steps:
                tried.append(step)
                directory, name = _place_of(step, opened)
                os.rename(temporaries[step.entry.path], name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException as error:
            stuck = _bring_back(tried, kept, opened)
            if isinstance(error, OSError):
                raise _not_replaced(tried[-1].entry.path, stuck, error) from error
            raise
        temporaries.clear()
        _sync(steps, opened)


@contextlib.contextmanager
def _kept(steps: list[Step], opened: dict[str, int]) -> Iterator[dict[str, str]]:
    """Second names for what is about to be replaced, so that it can be brought back."""
    kept: dict[str, str] = {}
    try:
        for step in steps:
            directory, name = _place_of(step, opened)
            with secure_fs.explained(step.entry.path, "written"):
                temporary = secure_fs.keep(directory, name) if step.before.kind != "absent" else None
            if temporary is not None:
                kept[step.entry.path] = temporary
        yield kept
    except BaseException:
        _discard(kept, opened)
        raise
    for path, temporary in kept.items():
        parent = os.path.dirname(path)
        with secure_fs.explained(os.path.join(parent, temporary), "removed", f"It is what {path} was before."):
            os.unlink(temporary, dir_fd=opened[parent])


def _bring_back(tried: list[Step], kept: dict[str, str], opened: dict[str, int]) -> list[str]:
    """Undo renames, the last of which failed; the paths where that was not possible."""
    stuck = [step.entry.path for step in reversed(tried) if not _is_back(step, kept, opened) and step is not tried[-1]]
    with contextlib.suppress(GridSecurityError):
        _sync(tried, opened)
    return stuck


def _is_back(step: Step, kept: dict[str, str], opened: dict[str, int]) -> bool:
    directory, name = _place_of(step, opened)
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
        return secure_fs.explain(path, "written", secure_fs.INTACT, error)
    replaced = f"Replaced already, and not to be put back, is {', '.join(stuck)}."
    state = f"{replaced} {secure_fs.WHOLE}, but old and new may not match."
    return secure_fs.explain(path, "written", state, error)


def _carry_out(steps: list[Step], opened: dict[str, int], begun: bool) -> None:
    """The other changes: modes, then links, then removals.

    :param begun: whether there is no way back any more.
    """
    for state, action in _ACTIONS.items():
        chosen = [step for step in steps if step.entry.state == state]
        for step in chosen:
            with secure_fs.explained(step.entry.path, "written", _BEGUN if begun else secure_fs.INTACT):
                action(step, *_place_of(step, opened))
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


def _sync(steps: list[Step], opened: dict[str, int]) -> None:
    for parent in sorted({os.path.dirname(step.entry.path) for step in steps}):
        with secure_fs.explained(parent, "flushed to disk", _UNSAFE):
            secure_fs.sync(opened[parent])
