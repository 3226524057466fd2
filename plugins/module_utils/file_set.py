# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File sets: what should be in a directory, compared with what is there (plan), and made so (apply).

:func:`work` is the whole engine for one set. It runs in a worker with the owner's rights, or in the module's process
when that already runs as the owner. Plan and apply are apart, so check mode, diff and a real run share the plan.
"""

from __future__ import annotations

import base64
import contextlib
import grp
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import diffs, manifest, secure_fs, selinux
from ansible_collections.grid.security.plugins.module_utils import owner as owners
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["DEFAULT_LIMIT", "converge", "work"]

DEFAULT_LIMIT = 60.0  # seconds for one set
_MOST_OBSERVED = 1 << 20  # bytes of an existing file that are reported back
_ORDER = {"directory": 0, "file": 1, "link": 2, "absent": 3}


@dataclass(frozen=True)
class Entry:
    """One path and what it should be; the fields are those of the module's option ``entries``."""

    path: str
    state: str = "file"
    mode: int | None = None
    initial_mode: int = 0o700
    owner: str | None = None
    group: str | None = None
    target: str | None = None
    sha256: str | None = None
    size: int = 0
    secret: bool = False
    backup: bool = False
    observe: bool = False

    @property
    def ids(self) -> tuple[int, int]:
        """User and group id asked for; -1 where nothing is asked."""
        uid = -1 if self.owner is None else owners.find_account(self.owner).uid
        return uid, -1 if self.group is None else _group_id(self.group)


@dataclass
class Step:
    """What is to be done for an entry: nothing if ``changes`` is empty."""

    entry: Entry
    before: secure_fs.Observed
    changes: list[str] = field(default_factory=list)
    rewrite: bool = False


def converge(
    sets: list[dict[str, Any]], contents: dict[str, str], check: bool, diff: bool, limit: float = DEFAULT_LIMIT
) -> list[dict[str, Any]]:
    """Converge every set, each with its owner's rights, and return a result for each, in order.

    :param sets: as the option ``sets`` of the module ``file_set``.
    :param contents: Base64 by SHA-256. A set whose plan wants more than that is not touched; its result has ``needs``.
    """
    results: list[dict[str, Any]] = [{} for _set in sets]
    paths: list[list[str]] = [[] for _set in sets]
    jobs = []
    for index, one in enumerate(sets):
        try:
            account, entries = _whose(one)
        except GridSecurityError as error:
            results[index] = _without_account(one, error)
            continue
        paths[index] = [entry["path"] for entry in entries]
        argument = {"entries": entries, "contents": _own(one, contents), "check": check, "diff": diff}
        if one.get("manifest"):
            argument["manifest"] = {**one["manifest"], "directory": owners.expand_home(one["directory"], account)}
        jobs.append((index, owners.Job(account, argument, limit)))
    for (index, _job), result in zip(jobs, owners.run_jobs(work, [job for _i, job in jobs], bool(contents))):
        results[index] = result
    return [
        {"name": one["name"], "paths": expanded, "changed": False, **result}
        for one, expanded, result in zip(sets, paths, results)
    ]


def _whose(one: dict[str, Any]) -> tuple[owners.Account, list[dict[str, Any]]]:
    """With whose rights a set is handled, and its entries with absolute paths.

    Those of its owner; but where only root can change anything root has to work, and gives the files away.
    """
    account = owners.find_account(one.get("owner"))
    entries = _expanded(one, account)
    directory = one.get("directory") or "/"
    touched = {os.path.dirname(entry["path"]) for entry in entries} or {directory}
    if account.is_caller or directory.startswith("~") or not all(secure_fs.is_roots(path) for path in touched):
        return account, entries
    return owners.find_account(None), [_given_to(account.name, entry) for entry in entries]


def _given_to(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as root handles it for a user, who has to own the file and to reach it."""
    if entry["state"] == "file":
        return {"owner": name, **entry}
    return {"initial_mode": "0755", **entry} if entry["state"] == "directory" else entry


def _without_account(one: dict[str, Any], error: GridSecurityError) -> dict[str, Any]:
    """Removing the files of somebody who is gone is done already."""
    if all(entry["state"] == "absent" for entry in one["entries"]):
        return {}
    return {"failed": True, "kind": error.kind, "msg": error.message}


def _expanded(one: dict[str, Any], account: owners.Account) -> list[dict[str, Any]]:
    """The entries of a set with absolute paths."""
    directory = owners.expand_home(one.get("directory") or "/", account)
    entries = []
    for entry in one["entries"]:
        path = os.path.join(directory, owners.expand_home(entry["path"], account))
        entries.append({**{k: v for k, v in entry.items() if v is not None}, "path": os.path.normpath(path)})
    return entries


def _own(one: dict[str, Any], contents: dict[str, str]) -> dict[str, str]:
    """The contents of this set only: a worker holds its owner's bytes and nobody else's."""
    wanted = {entry.get("sha256") for entry in one["entries"]}
    return {digest: content for digest, content in contents.items() if digest in wanted}


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Plan one set and, unless in check mode or short of contents, apply it; or compare it by its manifest."""
    if "manifest" in argument:
        return _compare(argument["manifest"])
    entries = [_entry(fields) for fields in argument["entries"]]
    contents = {digest: base64.b64decode(text) for digest, text in argument["contents"].items()}
    steps = _plan(entries)
    result = _report(steps, contents, argument["diff"])
    if argument["check"] or result.get("needs") or not result["changed"]:
        return result
    backups = _apply(entries, contents)
    for entry in result["entries"]:
        if entry["path"] in backups:
            entry["backup_file"] = backups[entry["path"]]
    return result


def _compare(expected: dict[str, Any]) -> dict[str, Any]:
    found = manifest.scan(expected["directory"], expected["patterns"], bool(expected.get("observe")))
    lacking = manifest.missing(found, expected["bundle"]) if expected.get("bundle") else []
    if manifest.digest(found) == expected["sha256"] and not lacking:
        return {"changed": False, "entries": []}
    return {"changed": True, "entries": [], "found": found, "missing": lacking}


def _entry(fields: dict[str, Any]) -> Entry:
    known = {name: value for name, value in fields.items() if name in Entry.__dataclass_fields__}
    for name in ("mode", "initial_mode"):
        if known.get(name) is not None:
            known[name] = _parse_mode(known[name], known["path"])
    return Entry(**known)


def _parse_mode(mode: Any, path: str) -> int:
    """Permission bits from text in octal, or from a number, which is what YAML makes of an unquoted ``0600``."""
    try:
        bits = mode if isinstance(mode, int) else int(mode, 8)
    except (TypeError, ValueError):
        bits = -1
    if not 0 <= bits <= 0o7777:
        raise GridSecurityError("bad_mode", f'{path}: {mode!r} is no mode. Write it in octal and quoted: "0600".')
    return bits


# --- plan -------------------------------------------------------------------------------------------------------------


def _plan(entries: list[Entry]) -> list[Step]:
    made = {entry.path for entry in entries if entry.state == "directory"}
    return [_plan_entry(entry, made) for entry in sorted(entries, key=lambda entry: _ORDER[entry.state])]


def _plan_entry(entry: Entry, made: set[str]) -> Step:
    parent = os.path.dirname(entry.path)
    try:
        with secure_fs.parent_directory(entry.path) as (directory, name):
            step = Step(entry, _look(directory, name, entry))
            leftover = bool(secure_fs.leftovers(directory)) if entry.state in ("file", "link") else False
    except GridSecurityError as error:
        if error.kind != "no_directory" or (entry.state != "absent" and parent not in made):
            raise
        step, leftover = Step(entry, secure_fs.Observed("absent")), False
    _PLANNERS[entry.state](step)
    if leftover:
        step.changes.append("leftover of an interrupted run cleared")
    return step


def _look(directory: int, name: str, entry: Entry) -> secure_fs.Observed:
    if entry.state != "file":
        return secure_fs.observe(directory, name)
    observable = entry.observe or not entry.secret
    return secure_fs.observe(directory, name, max(entry.size, _MOST_OBSERVED) if observable else entry.size)


def _plan_file(step: Step) -> None:
    entry, before = step.entry, step.before
    if before.kind == "directory":
        raise GridSecurityError("is_directory", f"{entry.path} is a directory. Move it away, then run again.")
    uid, gid = entry.ids
    if before.kind == "absent":
        step.changes.append("created")
    elif before.kind != "file":
        step.changes.append("replaced a symbolic link" if before.kind == "link" else "replaced a special file")
    elif before.sha256 != entry.sha256:
        step.changes.append("content replaced")
    elif (uid if uid >= 0 else os.geteuid()) != before.uid:
        step.changes.append("owner corrected")
    elif gid >= 0 and gid != before.gid:
        step.changes.append("group corrected")
    step.rewrite = bool(step.changes)
    _plan_mode(step)
    wanted = selinux.default(entry.path, stat.S_IFREG | (entry.mode or 0))
    if not step.rewrite and wanted and before.context and wanted != before.context:
        step.changes.append("SELinux label corrected")
        step.rewrite = True


def _plan_mode(step: Step) -> None:
    mode = step.entry.mode
    if mode is not None and step.before.kind == step.entry.state and step.before.mode != mode:
        step.changes.append(f"mode {step.before.mode:04o} → {mode:04o}")


def _plan_link(step: Step) -> None:
    entry, before = step.entry, step.before
    if before.kind == "directory":
        raise GridSecurityError("is_directory", f"{entry.path} is a directory. Move it away, then run again.")
    if before.target != entry.target:
        step.changes.append("created" if before.kind == "absent" else f"now points to {entry.target}")


def _plan_directory(step: Step) -> None:
    kind = step.before.kind
    if kind not in ("absent", "directory"):
        raise GridSecurityError(
            "not_a_directory", f"{step.entry.path} is a {kind}, not a directory. Remove it, or name the real directory."
        )
    if kind == "absent":
        step.changes.append("created")
    _plan_mode(step)


def _plan_absent(step: Step) -> None:
    if step.before.kind == "directory":
        raise GridSecurityError(
            "is_directory", f"{step.entry.path} is a directory and is not removed. Remove it by hand if it is unwanted."
        )
    if step.before.kind != "absent":
        step.changes.append("removed")


_PLANNERS = {"file": _plan_file, "link": _plan_link, "directory": _plan_directory, "absent": _plan_absent}


# --- report -----------------------------------------------------------------------------------------------------------


def _report(steps: list[Step], contents: dict[str, bytes], diff: bool) -> dict[str, Any]:
    changed = [step for step in steps if step.changes]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "entries": [{"path": step.entry.path, "changes": step.changes} for step in changed],
    }
    needs = sorted({str(step.entry.sha256) for step in changed if step.rewrite} - set(contents))
    if needs:
        result["needs"] = needs
    observed = {s.entry.path: _text(s.before.content) for s in changed if s.entry.observe and s.before.content}
    if observed:
        result["observed"] = observed
    if diff:
        result["diff"] = [_diff(step, contents) for step in changed]
    return result


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _diff(step: Step, contents: dict[str, bytes]) -> dict[str, str]:
    entry = step.entry
    summary = "".join(f"# {change}\n" for change in step.changes)
    if entry.state == "file" and step.rewrite and not entry.secret:
        before = (step.before.content or b"").decode(errors="replace")
        after = contents.get(str(entry.sha256), b"").decode(errors="replace")
        return {"prepared": summary + "".join(diffs.unified(before, after, entry.path))}
    return {"prepared": f"{entry.path}\n{summary}"}


# --- apply ------------------------------------------------------------------------------------------------------------


def _apply(entries: list[Entry], contents: dict[str, bytes]) -> dict[str, str]:
    """Make it so: directories, then all new files under temporary names, then renames and links, then removals."""
    for entry in entries:
        if entry.state == "directory":
            _make_directory(entry)
    with contextlib.ExitStack() as stack:
        opened = _open_parents(entries, stack)
        steps = _plan([entry for entry in entries if entry.state != "directory"])  # anew: now under the lock
        with _temporaries(steps, opened, contents) as temporaries:
            backups = _rename(steps, opened, temporaries)
        for directory in opened.values():
            os.fsync(directory)
    return backups


def _make_directory(entry: Entry) -> None:
    with secure_fs.parent_directory(entry.path) as (parent, name):
        mode = entry.mode
        with contextlib.suppress(FileExistsError), _explained(entry.path):
            os.mkdir(name, 0o700, dir_fd=parent)
            mode = entry.initial_mode if mode is None else mode
        with secure_fs.open_directory(entry.path) as directory, _explained(entry.path):
            if mode is not None and stat.S_IMODE(os.fstat(directory).st_mode) != mode:
                os.fchmod(directory, mode)


def _open_parents(entries: list[Entry], stack: contextlib.ExitStack) -> dict[str, int]:
    opened: dict[str, int] = {}
    for parent in sorted({os.path.dirname(entry.path) for entry in entries if entry.state != "directory"}):
        try:
            opened[parent] = stack.enter_context(secure_fs.open_directory(parent))
        except GridSecurityError as error:
            if error.kind != "no_directory":
                raise
            continue  # only absences lie there, or the plan would have failed
        stack.enter_context(secure_fs.locked(opened[parent], parent))
        secure_fs.clear_leftovers(opened[parent])
    return opened


@contextlib.contextmanager
def _temporaries(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes]) -> Iterator[dict[str, str]]:
    """All new files of the set, complete and on disk under temporary names; what is not renamed is removed again."""
    made: dict[str, str] = {}
    try:
        for step in steps:
            entry = step.entry
            if step.rewrite:
                directory = opened[os.path.dirname(entry.path)]
                mode = 0o600 if entry.mode is None else entry.mode
                ids = entry.ids if entry.ids != (-1, -1) else None
                with _explained(entry.path):
                    content = _content(entry, contents)
                    made[entry.path] = secure_fs.write_temporary(directory, entry.path, content, mode, ids)
        yield made
    finally:
        for path, temporary in made.items():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=opened[os.path.dirname(path)])


def _content(entry: Entry, contents: dict[str, bytes]) -> bytes:
    try:
        return contents[str(entry.sha256)]
    except KeyError:
        raise GridSecurityError(
            "changed_meanwhile", f"{entry.path} was changed by somebody else during the run. Run again."
        ) from None


def _rename(steps: list[Step], opened: dict[str, int], temporaries: dict[str, str]) -> dict[str, str]:
    backups = {}
    for step in steps:
        entry, name = step.entry, os.path.basename(step.entry.path)
        directory = opened.get(os.path.dirname(entry.path))
        if not step.changes or directory is None:
            continue
        with _explained(entry.path):
            if entry.backup and step.before.kind == "file" and (step.rewrite or entry.state == "absent"):
                narrow = entry.mode if entry.mode is not None else 0o600
                backup = secure_fs.back_up(directory, name, narrow)
                backups[entry.path] = os.path.join(os.path.dirname(entry.path), backup)
            _carry_out(step, directory, name, temporaries.get(entry.path))
    return backups


def _carry_out(step: Step, directory: int, name: str, temporary: str | None) -> None:
    entry = step.entry
    if entry.state == "absent":
        os.unlink(name, dir_fd=directory)
    elif entry.state == "link":
        secure_fs.replace_link(directory, name, str(entry.target))
    elif temporary is not None:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    elif entry.mode is not None and step.before.mode != entry.mode:
        secure_fs.change_mode(directory, name, entry.mode)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise GridSecurityError(
            "os_error",
            f"{path} cannot be written: {error.strerror}. What was there before is intact."
            " Mend the cause (rights, owner, space, quota, read-only file system), then run again.",
        ) from error


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise GridSecurityError(
            "no_group", f"there is no group {group!r} on this node. Create it first, or correct the group."
        ) from None
