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
_LOOK_LIMIT = 5.0  # seconds to find out whose a directory is
_MOST_OBSERVED = 1 << 20  # bytes of an existing file that are reported back
_WHOLE = "Every file is whole, the old one or the new one"
_BEGUN = f"Other changes are made already. {_WHOLE}."
_UNSAFE = "The changes so far are made, but a power failure might undo them."
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
    sets: list[dict[str, Any]],
    contents: dict[str, str],
    check: bool,
    diff: bool,
    limit: float = DEFAULT_LIMIT,
    secret: bool = False,
) -> list[dict[str, Any]]:
    """Converge every set, each with its owner's rights, and return a result for each, in order.

    :param sets: as the option ``sets`` of the module ``file_set``.
    :param contents: Base64 by SHA-256. A set whose plan wants more than that is not touched; its result has ``needs``.
    :param secret: this process's memory holds what is for one owner only, even without contents.
    """
    results: list[dict[str, Any]] = [{} for _set in sets]
    paths: list[list[str]] = [[] for _set in sets]
    jobs = []
    for index, (one, whose) in enumerate(zip(sets, _whose(sets))):
        if isinstance(whose, GridSecurityError):
            results[index] = _without_account(one, whose)
            continue
        account, entries = whose
        paths[index] = [entry["path"] for entry in entries]
        argument = {"entries": entries, "contents": _own(one, contents), "check": check, "diff": diff}
        if one.get("manifest"):
            argument["manifest"] = {**one["manifest"], "directory": owners.expand_home(one["directory"], account)}
        argument["basis"] = one.get("basis") or []
        jobs.append((index, owners.Job(account, argument, limit)))
    done = owners.run_jobs(work, [job for _index, job in jobs], secret or bool(contents))
    for (index, _job), result in zip(jobs, done):
        results[index] = result
    return [
        {"name": one["name"], "paths": expanded, "changed": False, **result}
        for one, expanded, result in zip(sets, paths, results)
    ]


# --- with whose rights ------------------------------------------------------------------------------------------------

_Whose = tuple[owners.Account, list[dict[str, Any]]]


def _whose(sets: list[dict[str, Any]]) -> list[_Whose | GridSecurityError]:
    """With whose rights each set is handled, and its entries with absolute paths.

    Those of its owner; but where only root can change anything root has to work, and gives the files away.
    """
    found = [_owners(one) for one in sets]
    doubtful = {
        index: whose
        for index, whose in enumerate(found)
        if not isinstance(whose, GridSecurityError) and _may_be_roots(sets[index], whose[0])
    }
    places = [_touched(sets[index], entries) for index, (_account, entries) in doubtful.items()]
    for (index, (account, entries)), is_roots in zip(doubtful.items(), _are_roots(places)):
        if is_roots:
            found[index] = owners.find_account(None), [_given_to(account.name, entry) for entry in entries]
    return found


def _owners(one: dict[str, Any]) -> _Whose | GridSecurityError:
    try:
        account = owners.find_account(one.get("owner"))
        return account, _expanded(one, account)
    except GridSecurityError as error:
        return error


def _may_be_roots(one: dict[str, Any], account: owners.Account) -> bool:
    home = (one.get("directory") or "/").startswith("~")
    return os.geteuid() == 0 and not account.is_caller and not home


def _touched(one: dict[str, Any], entries: list[dict[str, Any]]) -> list[str]:
    """The directories in which something may be changed."""
    return sorted({os.path.dirname(entry["path"]) for entry in entries} or {one.get("directory") or "/"})


def _are_roots(places: list[list[str]]) -> Iterator[bool]:
    """Whether only root can change anything at all the paths of each place.

    That is found out apart and with a time limit, because the path may lead to a file system that never answers.
    """
    if places:
        root = owners.find_account(None)
        jobs = [owners.Job(root, {"paths": paths}, _LOOK_LIMIT, apart=True) for paths in places]
        for answer in owners.run_jobs(_look_whether_roots, jobs, secret=False):
            yield answer.get("roots") is True


def _look_whether_roots(argument: dict[str, Any]) -> dict[str, Any]:
    return {"roots": all(secure_fs.is_roots(path) for path in argument["paths"])}


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
    _plan_clearing(steps)
    result = _report(steps, contents, argument["diff"])
    if contents and result.get("needs"):  # it was asked for less
        raise _changed_meanwhile(next(step.entry.path for step in steps if step.entry.sha256 in result["needs"]))
    if argument["check"] or result.get("needs") or not result["changed"]:
        return result
    backups = _apply(entries, contents, argument["basis"])
    for entry in result["entries"]:
        if entry["path"] in backups:
            entry["backup_file"] = backups[entry["path"]]
    return result


def _compare(expected: dict[str, Any]) -> dict[str, Any]:
    found = manifest.scan(expected["directory"], expected["patterns"], bool(expected.get("observe")))
    lacking = manifest.missing(found, expected["bundle"]) if expected.get("bundle") else []
    seen = {"entries": [], "seen": _digest(found)}
    if manifest.digest(found) == expected["sha256"] and not lacking:
        return {"changed": False, **seen}
    return {"changed": True, **seen, "found": found, "missing": lacking}


def _digest(found: dict[str, dict[str, Any]]) -> str:
    """The digest of what runs place, without what they need while they do."""
    return manifest.digest({name: facts for name, facts in found.items() if not secure_fs.is_leftover(name)})


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
    try:
        with secure_fs.parent_directory(entry.path) as (directory, name), secure_fs.explained(entry.path, "looked at"):
            step = Step(entry, _look(directory, name, entry))
    except GridSecurityError as error:
        if error.kind != "no_directory" or (entry.state != "absent" and os.path.dirname(entry.path) not in made):
            raise
        step = Step(entry, secure_fs.Observed("absent"))
    _PLANNERS[entry.state](step)
    return step


def _plan_clearing(steps: list[Step]) -> None:
    """What an interrupted run left is a change of whatever lies beside it: it may hold a key, even one that is gone."""
    beside = [step for step in steps if step.entry.state != "directory"]
    parents = {os.path.dirname(step.entry.path) for step in beside}
    unclean = {parent for parent in parents if _has_leftovers(parent)}
    for step in beside:
        if os.path.dirname(step.entry.path) in unclean:
            step.changes.append("leftover of an interrupted run cleared")


def _has_leftovers(path: str) -> bool:
    try:
        with secure_fs.open_directory(path) as directory, secure_fs.explained(path, "looked at"):
            return secure_fs.has_leftovers(directory)
    except GridSecurityError as error:
        if error.kind != "no_directory":
            raise
        return False


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


def _apply(entries: list[Entry], contents: dict[str, bytes], basis: list[dict[str, Any]]) -> dict[str, str]:
    """Make it so: directories, then files, then links, then removals, each kind on disk before the next begins.

    :param basis: directories as they were when the entries were made.
    """
    for entry in entries:
        if entry.state == "directory":
            _make_directory(entry)
    with contextlib.ExitStack() as stack:
        opened = _open_parents(entries, stack)
        # Anew, for now nobody else works here.
        steps = [step for step in _plan([entry for entry in entries if not _is_done(entry)]) if step.changes]
        if steps:
            _check(basis)
        new = [step for step in steps if step.rewrite]
        with _temporaries(new, opened, contents) as temporaries:
            backups = _back_up(steps, opened)
            _replace(new, opened, temporaries)
        _carry_out([step for step in steps if not step.rewrite], opened, begun=bool(new))
    return backups


def _is_done(entry: Entry) -> bool:
    """Whether it was seen to before: directories are made, leftovers are cleared, and there may be new ones, ours."""
    return entry.state == "directory" or (
        entry.state == "absent" and secure_fs.is_leftover(os.path.basename(entry.path))
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
            if error.kind != "no_directory" or parent in needed:
                raise
            continue
        stack.enter_context(secure_fs.locked(opened[parent], parent))
        with secure_fs.explained(parent, "looked at"):
            secure_fs.clear_leftovers(opened[parent], parent)
    return opened


def _check(basis: list[dict[str, Any]]) -> None:
    """Entries that say what differs are right for that state only: with another they would make a mixture."""
    for one in basis:
        if _digest(manifest.scan(one["directory"], one["patterns"])) != one["sha256"]:
            raise _changed_meanwhile(one["directory"])


def _place_of(step: Step, opened: dict[str, int]) -> tuple[int, str]:
    parent, name = os.path.split(step.entry.path)
    return opened[parent], name


@contextlib.contextmanager
def _temporaries(steps: list[Step], opened: dict[str, int], contents: dict[str, bytes]) -> Iterator[dict[str, str]]:
    """All new files of the set, complete and on disk under temporary names; what is not renamed is removed again."""
    made: dict[str, str] = {}
    try:
        for step in steps:
            entry, (directory, _name) = step.entry, _place_of(step, opened)
            mode = 0o600 if entry.mode is None else entry.mode
            ids = entry.ids if entry.ids != (-1, -1) else None
            content = _content(entry, contents)
            with secure_fs.explained(entry.path, "written"):
                made[entry.path] = secure_fs.write_temporary(directory, entry.path, content, mode, ids)
        yield made
    finally:
        _discard(made, opened)


def _discard(temporaries: dict[str, str], opened: dict[str, int]) -> None:
    for path, temporary in temporaries.items():
        with contextlib.suppress(OSError):  # what cannot be removed now, the next run sees
            os.unlink(temporary, dir_fd=opened[os.path.dirname(path)])


def _content(entry: Entry, contents: dict[str, bytes]) -> bytes:
    try:
        return contents[str(entry.sha256)]
    except KeyError:
        raise _changed_meanwhile(entry.path) from None


def _changed_meanwhile(path: str) -> GridSecurityError:
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
    state = f"Replaced already, and not to be put back, is {', '.join(stuck)}. {_WHOLE}, but old and new may not match."
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
        raise _changed_meanwhile(step.entry.path)


def _replace_link(step: Step, directory: int, name: str) -> None:
    secure_fs.replace_link(directory, name, str(step.entry.target))


def _remove(_step: Step, directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


_ACTIONS = {"file": _change_mode, "link": _replace_link, "absent": _remove}


def _sync(steps: list[Step], opened: dict[str, int]) -> None:
    for parent in sorted({os.path.dirname(step.entry.path) for step in steps}):
        with secure_fs.explained(parent, "flushed to disk", _UNSAFE):
            secure_fs.sync(opened[parent])


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise GridSecurityError(
            "no_group", f"there is no group {group!r} on this node. Create it first, or correct the group."
        ) from None
