# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File sets: what should be in a directory, compared with what is there (plan), and made so (apply).

:func:`work` is the whole engine for one set. It runs in a worker with the owner's rights, or in the module's process
when that already runs as the owner. Plan and apply are apart, so check mode, diff and a real run share the plan.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import diffs, key_files, manifest, scanning, secure_fs
from ansible_collections.grid.security.plugins.module_utils import owner as owners
from ansible_collections.grid.security.plugins.module_utils.apply import apply, changed_meanwhile
from ansible_collections.grid.security.plugins.module_utils.entries import Step, parse
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils.plan import plan, plan_clearing
from ansible_collections.grid.security.plugins.module_utils.set_options import TIMEOUT

__all__ = ["converge", "work"]

_LOOK_LIMIT = 5.0  # seconds to find out whose a directory is


def converge(
    sets: list[dict[str, Any]],
    contents: dict[str, str],
    check: bool,
    diff: bool,
    limit: float = TIMEOUT,
    secret: bool = False,
) -> list[dict[str, Any]]:
    """Converge every set, each with its owner's rights, and return a result for each, in order.

    :param sets: as the option ``sets`` of the module ``file_set``.
    :param contents: Base64 by SHA-256. A set whose plan wants more than that is not touched; its result has ``needs``.
    :param secret: this process's memory holds what is for one owner only, even without contents.
    """
    results: list[dict[str, Any]] = [{} for _set in sets]
    paths: list[list[str]] = [[] for _set in sets]
    secret = secret or bool(contents)
    jobs = []
    for index, (one, whose) in enumerate(zip(sets, _whose(sets))):
        if isinstance(whose, GridSecurityError):
            results[index] = _without_account(one, whose)
            continue
        account, entries = whose
        paths[index] = [entry["path"] for entry in entries]
        argument = {
            "entries": entries,
            "contents": _own(one, contents),
            "basis": one.get("basis") or [],
            "check": check,
            "diff": diff,
        }
        if one.get("manifest"):
            argument["manifest"] = {**one["manifest"], "directory": owners.expand_home(one["directory"], account)}
        look = None if secret else {**argument, "look": True}
        jobs.append((index, owners.Job(account, argument, limit, look=look)))
    done = owners.run_jobs(work, [job for _index, job in jobs], secret)
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
    """Plan one set and, unless in check mode or short of contents, apply it; or compare it by its manifest.

    With ``look``, what would be applied is :data:`owners.UNFINISHED`.
    """
    if "manifest" in argument:
        return _compare(argument["manifest"])
    entries = [parse(fields) for fields in argument["entries"]]
    contents = {digest: base64.b64decode(text) for digest, text in argument["contents"].items()}
    steps = plan(entries)
    plan_clearing(steps)
    result = _report(steps, contents, argument["diff"])
    if contents and result.get("needs"):  # it was asked for less
        raise changed_meanwhile(next(step.entry.path for step in steps if step.needs in result["needs"]))
    if argument["check"] or result.get("needs") or not result["changed"]:
        return result
    if argument.get("look"):
        return {owners.UNFINISHED: True}
    backups = apply(entries, contents, argument["basis"])
    for entry in result["entries"]:
        if entry["path"] in backups:
            entry["backup_file"] = backups[entry["path"]]
    return result


def _compare(expected: dict[str, Any]) -> dict[str, Any]:
    found = scanning.scan(expected["directory"], expected["patterns"], bool(expected.get("observe")))
    lacking = scanning.missing(found, expected["bundle"]) if expected.get("bundle") else []
    seen = {"entries": [], "seen": manifest.digest_of_placed(found)}
    if manifest.digest(found) == expected["sha256"] and not lacking:
        return {"changed": False, **seen}
    return {"changed": True, **seen, "found": found, "missing": lacking}


# --- report -----------------------------------------------------------------------------------------------------------


def _report(steps: list[Step], contents: dict[str, bytes], diff: bool) -> dict[str, Any]:
    changed = [step for step in steps if step.changes]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "entries": [{"path": step.entry.path, "changes": step.changes} for step in changed],
    }
    needs = sorted({step.needs for step in changed if step.needs} - set(contents))
    if needs:
        result["needs"] = needs
    observed = {s.entry.path: _text(s.before.content) for s in changed if s.entry.observe and s.before.content}
    if observed:
        result["observed"] = observed
    result.update(_more_facts(steps))
    if diff:
        result["diff"] = [_diff(step, contents) for step in changed]
    return result


def _more_facts(steps: list[Step]) -> dict[str, Any]:
    """Facts for the controller beside the changes.

    - ``key_files``: what the headers of private keys say that are about to be replaced.
    - ``stored``: contents of files that the controller itself placed and wants to see again.
    - ``left``: paths that are not removed because of the certificate beside them.
    """
    replaced = [step for step in steps if step.needs and step.before.content is not None]
    keys = [(step.entry.path, step.before.content or b"") for step in replaced if step.entry.privatekey]
    facts: dict[str, Any] = {
        "key_files": {path: key_files.describe(content) for path, content in keys},
        "stored": {step.entry.path: _text(step.before.content or b"") for step in steps if _is_recalled(step)},
        "left": [step.entry.path for step in steps if step.left],
    }
    return {name: value for name, value in facts.items() if value}


def _is_recalled(step: Step) -> bool:
    before = step.before
    differs = before.content is not None and before.sha256 != step.entry.sha256
    return step.entry.recall and differs and before.uid == os.geteuid()


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
