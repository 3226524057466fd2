# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many credentials at once: from their options to file sets, through the engine, and back to a result for each.

The same conversation is held by the controller and by a node that converts archives lying there.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import option_paths
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity, policy, reasons
from ansible_collections.grid.security.plugins.module_utils._credential.renderers import Outcome, Renderer, label
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request

__all__ = ["LIST_OPTIONS", "OPTIONS", "converge", "refused"]

UPDATE_PASSPHRASE = ["always", "on_create"]

OPTIONS: dict[str, dict[str, Any]] = {
    "src": {"type": "path"},
    "content": {"type": "str", "no_log": True},
    "privatekey_src": {"type": "path", "no_log": False},
    "privatekey_content": {"type": "str", "no_log": True},
    "remote_src": {"type": "bool", "default": False},
    "friendly_name": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "encrypt_privatekey": {"type": "bool", "default": True},
    "update_passphrase": {"type": "str", "choices": UPDATE_PASSPHRASE, "default": "always", "no_log": False},
    "privatekey_format": {"type": "str", "choices": ["pkcs8", "traditional"], "default": "pkcs8"},
    "kdf_iterations": {"type": "int", "default": 600000},
    "max_kdf_iterations": {"type": "int", "default": 10000000},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "directory": {"type": "str"},
    "directory_mode": {"type": "raw"},
    "cert_path": {"type": "str", "default": "usercert.pem"},
    "privatekey_path": {"type": "str", "default": "userkey.pem", "no_log": False},
    "other_certs_path": {"type": "str"},
    "include_chain": {"type": "bool", "default": False},
    "cert_mode": {"type": "raw", "default": "0600"},
    "privatekey_mode": {"type": "raw", "default": "0600", "no_log": False},
    "backup": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_expired": {"type": "bool", "default": False},
    "allow_not_yet_valid": {"type": "bool", "default": False},
    "allow_older": {"type": "bool", "default": False},
    "allow_subject_change": {"type": "bool", "default": False},
    "subject_dn": {"type": "raw"},
    "allow_shared_subject": {"type": "bool", "default": False},
    "create_account": {"type": "bool", "default": False},
    "account_shell": {"type": "str"},
    "account_group": {"type": "str"},
    "account_base_dir": {"type": "path"},
    "dns_name": {"type": "str"},
    "check_privatekey": {"type": "bool", "default": False},
    "services": {"type": "list", "elements": "raw", "default": []},
    "trust_anchors": {"type": "list", "elements": "raw"},
    "trust_anchors_profiles": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_include": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_exclude": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_exclude_expired": {"type": "bool", "default": False},
    "check_chain": {"type": "bool", "default": True},
}
_PATHS = ("cert_path", "privatekey_path", "other_certs_path")

# Beside ``credentials``; they are for the list as a whole.
LIST_OPTIONS: dict[str, dict[str, Any]] = {
    "record": {"type": "str", "default": ""},
    "purge": {"type": "bool", "default": False},
    "allow_shrink": {"type": "bool", "default": False},
}


@dataclass
class _Item:
    options: dict[str, Any]
    number: int = -1  # among those that are rendered
    outline: dict[str, Any] | None = None
    contents: dict[str, str] = field(default_factory=dict)
    file_set: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)
    before: dict[str, str] | None = None
    error: GridSecurityError | None = None

    def take(self, outline: Outcome) -> None:
        if isinstance(outline, GridSecurityError):
            self.error = outline
        elif outline is None:  # without an error it would count as placed
            self.error = GridSecurityError("internal", f"{label(self.options)}: it was not rendered. Report this.")
        else:
            self.outline = outline


def converge(
    options: list[dict[str, Any]],
    renderer: Renderer,
    check: bool,
    register: identity.Register | None = None,
    reviewed: Callable[[], None] = lambda: None,
) -> Conversation:
    """Bring every credential in place (or away) and return a result for each, in order; none stops the others.

    :param options: of each credential. A credential with an ``error`` gets that error as its result, and is not placed.
    :param register: the owners of credentials in this run.
    :param reviewed: called when no credential can be refused any more, before contents travel.
    """
    register = register or identity.Register()
    items = [_Item(one, error=one.get("error")) for one in options]
    present = [item for item in items if item.error is None and item.options["state"] == "present"]
    wanted = [item.options for item in present]
    outlines = identity.identify(wanted, renderer.outlines(wanted), register, label)
    for number, (item, outline) in enumerate(zip(present, outlines)):
        item.number = number
        item.take(outline)
    for item in items:
        if item.error is None:
            item.error = _bad_path(item.options)
        if item.error is None:
            item.file_set = _file_set(item)
    _refuse_duplicates(items)
    yield from _exchange(items, watch=True)
    pending = [item for item in items if item.error is None and item.outcome.get("needs")]
    for item in pending:
        _review(item, register)
    if not any(item.error and item.error.error_code == "no_account" for item in items):  # these are tried again
        reviewed()
    if not check:
        _render(pending, renderer)
        yield from _exchange(pending)
    for item in items:
        if item.error is None and item.outline is not None:
            register.accept(item.options, item.outline["facts"])
    return [_result(item, check) for item in items]


def _bad_path(options: dict[str, Any]) -> GridSecurityError | None:
    """Return an error if no file can have one of the paths."""
    for name in ("directory", *_PATHS):
        try:
            option_paths.check(options[name] or "", f"{label(options)}: {name}")
        except GridSecurityError as error:
            return error
    return None


def _render(items: list[_Item], renderer: Renderer) -> None:
    """The contents that the node needs; not of credentials that were refused."""
    ready = [item for item in items if item.error is None]
    for item, contents in zip(ready, renderer.contents([item.number for item in ready])):
        if isinstance(contents, GridSecurityError):
            item.error = contents
        elif set(item.outcome["needs"]) <= set(contents):
            item.contents = {digest: contents[digest] for digest in item.outcome["needs"]}
        else:
            item.error = GridSecurityError(
                "internal",
                f"{label(item.options)}: an earlier run rendered it otherwise. Remove the directory grid.security below"
                " ansible's home on the controller (~/.ansible), run again, and report this.",
            )


def _refuse_duplicates(items: list[_Item]) -> None:
    """Two credentials for the same files would replace each other in every run."""
    seen: set[tuple[Any, ...]] = set()
    for item in [one for one in items if "error" not in one.options]:  # the paths of unusable items are unknown
        place = tuple(item.options[name] for name in ("owner", "directory", "cert_path", "privatekey_path"))
        if place in seen and item.error is None:
            item.error = GridSecurityError(
                "duplicate",
                f"{label(item.options)}: an earlier item of credentials has the same owner and paths. Remove one of the"
                " two, or give one of them another directory, cert_path and privatekey_path.",
            )
        seen.add(place)


def _file_set(item: _Item) -> dict[str, Any]:
    options, outline = item.options, item.outline
    paths = [options[name] for name in _PATHS]
    entries: list[dict[str, Any]] = []
    if options["state"] == "absent":
        entries = [{"path": path, "state": "absent", "backup": options["backup"]} for path in paths if path]
    elif outline is not None:
        files = [outline["files"][name] for name in policy.FILES]
        entries = [_file_entry(options, path, facts) for path, facts in zip(paths, files) if path]
        entries[0].update(mode=options["cert_mode"], observe=True)
        entries[1].update(mode=options["privatekey_mode"], secret=True, privatekey=True)
        if options["update_passphrase"] == "on_create" and options["encrypt_privatekey"]:
            entries[0]["certificates"] = [policy.fingerprint(outline["facts"])]
            entries[1]["beside"] = True
        entries += _directories(options)
    return _named_set(item, entries)


def _named_set(item: _Item, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the file set of a credential, with the services that use its files."""
    options = item.options
    named = {"name": label(options), "owner": options["owner"], "directory": _directory(options), "entries": entries}
    if not _services(item):
        return named
    return {**named, "services": _services(item), "watched": _used_paths(options)}


def _directory(options: dict[str, Any]) -> str:
    return str(options["directory"] or f"~{options['owner'] or ''}/.globus")


def _services(item: _Item) -> list[dict[str, str]]:
    """Return the services that use a credential. No service uses an absent credential."""
    services: list[dict[str, str]] = item.options["services"]
    return services if item.options["state"] == "present" else []


def _used_paths(options: dict[str, Any]) -> list[str]:
    return [options[name] for name in _PATHS if options[name]]


def _directories(options: dict[str, Any]) -> list[dict[str, Any]]:
    """``~/.globus`` is kept as it should be; another directory may be /etc/grid-security, or new below a new one."""
    mode = options["directory_mode"]
    if not options["directory"]:
        return [{"path": ".", "state": "directory", "mode": mode or "0700"}]
    above = [] if options["directory"].startswith("~") else [{"path": "..", "initial_mode": "0755"}]
    return [{"state": "directory", **entry} for entry in [*above, {"path": ".", "initial_mode": mode}]]


def _file_entry(options: dict[str, Any], path: str, facts: dict[str, Any]) -> dict[str, Any]:
    """:param facts: digest and size."""
    return {
        "path": path,
        "state": "file",
        **facts,
        "mode": options["cert_mode"],
        "group": options["group"],
        "backup": options["backup"],
    }


def _exchange(items: list[_Item], watch: bool = False) -> Conversation:
    """Send the sets of all items without an error.

    :param watch: also ask about the services of items with an error: an earlier run may not have restarted them.
    """
    ready = [item for item in items if item.error is None]
    watched = [item for item in items if watch and item.error is not None and _services(item)]
    contents = {digest: content for item in ready for digest, content in item.contents.items()}
    sets = [item.file_set for item in ready] + [_named_set(item, []) for item in watched]
    for item, outcome in zip(ready + watched, (yield Request(sets, contents))):
        if outcome.get("failed"):  # perhaps before the engine looked at the services again
            known = item.outcome.get("services", [])
            outcome["services"] = [*known, *outcome.get("services", [])]
            item.error = item.error or GridSecurityError(
                outcome["error_code"], f"{label(item.options)}: {outcome['msg']}"
            )
        item.outcome = outcome


def _review(item: _Item, register: identity.Register) -> None:
    if item.outline is None:  # a removal
        return
    observed = list(item.outcome.get("observed", {}).values())
    if observed:
        # Most runs replace no certificate, and this brings in all that reads one.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.module_utils._x509 import certificates

        item.before = certificates.present(base64.b64decode(observed[0]))
    try:
        policy.review(item.outline["facts"], item.before, item.options, label(item.options))
    except GridSecurityError as error:
        register.refuse(item.options, item.outline["facts"])
        item.error = error


def _result(item: _Item, check: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"owner": item.options["owner"], "state": item.options["state"], "changed": False}
    result.update(_paths(item))
    if item.outcome.get("services"):
        result["services"] = item.outcome["services"]
    if item.outline is not None:
        facts = item.outline["facts"]
        result.update(facts, days_left=policy.days_left(facts), warnings=item.outline["warnings"])
    if item.error is not None:
        result.update(failed=True, error_code=item.error.error_code, msg=item.error.message)
        return result
    result["changed"] = item.outcome["changed"]
    changes = _changes(item, check)
    owner = f"{item.options['owner']}: " if item.options["owner"] else ""
    result["changes"] = [reason for reason, _line in changes]
    result["differences"] = [f"{owner}{line}" for _reason, line in changes]
    backups = [entry["backup_file"] for entry in item.outcome.get("entries", []) if "backup_file" in entry]
    if backups:
        result["backup_files"] = backups
    return result


def refused(options: dict[str, Any], error: GridSecurityError) -> dict[str, Any]:
    """The result of a credential that was refused before it was opened."""
    return _result(_Item(options, error=error), check=False)


def _paths(item: _Item) -> dict[str, str]:
    used = [name for name in _PATHS if item.options[name]]
    directory = _directory(item.options)
    return dict(zip(used, item.outcome.get("paths") or [os.path.join(directory, item.options[name]) for name in used]))


def _changes(item: _Item, check: bool) -> list[tuple[str, str]]:
    """Return each change as its reason, and as a line with the path of its file; the certificate's first."""
    paths = _paths(item)
    changes = [(entry["path"], change) for entry in item.outcome.get("entries", []) for change in entry["changes"]]
    first: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for path, change in changes:
        reason = _explain(item, paths, path, change, check)
        if reason is None:
            of_file = reasons.of_file(path, change, check)  # begins with the name of the file
            others.append((of_file, os.path.join(os.path.dirname(path), of_file)))
        else:
            (first if path == paths.get("cert_path") else others).append((reason, f"{path}: {reason}"))
    return first + others


def _explain(item: _Item, paths: dict[str, str], path: str, change: str, check: bool) -> str | None:
    """Return the reason for a change of a certificate or a private key; None if the words for any file serve."""
    outline = item.outline
    if outline is None or change not in ("created", "content replaced"):
        return None
    if path not in (paths["cert_path"], paths["privatekey_path"]):
        return None
    if change == "created" and check:
        return f"{'certificate' if path == paths['cert_path'] else 'private key'} missing"
    if path == paths["cert_path"]:
        return reasons.of_certificate(outline["facts"], item.before, check)
    if change == "created":
        return "private key installed"
    found = dict(item.outcome.get("key_files") or {}).get(path)
    return reasons.of_privatekey(outline["key"], found, _is_certificate_in_place(item, paths), check)


def _is_certificate_in_place(item: _Item, paths: dict[str, str]) -> bool:
    changed = {entry["path"] for entry in item.outcome["entries"]}
    if paths["cert_path"] not in changed:
        return True
    facts = item.outline["facts"] if item.outline else {}
    return item.before is not None and item.before["sha256_fingerprint"] == facts["sha256_fingerprint"]
