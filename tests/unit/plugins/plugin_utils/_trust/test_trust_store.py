# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of a trust directory, and the way from one to another."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchors, trust_report, trust_store
from ansible_collections.grid.security.tests.support import pki


def anchor(alias: str, common_name: str, files: dict[str, bytes] | None = None) -> anchors.Anchor:
    one = pki.issue(common_name, authority=True)
    return anchors.Anchor(alias, one.facts, one.pem, files or {}, set(), "test")


ALICE = anchor("alice", "Alice CA", {"signing_policy": b"policy of alice\n", "info": b"alias = alice\n"})
BOB = anchor("bob", "Bob CA")
TWINS = [anchor(f"twin{number}", "Twin CA", {"signing_policy": b"%d\n" % number}) for number in range(3)]


def directory(path: Path, wanted: Facts) -> ManagedDirectory:
    return ManagedDirectory("trust anchors", str(path), trust_store.PATTERNS, wanted, ["..", "."])


def compare(place: ManagedDirectory) -> dict[str, Any]:
    (outcome,) = inspectors.converge([place.compare_set], {}, False, False)
    assert not outcome.get("failed"), outcome
    return outcome


def converge(path: Path, wanted: Facts) -> list[dict[str, Any]]:
    """As the action does, on this machine; returns the entries sent."""
    place = directory(path, wanted)
    update = trust_store.update(place, compare(place))
    if update.entries:
        change = managed_directory.update_set(place, update.entries)
        (applied,) = inspectors.converge([change], update.contents, False, False)
        assert not applied.get("failed"), applied
    return update.entries


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "grid-security/certificates"


def test_placed_as_packages_do(store: Path) -> None:
    converge(store, trust_store.layout([ALICE]))
    new, old = ALICE.certificate.hashes
    assert {path.name: str(path.readlink()) for path in store.iterdir() if path.is_symlink()} == {
        f"{digest}.{ending}": f"alice.{'pem' if ending == '0' else ending}"
        for digest in (new, old)
        for ending in ("0", "signing_policy")
    }
    assert (store / f"{new}.signing_policy").read_bytes() == b"policy of alice\n"
    assert store.stat().st_mode & 0o777 == 0o755
    assert (store / "alice.pem").stat().st_mode & 0o777 == 0o644


def test_anchor_that_is_called_by_its_hash(store: Path) -> None:
    for digest in ALICE.certificate.hashes:
        nameless = anchors.Anchor(digest, ALICE.certificate, ALICE.pem, ALICE.files, set(), "test")
        converge(store, trust_store.layout([nameless]))
        assert [path.name for path in store.iterdir() if not path.exists()] == []
        assert (store / f"{digest}.signing_policy").read_bytes() == b"policy of alice\n"


def test_a_policy_under_a_hash_does_not_hide_those_of_other_cas_with_the_hash(store: Path) -> None:
    one, other, _third = TWINS
    for digest in one.certificate.hashes:
        own = {"signing_policy": b"policy of the file\n"}
        nameless = anchors.Anchor(digest, one.certificate, one.pem, own, set(), "test")
        stranger = anchors.Anchor(digest, BOB.certificate, BOB.pem, own, set(), "test")  # named after another CA's hash
        for first in (nameless, stranger):
            converge(store, trust_store.layout([first, other]))
            text = (store / f"{digest}.signing_policy").read_bytes()
            assert sorted(text.splitlines()) == [b"", b"1", b"policy of the file"]


def test_nothing_to_do_sends_nothing(store: Path) -> None:
    wanted = trust_store.layout([ALICE, BOB, *TWINS])
    assert converge(store, wanted)
    assert converge(store, wanted) == []


def test_only_what_differs_is_sent(store: Path) -> None:
    wanted = trust_store.layout([ALICE, BOB])
    converge(store, wanted)
    (store / "bob.pem").write_text("damaged")
    assert [entry["path"] for entry in converge(store, wanted)] == ["bob.pem"]
    (store / "bob.pem").chmod(0o666)
    assert [entry["path"] for entry in converge(store, wanted)] == ["bob.pem"]


@pytest.mark.parametrize("purge", [True, False])
def test_what_an_interrupted_run_left_is_cleared(store: Path, purge: bool) -> None:
    wanted = trust_store.layout([ALICE])
    converge(store, wanted)
    (store / ".grid-security-0123.tmp").write_text("half")
    place = directory(store, wanted)
    update = trust_store.update(place, compare(place), purge)
    assert update.is_needed
    assert update.entries == [{"path": ".grid-security-0123.tmp", "state": "absent"}]
    assert converge(store, wanted)
    assert converge(store, wanted) == []


def test_links_go_before_what_they_lead_to(store: Path) -> None:
    converge(store, trust_store.layout([ALICE, BOB]))
    gone = [entry["path"] for entry in converge(store, trust_store.layout([BOB]))]
    first = min(number for number, name in enumerate(gone) if name.startswith("alice."))
    assert {name.partition(".")[0] for name in gone[:first]} == set(ALICE.certificate.hashes)
    assert {name.partition(".")[2] for name in gone[:first]} == {"0", "signing_policy"}
    assert len(gone[:first]) == 4


def test_of_a_changed_anchor_only_its_files_travel(store: Path) -> None:
    renewed = anchor("bob", "Bob CA")
    converge(store, trust_store.layout([ALICE, BOB]))
    assert [entry["path"] for entry in converge(store, trust_store.layout([ALICE, renewed]))] == ["bob.pem"]
    elsewhere = anchor("bob", "Other CA", {"signing_policy": b"new policy\n"})
    old, new = (set(one.certificate.hashes) for one in (BOB, elsewhere))
    moved = {entry["path"] for entry in converge(store, trust_store.layout([ALICE, elsewhere]))}
    stems = {path.partition(".")[0] for path in moved}
    assert stems == {"bob"} | old | new


def test_removal_takes_revocation_lists_and_leaves_the_rest(store: Path) -> None:
    converge(store, trust_store.layout([ALICE, BOB]))
    (kept, _old), (gone, _old2) = ALICE.certificate.hashes, BOB.certificate.hashes
    for name in (f"{kept}.r0", f"{gone}.r0", "README"):
        (store / name).write_text("")
    converge(store, trust_store.layout([ALICE]))
    left = {path.name for path in store.iterdir()}
    assert {f"{kept}.r0", "README"} <= left
    assert not left & {f"{gone}.r0", f"{gone}.0", "bob.pem"}


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_of_several_cas_of_one_name_one_goes_and_the_crls_stay(store: Path, gone: int) -> None:
    converge(store, trust_store.layout(TWINS))
    crls = {f"{digest}.r{number}" for digest in TWINS[0].certificate.hashes for number in (0, 1, 9)}
    for name in crls:
        (store / name).write_text("CRL")
    converge(store, trust_store.layout([one for one in TWINS if one is not TWINS[gone]]))
    assert crls <= {path.name for path in store.iterdir()}
    converge(store, trust_store.layout([ALICE]))
    assert not crls & {path.name for path in store.iterdir()}


def test_a_crl_goes_only_with_a_certificate_of_its_hash() -> None:
    """Files that are called by an alias say nothing about CRLs."""
    old, new = trust_store.layout([ALICE, BOB]), trust_store.layout([ALICE])
    entries, _contents = trust_store.difference(new, old)
    removed = sorted(one["path"] for one in entries if ".r" in one["path"])
    assert removed == sorted(f"{digest}.r{number}" for digest in BOB.certificate.hashes for number in range(10))


def test_collisions_are_numbered_and_share_a_policy(store: Path) -> None:
    converge(store, trust_store.layout(TWINS))
    new, _old = TWINS[0].certificate.hashes
    assert len({(store / f"{new}.{number}").readlink() for number in range(3)}) == 3
    assert sorted((store / f"{new}.signing_policy").read_text().split()) == ["0", "1", "2"]


@pytest.mark.parametrize("before", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize("after", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]])
def test_no_twin_that_stays_is_ever_without_a_link(before: list[int], after: list[int]) -> None:
    old, new = (trust_store.layout([TWINS[i] for i in chosen]) for chosen in (before, after))
    entries, _contents = trust_store.difference(new, old)
    digest, _old = TWINS[0].certificate.hashes
    links = {name: facts["target"] for name, facts in old.items() if name[:-2] == digest}
    staying = {f"twin{number}.pem" for number in set(before) & set(after)}
    for entry in sorted(entries, key=lambda one: ["file", "link", "absent"].index(one["state"])):
        if entry["state"] == "link" and entry["path"][:-2] == digest:
            links[entry["path"]] = entry["target"]
        elif entry["state"] == "absent":
            links.pop(entry["path"], None)
        assert staying <= set(links.values())


def test_gutting_is_refused() -> None:
    full, few = trust_store.layout([ALICE, BOB, *TWINS]), trust_store.layout([ALICE, BOB])
    trust_store.refuse_shrinking(full, few)
    for wanted in (few, {}):
        with pytest.raises(GridSecurityError, match="allow_shrink"):
            trust_store.refuse_shrinking(wanted, full)


def by_hash(*numbers: int, kind: str = "file") -> dict[str, Any]:
    return {f"0000000{number}.0": {"kind": kind} for number in numbers}


def by_alias(*numbers: int, kind: str = "file") -> dict[str, Any]:
    return {f"ca{number}.pem": {"kind": kind} for number in numbers}


@pytest.mark.parametrize(
    ("wanted", "found", "is_refused"),
    [
        (by_alias(1, 2), by_alias(1, 2, 3, 4), False),  # exactly half
        (by_alias(1), by_alias(1, 2, 3), True),
        (by_alias(1, 2), by_alias(1, 2, 3, 4, 5), True),
        (by_alias(1, 2), by_alias(1, 2, 3), False),
        (by_alias(1), by_alias(1, 2, kind="link"), False),  # as packages have it: an alias may be a link
        (by_alias(1), by_alias(1, 2, 3, kind="link"), True),
        (by_alias(1), by_hash(1), True),  # a store of files that are called by their hashes
        (by_alias(1), {**by_alias(1), **by_hash(1)}, False),
        (by_alias(1), {**by_alias(1), **by_hash(1, 2)}, True),
        (by_alias(1), {**by_alias(1), **by_hash(1, 2, 3, kind="link")}, False),  # links show the same CAs again
        (by_alias(1), {**by_alias(1), "a.info": {"kind": "file"}, "b.info": {"kind": "file"}}, False),
        ({"a.info": {"kind": "file"}}, {}, True),  # no CA at all
        ({}, {}, True),
    ],
)
def test_more_than_half_of_the_cas_in_place_may_not_go(wanted: Any, found: Any, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(GridSecurityError) as caught:
            trust_store.refuse_shrinking(wanted, found)
        assert caught.value.error_code == "shrink"
    else:
        trust_store.refuse_shrinking(wanted, found)


def test_the_message_about_shrinking_has_the_numbers() -> None:
    with pytest.raises(GridSecurityError, match=r"\b3 of the 4 .* leaving 2\b"):
        trust_store.refuse_shrinking(by_alias(1, 9), by_alias(1, 2, 3, 4))


def test_description(store: Path) -> None:
    old, new = trust_store.layout([ALICE, BOB]), trust_store.layout([anchor("alice", "Alice CA"), TWINS[0]])
    update = trust_store.update(directory(store, new), {"changed": True, "found": old})
    told = trust_report.result([update], [], True)
    assert {key: [one["alias"] for one in told[key]] for key in ("added", "removed", "replaced")} == {
        "added": ["twin0"],
        "removed": ["bob"],
        "replaced": ["alice"],
    }
    shown = told["diff"][0]["prepared"].splitlines()
    assert [line.split(" (")[0] for line in shown[:3]] == ["- bob", "+ twin0", "~ alice"]
    assert told["files"] == []


def test_drift_of_what_stays_is_told_by_file(store: Path) -> None:
    wanted = trust_store.layout([ALICE, BOB])
    converge(store, wanted)
    new, _old = ALICE.certificate.hashes
    (store / f"{new}.0").unlink()
    (store / "alice.signing_policy").write_text("another")
    (store / "alice.info").chmod(0o600)
    place = directory(store, wanted)
    told = trust_report.result([trust_store.update(place, compare(place))], [], True)
    expected = {f"{new}.0: missing", "alice.signing_policy: other content", "alice.info: mode 0600 → 0644"}
    assert set(told["files"]) == expected
    assert told["summary"] == ["other files and links that differed: 3"]
    assert expected < set(told["diff"][0]["prepared"].splitlines())


def test_a_file_that_was_a_link_is_told_as_that(store: Path) -> None:
    """As where the distribution's packages filled the directory: nobody has another certificate afterwards."""
    wanted = trust_store.layout([ALICE])
    converge(store, wanted)
    for name in ("alice.pem", "alice.info"):
        (store / name).rename(store.parent / name)
        (store / name).symlink_to(store.parent / name)
    place = directory(store, wanted)
    told = trust_report.result([trust_store.update(place, compare(place))], [], True)
    assert (told["added"], told["removed"], told["replaced"]) == ([], [], [])
    same = "now a file, was a link with the same content"
    assert sorted(told["files"]) == [f"alice.{end}: {same}" for end in ("info", "pem")]
    assert told["summary"] == ["files and links with the same content in another form: 2"]
    assert converge(store, wanted)
    assert converge(store, wanted) == []


def test_a_directory_of_links_as_packages_make_it(store: Path) -> None:
    """Each file, and each link by a hash, is a link to another directory."""
    bob = anchor("bob", "Bob CA", {"info": b"alias = bob\n"})
    wanted = trust_store.layout([ALICE, bob])
    package = store.parent / "package"
    converge(package, wanted)
    store.mkdir()
    for path in package.iterdir():
        (store / path.name).symlink_to(path)
    (package / "bob.info").write_text("another")
    (package / "alice.pem").write_bytes(TWINS[0].pem)
    place = directory(store, wanted)
    told = trust_report.result([trust_store.update(place, compare(place))], [], True)
    assert [one["alias"] for one in told["replaced"]] == ["alice"]
    assert told["files"][0] == "bob.info: now a file, was a link with other content"
    assert "bob.pem: now a file, was a link with the same content" in told["files"]
    new, _old = bob.certificate.hashes
    assert f"{new}.0: other target with the same content" in told["files"]
    numbers = (
        "CAs replaced: 1, other files and links that differed: 1, files and links with the same content in another"
    )
    assert told["summary"] == [f"{numbers} form: {len(told['files']) - 1}"]


def test_links_of_others_and_private_files_are_not_followed(store: Path) -> None:
    store.mkdir(parents=True)
    secret, pipe = store.parent / "secret", store.parent / "pipe"
    secret.write_text("secret")
    secret.chmod(0o600)
    os.mkfifo(pipe)
    for name, target in (("secret", secret), ("pipe", pipe), ("zero", "/dev/zero"), ("loop", store / "loop.pem")):
        (store / f"{name}.pem").symlink_to(target)
    found = compare(directory(store, {}))["found"]
    assert len(found) == 4
    assert not any("leads_to" in facts for facts in found.values())


def test_links_are_seen_and_directories_stay(store: Path) -> None:
    store.mkdir(parents=True)
    (store / "pipe.pem").symlink_to("nowhere")
    (store / "directory.pem").mkdir()
    assert [entry["path"] for entry in converge(store, {})] == ["pipe.pem"]
    assert [path.name for path in store.iterdir()] == ["directory.pem"]


def test_without_purge_only_leftovers_and_nothing_else_goes(store: Path) -> None:
    store.mkdir(parents=True)
    (store / "gone.pem").write_bytes(BOB.pem)
    (store / ".grid-security-0123.tmp").write_text("half")
    (store / ".grid-security-4567.tmp").mkdir()
    place = directory(store, {})
    update = trust_store.update(place, compare(place), purge=False)
    assert [entry["path"] for entry in update.entries] == [".grid-security-0123.tmp"]
    assert update.left == []


def test_the_request_places_what_the_comparison_found_missing(store: Path) -> None:
    place = directory(store, trust_store.layout([ALICE]))
    update = trust_store.update(place, compare(place))
    (applied,) = inspectors.converge([update.file_set], update.contents, False, False)
    assert applied["changed"]
    assert (store / "alice.pem").read_bytes() == ALICE.pem


def test_what_the_system_has_not_taken_up_is_missing(store: Path) -> None:
    wanted = {f"{one.alias}.crt": file_facts.of_file(one.pem, one.fingerprint) for one in (ALICE, BOB)}
    bundle = store.parent / "bundle.crt"
    place = ManagedDirectory("system", str(store), ["*.crt"], wanted, ["..", "."], str(bundle))
    update = trust_store.update(place, compare(place))
    inspectors.converge([managed_directory.update_set(place, update.entries)], update.contents, False, False)
    for content, missing in ((None, ["alice.crt", "bob.crt"]), (BOB.pem, ["alice.crt"]), (BOB.pem + ALICE.pem, [])):
        if content:
            bundle.write_bytes(content)
        outcome = compare(place)
        assert (outcome["changed"], outcome.get("missing", [])) == (bool(missing), missing)
        assert trust_store.update(place, outcome).is_needed is bool(missing)


# --- what is never removed --------------------------------------------------------------------------------------------

USER = pki.issue("User", issuer=pki.issue("CA of users", authority=True))
KEY = USER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CA = pki.issue("Gone CA", authority=True)
KEPT = {
    "hostcert.pem": USER.pem,
    "hostkey.pem": KEY,
    "both.pem": CA.pem + KEY,
    "cut.pem": KEY[:-30],
    "12345678.0": CA.pem + KEY,
    "key.signing_policy": KEY,
    "policy.pem": KEY,
    "policy.signing_policy": b"policy\n",
    "dh.pem": b"-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n",
    "empty.pem": b"",
    "emacs.info": b"This is emacs.info, produced by makeinfo.\n",
}
REMOVED = {
    "gone.pem": CA.pem,
    "gone.info": b"alias = gone\n",
    "damaged.pem": CA.pem[:-60],
    "damaged.namespaces": b"",
    "87654321.0": b"damaged",
    "orphan.crl_url": b"http://example.org\n",
}


def test_only_files_of_a_trust_directory_are_removed_and_no_keys(store: Path) -> None:
    wanted = trust_store.layout([ALICE])
    converge(store, wanted)
    for name, content in {**KEPT, **REMOVED}.items():
        (store / name).write_bytes(content)
    links = {"hostkey-link.pem": "hostkey.pem", "away.pem": "/etc/ssl/cert.pem", "key-link.pem": "key.of.service"}
    (store / "key.of.service").write_bytes(KEY)
    for name, target in {**links, "pipe.pem": "nowhere", "gone-link.pem": "gone.pem"}.items():
        (store / name).symlink_to(target)
    (store / "fifo.pem").unlink(missing_ok=True)
    os.mkfifo(store / "fifo.pem")
    place = directory(store, wanted)
    update = trust_store.update(place, compare(place))
    kept = {*KEPT, *links, "fifo.pem"} - {"policy.signing_policy"}
    assert {entry["path"] for entry in update.entries if not re.search(r"\.r\d$", entry["path"])} == {
        *REMOVED,
        "policy.signing_policy",
        "pipe.pem",
        "gone-link.pem",
    }
    assert update.left == sorted(kept)
    (warning,) = trust_store.warnings([update])
    assert str(store) in warning
    assert converge(store, wanted)
    assert kept <= {path.name for path in store.iterdir()}
    again = trust_store.update(place, compare(place))
    assert (again.is_needed, again.left) == (False, sorted(kept))
    assert trust_store.update(place, compare(place), purge=False).left == []


def test_system_stores_are_not_judged(tmp_path: Path) -> None:
    """Their files carry our prefix, whatever is in them."""
    (tmp_path / "grid-security-damaged.pem").write_bytes(b"damaged")
    place = ManagedDirectory("system trust store", str(tmp_path.resolve()), ["grid-security-*.pem"], {}, [], None)
    assert trust_store.update(place, compare(place)).entries == [
        {"path": "grid-security-damaged.pem", "state": "absent"}
    ]
