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

from ansible_collections.grid.security.plugins.module_utils._common import option_paths
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import (
    answers,
    diffs,
    manifest,
    run_as,
    scan,
    secure_fs,
)
from ansible_collections.grid.security.plugins.module_utils._files.apply import apply, changed_meanwhile
from ansible_collections.grid.security.plugins.module_utils._files.entries import Step, parse
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.plan import plan, plan_clearing
from ansible_collections.grid.security.plugins.module_utils._files.set_options import TIMEOUT

__all__ = ["converge", "work"]

_LOOK_LIMIT = 5.0  # seconds to find out whose a directory is
_PROBE_LIMIT = 10.0  # seconds to find out whether a path exists
# The most characters of an answer about another user's files: per set, per entry, and in a diff per byte.
_MOST, _MOST_OF_ENTRY, _MOST_OF_BYTE = 1 << 18, 1 << 14, 16


def converge(
    handler: run_as.Handler,
    sets: list[dict[str, Any]],
    contents: dict[str, str],
    check: bool,
    diff: bool,
    limit: float = TIMEOUT,
    secret: bool = False,
) -> list[dict[str, Any]]:
    """Converge every set, each with its owner's rights, and return a result for each, in order.

    :param handler: calls :func:`work` with inspectors. A new interpreter imports the handler by its name.
    :param sets: as the option ``sets`` of the module ``file_set``.
    :param contents: Base64 by SHA-256. A set whose plan wants more than that is not touched; its result has ``needs``.
    :param secret: this process's memory holds what is for one owner only, even without contents.
    """
    results: list[dict[str, Any]] = [{} for _set in sets]
    paths: list[list[str]] = [[] for _set in sets]
    secret = secret or bool(contents)
    known = _ask_for_services(sets)
    jobs = []
    for index, (one, whose) in enumerate(zip(sets, _whose(sets, known))):
        if isinstance(whose, GridSecurityError):
            results[index] = _without_account(one, whose)
            continue
        account, entries = whose
        paths[index] = [answers.printable(entry["path"]) for entry in entries]
        jobs.append((index, _job(one, whose, _own(one, contents), (check, diff, secret), limit)))
    done = run_as.run_jobs(handler, [job for _index, job in jobs], secret)
    for (index, job), result in zip(jobs, done):
        results[index] = _with_services(result, sets[index], job, known)
    return [
        {"changed": False, **result, "name": one["name"], "paths": expanded}
        for one, expanded, result in zip(sets, paths, results)
    ]


def _job(
    one: dict[str, Any], whose: _Whose, contents: dict[str, str], run: tuple[bool, bool, bool], limit: float
) -> run_as.Job:
    """Return the job for one set.

    :param run: whether the run is in check mode, shows a diff, and has secrets in memory.
    """
    account, entries = whose
    check, diff, secret = run
    argument = {
        "entries": entries,
        "contents": contents,
        "preconditions": one.get("preconditions") or [],
        "check": check,
        "diff": diff,
        "theirs": not account.is_caller,
    }
    for name in ("manifest", "probe"):
        if one.get(name):
            argument[name] = {**one[name], "directory": run_as.expand_home(one["directory"], account)}
    if one.get("services"):
        directory = _directory(one, account)
        argument["watched"] = [_absolute(path, directory, account) for path in one["watched"]]
    limit = min(limit, _PROBE_LIMIT) if one.get("probe") else limit
    most = answers.LARGEST if account.is_caller else _most(entries, diff)
    look = None if secret else {**argument, "look": True}
    return run_as.Job(account, argument, limit, most=most, shape=_shape(entries), look=look)


def _most(entries: list[dict[str, Any]], diff: bool) -> int:
    """Return how many characters an answer about these entries of another user may have."""
    size = sum(entry.get("size") or 0 for entry in entries) if diff else 0
    return _MOST + _MOST_OF_ENTRY * len(entries) + _MOST_OF_BYTE * size


def _shape(entries: list[dict[str, Any]]) -> dict[str, answers.Shape]:
    """Return the shape of the values that callers use, so that a malformed answer fails only its own set."""
    digests = {entry["sha256"] for entry in entries if "sha256" in entry}
    return {
        "changed": bool,
        "entries": [{"path": str, "changes": [str]}],
        "needs": [lambda digest: isinstance(digest, str) and digest in digests],
        "observed": {str: _is_base64},
        "key_files": {str: dict},
        "left": [str],
        "diff": [dict],
    }


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value)
    except (TypeError, ValueError):
        return False
    return True


# --- with whose rights ------------------------------------------------------------------------------------------------

_Whose = tuple[run_as.Account, list[dict[str, Any]]]


def _whose(sets: list[dict[str, Any]], known: Any) -> list[_Whose | GridSecurityError]:
    """With whose rights each set is handled, and its entries with absolute paths.

    Those of its owner; but where only root can change anything root has to work, and gives the files away.
    """
    found = [_owners(one, known) for one in sets]
    doubtful = {
        index: whose
        for index, whose in enumerate(found)
        if not isinstance(whose, GridSecurityError) and _may_be_roots(sets[index], whose[0])
    }
    places = [_touched(sets[index], entries) for index, (_account, entries) in doubtful.items()]
    for (index, (account, entries)), is_roots in zip(doubtful.items(), _are_roots(places)):
        if is_roots:
            found[index] = run_as.find_account(None), [_given_to(account.name, entry) for entry in entries]
    return found


def _owners(one: dict[str, Any], known: Any) -> _Whose | GridSecurityError:
    try:
        if one.get("services"):
            _services().refuse_unknown(known, one)
        account = run_as.find_account(one.get("owner"))
        return account, _expanded(one, account)
    except GridSecurityError as error:
        return error


def _may_be_roots(one: dict[str, Any], account: run_as.Account) -> bool:
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
        root = run_as.find_account(None)
        jobs = [run_as.Job(root, {"paths": paths}, _LOOK_LIMIT, apart=True) for paths in places]
        for answer in run_as.run_jobs(_look_whether_roots, jobs, secret=False):
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
    if error.error_code == "no_account" and all(entry["state"] == "absent" for entry in one["entries"]):
        return {}
    return {"failed": True, "error_code": error.error_code, "msg": error.message}


def _expanded(one: dict[str, Any], account: run_as.Account) -> list[dict[str, Any]]:
    """The entries of a set with absolute paths.

    :raises GridSecurityError: ``bad_path``, and ``no_account`` of a ``~user`` in a path.
    """
    directory = _directory(one, account)
    entries = []
    for entry in one["entries"]:
        _check(entry.get("target") or "", "target")
        path = _absolute(_check(entry["path"], "path"), directory, account)
        entries.append({**{k: v for k, v in entry.items() if v is not None}, "path": path})
    return entries


def _directory(one: dict[str, Any], account: run_as.Account) -> str:
    directory = run_as.expand_home(_check(one.get("directory") or "/", "directory"), account)
    if not os.path.isabs(directory):
        raise GridSecurityError(
            "bad_path", f"directory: {directory} is no absolute path of the node. Start it with / or ~."
        )
    return directory


def _absolute(path: str, directory: str, account: run_as.Account) -> str:
    return os.path.normpath(os.path.join(directory, run_as.expand_home(path, account)))


def _check(path: str, option: str) -> str:
    return option_paths.check(path, option, errors="surrogateescape")


def _own(one: dict[str, Any], contents: dict[str, str]) -> dict[str, str]:
    """The contents of this set only: a worker holds its owner's bytes and nobody else's."""
    wanted = {entry.get("sha256") for entry in one["entries"]}
    return {digest: content for digest, content in contents.items() if digest in wanted}


# --- services ---------------------------------------------------------------------------------------------------------


def _ask_for_services(sets: list[dict[str, Any]]) -> Any:
    """Ask systemd about the services of all sets, before anything is changed. None if no set has a service."""
    if not any(one.get("services") for one in sets):
        return None
    return _services().ask(sets)


def _services() -> Any:
    # Most sets have no services.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.module_utils._files import services

    return services


def _with_services(result: dict[str, Any], one: dict[str, Any], job: run_as.Job, known: Any) -> dict[str, Any]:
    """Add to the result of a set whether its services owe a restart.

    A user may control the worker, so what the worker says about services is dropped.
    """
    changed = result.pop("change_times", None)
    result.pop("services", None)
    if one.get("services"):
        result["services"] = _services().describe(known, one, job.argument["watched"], changed)
    return result


# --- one set ----------------------------------------------------------------------------------------------------------


def work(argument: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Compare or apply one set. Add when its watched files changed, even if the set fails."""
    if not argument.get("watched"):
        return _work(argument, inspectors)
    result = run_as.guarded(lambda one: _work(one, inspectors), argument)
    return {**result, "change_times": secure_fs.change_times(argument["watched"])}


def _work(argument: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Plan one set and, unless in check mode or short of contents, apply it; or compare it by its manifest.

    With ``look``, what would be applied is :data:`run_as.UNFINISHED`.
    """
    if "probe" in argument:
        return _probe(argument["probe"])
    if "manifest" in argument:
        return _compare(argument["manifest"], inspectors)
    entries = [parse(fields, *run_as.find_ids(fields)) for fields in argument["entries"]]
    contents = {digest: base64.b64decode(text) for digest, text in argument["contents"].items()}
    steps = plan(entries, inspectors)
    plan_clearing(steps)
    result = _report(steps, contents, argument, inspectors)
    if contents and result.get("needs"):  # it was asked for less
        raise changed_meanwhile(next(step.entry.path for step in steps if step.needs in result["needs"]))
    if argument["check"] or result.get("needs") or not result["changed"]:
        return result
    if argument.get("look"):
        return {run_as.UNFINISHED: True}
    backups = apply(entries, contents, argument["preconditions"], inspectors)
    for entry in result["entries"]:
        if entry["path"] in backups:
            entry["backup_file"] = backups[entry["path"]]
    return result


def _probe(sought: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a path exists for the owner of the set. Links in the directory of the path are followed."""
    path = os.path.join(sought["directory"], sought["path"])
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"changed": False, "entries": [], "exists": False}
    except OSError as error:
        raise secure_fs.explain(path, "looked for", secure_fs.INTACT, error) from error
    return {"changed": False, "entries": [], "exists": True}


def _compare(expected: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Compare a directory by its digest. If it differs, read it again and return the facts about its files."""
    place, patterns, bundle = expected["directory"], expected["patterns"], expected.get("bundle")
    found = scan.scan(place, patterns, inspectors if bundle else None)
    lacking = scan.missing(found, bundle, inspectors) if bundle else []
    if manifest.digest(found) == expected["sha256"] and not lacking:
        return {"changed": False, "entries": [], "seen": manifest.digest_of_placed(found)}
    found = scan.scan(place, patterns, inspectors, bool(expected.get("observe")))
    seen = manifest.digest_of_placed(found)
    return {"changed": True, "entries": [], "seen": seen, "found": found, "missing": lacking}


# --- report -----------------------------------------------------------------------------------------------------------


def _report(
    steps: list[Step], contents: dict[str, bytes], argument: dict[str, Any], inspectors: Inspectors
) -> dict[str, Any]:
    changed = [step for step in steps if step.changes]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "entries": [{"path": step.entry.path, "changes": step.changes} for step in changed],
    }
    needs = sorted({step.needs for step in changed if step.needs} - set(contents))
    if needs:
        result["needs"] = needs
    observed = {
        step.entry.path: inspectors.public_part(step.before.content or b"") for step in changed if step.entry.observe
    }
    told = {path: _text(content) for path, content in observed.items() if content}
    if told:
        result["observed"] = told
    result.update(_more_facts(steps, inspectors))
    if argument["diff"]:
        result["diff"] = [_diff(step, contents, argument["theirs"], inspectors) for step in changed]
    return result


def _more_facts(steps: list[Step], inspectors: Inspectors) -> dict[str, Any]:
    """Return facts for the controller that are not changes.

    - ``key_files``: facts from the headers of the private keys that are about to be replaced.
    - ``stored``: contents of files that the controller itself placed and wants to see again.
    - ``left``: paths that are not removed because of the certificate beside them.
    """
    replaced = [step for step in steps if step.needs and step.before.content is not None]
    keys = [(step.entry.path, step.before.content or b"") for step in replaced if step.entry.privatekey]
    facts: dict[str, Any] = {
        "key_files": {path: inspectors.describe_key(content) for path, content in keys},
        "stored": {
            step.entry.path: _text(step.before.content or b"") for step in steps if _is_recalled(step, inspectors)
        },
        "left": [step.entry.path for step in steps if step.left],
    }
    return {name: value for name, value in facts.items() if value}


def _is_recalled(step: Step, inspectors: Inspectors) -> bool:
    """Whether to tell the content of a file: it belongs to this user, differs, and holds no private key.

    A wrong path may lead to a private key.
    """
    before, content = step.before, step.before.content
    if not step.entry.recall or content is None or before.sha256 == step.entry.sha256:
        return False
    return before.uid == os.geteuid() and not inspectors.holds_private_key(content)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _diff(step: Step, contents: dict[str, bytes], theirs: bool, inspectors: Inspectors) -> dict[str, str]:
    """Return the diff of one file.

    :param theirs: whether the set belongs to another user; then only certificates of the old content are shown.
    """
    entry = step.entry
    summary = "".join(f"# {change}\n" for change in step.changes)
    if entry.state == "file" and step.rewrite and not entry.secret:
        present = step.before.content or b""
        public = inspectors.public_part(present) if theirs or entry.observe else present
        if present != public:
            summary += "# of the old content, only certificates are shown\n"
        before, after = (diffs.without_keys(text) for text in (public, contents.get(str(entry.sha256), b"")))
        return {"prepared": summary + "".join(diffs.unified(before, after, entry.path))}
    return {"prepared": f"{entry.path}\n{summary}"}
