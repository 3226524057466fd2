# SPDX-License-Identifier: GPL-3.0-or-later
"""Define changes of a node for interruptions: the state before, the state after, and states that must never occur."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._credential.converter import Converter, Source
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange
from ansible_collections.grid.security.plugins.module_utils._files.exchange import (
    Exchange,
    Outcomes,
    Request,
    Send,
    run,
)
from ansible_collections.grid.security.plugins.module_utils._files.leftovers import is_leftover
from ansible_collections.grid.security.plugins.plugin_utils._action import managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchors, trust_store
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms_comparison, voms_files, vomses, vos
from ansible_collections.grid.security.tests.support import conversions, pki
from ansible_collections.grid.security.tests.support.faults.strace import Call, Engine
from ansible_collections.grid.security.tests.support.faults.tree import Item, Tree, leftovers, restore, snapshot

Talk = Callable[[Send], Any]  # runs an exchange and returns its result
Rule = Callable[["Change", Tree], Iterator[str]]

_BACKUP = re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~")
_HASH_LINK = re.compile(r"(.*/)?([0-9a-f]{8})\.\d")


@dataclass
class Change:
    """Hold a call of the engine that changes a directory from one state to another.

    :param root: the directory. :param request: the call. :param comparison: the call before it, if there was one.
    :param talk: runs the exchange that the call is part of.
    :param back: runs an exchange that restores the state before, if there is one.
    :param pair: certificate and key, by path below the root. :param rule: returns further problems.
    """

    engine: Engine
    root: Path
    request: Request
    comparison: Request | None
    before: Tree
    after: Tree
    talk: Talk
    back: Talk | None
    pair: tuple[str, ...]
    rule: Rule

    def reset(self) -> None:
        restore(self.root, self.before)

    def run(self, *injections: str, **how: Any) -> tuple[dict[str, Any], list[Call]]:
        """Make the call in the state before, with faults. Return its answer and the system calls."""
        self.reset()
        return self.engine.trace(self.request.sets, self.request.contents, *injections, **how)

    def compare(self, *injections: str) -> tuple[dict[str, Any], list[Call]]:
        """Make the comparison in the same way."""
        assert self.comparison
        self.reset()
        return self.engine.trace(self.comparison.sets, self.comparison.contents, *injections)

    def concerns(self, call: Call) -> bool:
        """Return whether the call is about the directory or something in it."""
        return any(Path(path).is_relative_to(self.root) for path in call.paths)

    def wrong(self, tree: Tree) -> Iterator[str]:
        """Yield states that must never occur."""
        for name in sorted({*tree, *self.before, *self.after}):
            item, old, new = tree.get(name), self.before.get(name), self.after.get(name)
            if item and is_leftover(os.path.basename(name)):
                yield from self._wrong_leftover(item)
            elif item and _BACKUP.search(name):
                yield from self._wrong_backup(name, item)
            elif item not in (old, new) and not (item and old and new and item == _narrowed(old, new)):
                yield f"{name} is neither old nor new but {item}"
        yield from self.rule(self, tree)

    def _wrong_leftover(self, item: Item) -> Iterator[str]:
        known = [*self.before.values(), *self.after.values()]
        if item.kind == "directory" or not any(one.content.startswith(item.content) for one in known):
            yield f"a temporary name for {item}"
        if item.mode & ~0o600 and not any(one.content == item.content and one.mode == item.mode for one in known):
            yield f"a temporary file with mode {item.mode:o}"

    def _wrong_backup(self, name: str, item: Item) -> Iterator[str]:
        old = self.before.get(_BACKUP.sub("", name))
        if old is None or old.content != item.content or item.mode & ~old.mode:
            yield f"{name} is no backup of {old} but {item}"

    def halves(self, tree: Tree) -> list[bool]:
        """Return, for certificate and key, whether the new file is in place, if old and new differ."""
        changed = [name for name in self.pair if _bytes(self.before, name) != _bytes(self.after, name)]
        return [_bytes(tree, name) == _bytes(self.after, name) for name in changed]

    def is_mixed(self, tree: Tree) -> bool:
        """Return whether certificate and key do not match."""
        return len(set(self.halves(tree))) > 1

    def finish(self) -> Iterator[str]:
        """Make the next run, and yield the problems of its result."""
        yield from _failures(self.talk(self.engine.send))
        yield from self.differs_from(self.after)

    def go_back(self) -> Iterator[str]:
        """Make a next run that restores the state before, and yield the problems."""
        assert self.back
        yield from _failures(self.back(self.engine.send))
        yield from self.differs_from(self.before)

    def differs_from(self, wanted: Tree, but: Collection[str] = ()) -> Iterator[str]:
        """Yield the differences between the directory and a state. :param but: names to ignore."""
        tree = _with_backups({name: item for name, item in snapshot(self.root).items() if name not in but})
        if tree != _with_backups(wanted):
            extra, missing = sorted({*tree} - {*wanted}), sorted({*wanted} - {*tree})
            differing = [name for name in tree if name in wanted and tree[name] != wanted[name]]
            yield f"too much: {extra}, missing: {missing}, differing: {differing}"


def _failures(result: Any) -> list[str]:
    """Return the messages of failures in the result of an exchange, or of many exchanges."""
    results = [result] if isinstance(result, dict) else result
    return [f"the next run failed: {one['msg']}" for one in results if one.get("failed")]


def _bytes(tree: Tree, name: str) -> bytes | None:
    return tree[name].content if name in tree else None


def _narrowed(old: Item, new: Item) -> Item:
    """Return the old bytes with the new mode at most, like a backup that is being made."""
    return old._replace(mode=old.mode & new.mode)


def _with_backups(tree: Tree) -> Tree:
    """Rename backups to names without their time. A second backup of the same file gets another name."""
    known: Tree = {}
    for name, item in tree.items():
        plain = _BACKUP.sub("~", name)
        known[plain + "~" if plain in known else plain] = item
    return known


def prepare(
    engine: Engine,
    root: Path,
    before: Talk | None,
    after: Talk,
    back: Talk | None,
    pair: tuple[str, ...] = (),
    rule: Rule | None = None,
) -> Change:
    """Return a change after a test without faults."""
    engine.home = str(root)
    for talk in [before] if before else []:
        assert _failures(talk(engine.send)) == []
    start, requests = snapshot(root), list[Request]()

    def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        requests.append(Request(sets, contents))
        return engine.send(sets, contents)

    assert _failures(after(send)) == []
    end = snapshot(root)
    assert end != start and not leftovers(end)
    compared = requests[0] if len(requests) > 1 else None
    rule = rule or (lambda _change, _tree: iter(()))
    return Change(engine, root, requests[-1], compared, start, end, after, back, pair, rule)


def _then_without(directory: Path, talk: Talk) -> Talk:
    """Remove the directory afterwards: the engine removes no directories."""

    def both(send: Send) -> Any:
        results = talk(send)
        with contextlib.suppress(OSError):  # files that are still in it are found
            directory.rmdir()
        return results

    return both


# --- credentials ------------------------------------------------------------------------------------------------------

CERTIFICATE, KEY, OTHERS = ".globus/usercert.pem", ".globus/userkey.pem", ".globus/chain.pem"
_AUTHORITY = pki.issue("CA", authority=True)
_OLD = pki.issue("Alice", start=-50, issuer=_AUTHORITY)
_NEW = pki.issue("Alice", start=-1, issuer=_AUTHORITY)


def _credential(owner: str | None, one: pki.Credential | None, **changes: Any) -> Talk:
    usual = {
        "owner": owner,
        "passphrase": "import",
        "privatekey_passphrase": "store",
        "kdf_iterations": 1000,
        "allow_older": True,
        "state": "present" if one else "absent",
    }
    options, converter = conversions.options(**{**usual, **changes}), Converter()
    source = Source(options, one.archive() if one else b"")  # which the converter converts once
    return lambda send: list(
        run(CredentialExchange([options], lambda _options: source, converter, check=False), send).values()
    )


def _whole(change: Change, tree: Tree) -> Iterator[str]:
    """Check that old and new files are complete, under any name, while certificate and key do not match."""
    if not change.is_mixed(tree):
        return
    present = {item.content for item in tree.values()}
    for name in change.pair:
        for wanted in (change.before.get(name), change.after.get(name)):
            if wanted and name in change.after and wanted.content not in present:
                yield f"of {name}, old or new bytes are nowhere"


def _credential_change(engine: Engine, root: Path, before: Talk | None, after: Talk, back: Talk | None) -> Change:
    return prepare(engine, root, before, after, back, (CERTIFICATE, KEY), _whole)


def placement(engine: Engine, root: Path, owner: str | None) -> Change:
    back = _then_without(root / ".globus", _credential(owner, None))
    return _credential_change(engine, root, None, _credential(owner, _NEW), back)


def renewal(engine: Engine, root: Path, owner: str | None) -> Change:
    old, new = _credential(owner, _OLD), _credential(owner, _NEW)
    return _credential_change(engine, root, old, new, old)


def resumption(engine: Engine, root: Path, owner: str | None) -> Change:
    """Renew after a renewal that was killed when the new key was complete."""
    old, new = _credential(owner, _OLD), _credential(owner, _NEW)

    def killed(send: Send) -> Any:
        results = old(send)
        left = root / ".globus/.grid-security-0123456789abcdef.tmp"
        left.write_bytes(_NEW.pem)
        left.chmod(0o600)
        os.chown(left, root.stat().st_uid, root.stat().st_gid)
        return results

    return _credential_change(engine, root, killed, new, None)


def renewal_with_backup(engine: Engine, root: Path, owner: str | None) -> Change:
    """Make a readable certificate private, with a file of other certificates."""
    old = _credential(owner, _OLD, cert_mode="0644", other_certs_path="chain.pem")
    new = _credential(owner, _NEW, backup=True, other_certs_path="chain.pem")
    return _credential_change(engine, root, old, new, None)  # backups stay


def passphrase(engine: Engine, root: Path, owner: str | None) -> Change:
    old, new = _credential(owner, _NEW), _credential(owner, _NEW, privatekey_passphrase="another")
    return _credential_change(engine, root, old, new, old)


def narrowing(engine: Engine, root: Path, owner: str | None) -> Change:
    """Change modes only."""
    old = _credential(owner, _NEW, cert_mode="0644", privatekey_mode="0600", directory_mode="0755")
    new = _credential(owner, _NEW, cert_mode="0600", privatekey_mode="0400")
    return _credential_change(engine, root, old, new, old)


def removal(engine: Engine, root: Path, owner: str | None) -> Change:
    old = _credential(owner, _OLD)
    return _credential_change(engine, root, old, _credential(owner, None), old)


def host_credential(engine: Engine, root: Path, owner: str | None) -> Change:
    """Work as root in a directory of root, and change the owner of the files to a service's user."""
    where = {"directory": str(root / "service"), "directory_mode": "0755", "cert_mode": "0644"}
    names_of = {"cert_path": "hostcert.pem", "privatekey_path": "hostkey.pem", "privatekey_mode": "0400"}
    old, new = (_credential(owner, one, encrypt_privatekey=False, **where, **names_of) for one in (_OLD, _NEW))
    return prepare(engine, root, old, new, old, ("service/hostcert.pem", "service/hostkey.pem"), _whole)


# --- trust anchors ----------------------------------------------------------------------------------------------------


def _anchor(alias: str, one: pki.Credential, policy: bytes = b"") -> anchors.Anchor:
    return anchors.Anchor(alias, one.facts, one.pem, {"signing_policy": policy} if policy else {}, set(), "test")


def _twins() -> list[pki.Credential]:
    """Make three certificates with the same name, in the order of their collision numbers."""
    made = [pki.issue("Twin CA", authority=True) for _number in range(3)]
    return sorted(made, key=lambda one: _anchor("twin", one).fingerprint)


_KEPT, _RENAMED, _GONE, _COME = (pki.issue(name, authority=True) for name in ("Kept", "Renamed", "Gone", "Come"))
_ROLLED = [pki.issue("Rolled", authority=True) for _number in range(2)]
_TWINS = _twins()
EARLY = [
    _anchor("kept", _KEPT, b"old policy\n"),
    _anchor("before", _RENAMED),
    _anchor("gone", _GONE, b"policy of gone\n"),
    _anchor("rolled", _ROLLED[0]),
    _anchor("second", _TWINS[1], b"policy of second\n"),
    _anchor("third", _TWINS[2]),
]
LATE = [
    _anchor("kept", _KEPT, b"new policy\n"),
    _anchor("after", _RENAMED),
    _anchor("come", _COME),
    _anchor("rolled", _ROLLED[1]),
    _anchor("first", _TWINS[0], b"policy of first\n"),
    _anchor("second", _TWINS[1], b"policy of second\n"),
]


def _anchors(root: Path, release: list[anchors.Anchor]) -> Talk:
    path = root / "grid-security/certificates"
    layout = trust_store.layout(release)
    directory = ManagedDirectory("trust anchors", str(path), trust_store.PATTERNS, layout, ["..", "."])

    return lambda send: run(_TrustDirectory(directory), send)


class _TrustDirectory(Exchange):
    def __init__(self, directory: ManagedDirectory) -> None:
        self._directory = directory

    def request(self) -> Request:
        return Request([self._directory.compare_set])

    def supply(self, outcomes: Outcomes) -> Request:
        managed_directory.raise_failure(outcomes)
        update = trust_store.update(self._directory, outcomes[0])
        return Request([update.file_set], update.contents) if update.entries else Request([])

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        managed_directory.raise_failure(outcomes)
        return {}


def _trusted(change: Change, tree: Tree) -> Iterator[str]:
    """Check that no link dangles, and that OpenSSL finds each CA that stays under its hashes."""
    for name, item in tree.items():
        if item.kind == "link" and _resolved(tree, name) is None:
            yield f"{name} leads nowhere"
        if _HASH_LINK.fullmatch(name) and b"BEGIN CERTIFICATE" not in (_resolved(tree, name) or b""):
            yield f"{name} is no certificate"
    for one in (*EARLY, *LATE):
        for digest in one.certificate.hashes:
            stays = _found(change.before, digest, one) and _found(change.after, digest, one)
            if stays and not _found(tree, digest, one):
                yield f"{one.alias} is not found under {digest}"


def _resolved(tree: Tree, name: str) -> bytes | None:
    item = tree.get(name)
    if item and item.kind == "link":
        item = tree.get(os.path.normpath(os.path.join(os.path.dirname(name), os.fsdecode(item.content))))
    return item.content if item and item.kind == "file" else None


def _found(tree: Tree, digest: str, one: anchors.Anchor) -> bool:
    for number in range(10):
        content = _resolved(tree, f"grid-security/certificates/{digest}.{number}")
        if content in (None, one.pem):
            return content is not None
    return False


def first_anchors(engine: Engine, root: Path, _owner: str | None) -> Change:
    emptied = _then_without(root / "grid-security/certificates", _anchors(root, []))
    back = _then_without(root / "grid-security", emptied)
    return prepare(engine, root, None, _anchors(root, EARLY), back, rule=_trusted)


def upgrade(engine: Engine, root: Path, _owner: str | None) -> Change:
    early, late = _anchors(root, EARLY), _anchors(root, LATE)
    return prepare(engine, root, early, late, early, rule=_trusted)


def downgrade(engine: Engine, root: Path, _owner: str | None) -> Change:
    early, late = _anchors(root, EARLY), _anchors(root, LATE)
    return prepare(engine, root, late, early, late, rule=_trusted)


# --- VOMS -------------------------------------------------------------------------------------------------------------


def _vo(name: str, *hosts: str) -> dict[str, Any]:
    known = {"port": 15001, "ca_dn": "/CN=CA"}
    return {"name": name, "servers": [{"host": f"{host}.example.org", "dn": f"/CN={host}", **known} for host in hosts]}


def _voms(root: Path, *given: dict[str, Any]) -> Talk:
    named = vos.define(list(given))
    return lambda send: run(_Voms(named, root), send)


class _Voms(Exchange):
    def __init__(self, named: list[vos.Vo], root: Path) -> None:
        self._named = named
        self._vomses = voms_files.vomses_directory(named, str(root / "vomses"))
        self._lsc = [voms_files.lsc_directory(vo, str(root / "vomsdir")) for vo in named]

    def request(self) -> Request:
        return Request([directory.compare_set for directory in (self._vomses, *self._lsc)])

    def supply(self, outcomes: Outcomes) -> Request:
        managed_directory.raise_failure(outcomes)
        vomses, *lsc = map(managed_directory.Compared, [self._vomses, *self._lsc], outcomes)
        compared = [voms_comparison.ComparedVo(vo, one) for vo, one in zip(self._named, lsc)]
        comparison = voms_comparison.Comparison(vomses, compared)
        return Request(comparison.file_sets, comparison.contents)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        managed_directory.raise_failure(outcomes)
        return {}


def _signed(_change: Change, tree: Tree) -> Iterator[str]:
    """Check that clients have the LSC file of each server in vomses."""
    for name, item in tree.items():
        if os.path.dirname(name) != "vomses" or item.kind != "file" or leftovers({name: item}):
            continue
        for line in vomses.lines(item.content):
            if line.vo and line.vo != "other" and f"vomsdir/{line.vo}/{line.fields[1]}.lsc" not in tree:
                yield f"{name} names {line.fields[1]}, whose LSC file is missing"


_OTHER = b'"other" "other.example.org" "15001" "/CN=other" "other"\n'
_ABSENT = {"name": "c", "state": "absent"}


def _others_file(root: Path, content: bytes) -> None:
    (root / "vomses").mkdir()
    (root / "vomses/site").write_bytes(content)
    for path, mode in ((root / "vomses", 0o755), (root / "vomses/site", 0o644)):
        os.chown(path, root.stat().st_uid, root.stat().st_gid)
        path.chmod(mode)


def voms(engine: Engine, root: Path, _owner: str | None) -> Change:
    """Add and remove a server, add and remove a VO, and keep another file."""
    _others_file(root, _OTHER)
    first = _voms(root, _vo("a", "one", "two"), _vo("b", "one"), _ABSENT)
    second = _voms(root, _vo("a", "two", "three"), {"name": "b", "state": "absent"}, _vo("c", "four"))

    return prepare(engine, root, first, second, _then_without(root / "vomsdir/c", first), rule=_signed)


def voms_taken_over(engine: Engine, root: Path, _owner: str | None) -> Change:
    """Remove a VO's entries from another file, and keep its other lines."""
    _others_file(root, _OTHER + b'"c" "old.example.org" "15001" "/CN=old" "c"\n')
    return prepare(engine, root, None, _voms(root, _vo("c", "four")), None)


CHANGES = {
    "placement": placement,
    "renewal": renewal,
    "resumption": resumption,
    "renewal with backup": renewal_with_backup,
    "passphrase": passphrase,
    "narrowing": narrowing,
    "removal": removal,
    "host credential": host_credential,
    "first anchors": first_anchors,
    "upgrade": upgrade,
    "downgrade": downgrade,
    "VOMS": voms,
    "VOMS taken over": voms_taken_over,
}
