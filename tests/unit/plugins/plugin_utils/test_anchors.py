# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust anchors from their sources: what is read, merged, chosen and refused."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils import der, pem, signing_policy
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import (
    anchor_sources,
    anchors,
    trust_anchors,
    trust_store,
    verified,
)
from ansible_collections.grid.security.tests.support import pki

SOURCE = {name: spec.get("default") for name, spec in trust_anchors.SOURCE.items()}
FILTERS: dict[str, Any] = {
    "profiles": [],
    "include": [],
    "exclude": [],
    "exclude_expired": False,
    "on_unreadable": "fail",
}
ROOT = pki.issue("Root", authority=True)
MIDDLE = pki.issue("Middle", authority=True, issuer=ROOT)
OLD = pki.issue("Old", authority=True, start=-100, days=50)


def read(content: Any, **more: Any) -> list[anchors.Anchor]:
    """The anchors of inline PEM, or of a path."""
    found = collected(content, **more)
    anchors.refuse(found.unusable, FILTERS)
    return found.anchors


def collected(content: Any, **more: Any) -> anchors.Found:
    source = {**SOURCE, **more}
    source["src" if isinstance(content, Path) else "content"] = (
        str(content) if isinstance(content, Path) else content.decode()
    )
    return anchors.collect(anchor_sources.read(source, str, verified.fetch))


def kind(content: Any, **more: Any) -> str:
    with pytest.raises(GridSecurityError) as caught:
        read(content, **more)
    return caught.value.kind


def aliases(found: list[anchors.Anchor]) -> list[str]:
    return [anchor.alias for anchor in found]


@pytest.fixture(name="release")
def _release(tmp_path: Path) -> Path:
    """A directory as IGTF lays it out, one directory for each profile."""
    for profile, alias, one in (("classic", "root", ROOT), ("mics", "middle", MIDDLE), ("classic", "old", OLD)):
        base = tmp_path / profile
        base.mkdir(exist_ok=True)
        dn = f"/DC=org/DC=example/CN={alias.capitalize()}"
        (base / f"{alias}.pem").write_bytes(one.pem)
        (base / f"{alias}.info").write_text(f"alias = {alias}\nstatus = accredited:{profile}\n")
        (base / f"{alias}.signing_policy").write_text(signing_policy.compose(dn, ["/DC=org/*"]))
        (base / f"0123456{len(alias)}.0").symlink_to(f"{alias}.pem")
    return tmp_path


def test_release(release: Path) -> None:
    found = read(release)
    assert aliases(found) == ["middle", "old", "root"]
    assert found[0].profiles == {"mics"}
    assert set(found[0].files) == {"info", "signing_policy"}
    assert found[0].pem == MIDDLE.pem


def test_bundle_and_merge(release: Path) -> None:
    assert aliases(read(ROOT.pem + MIDDLE.pem)) == ["Middle", "Root"]
    sources = [{"src": str(release)}, {"content": ROOT.pem.decode()}]
    groups = [group for one in sources for group in anchor_sources.read({**SOURCE, **one}, str, verified.fetch)]
    assert aliases(anchors.collect(groups).anchors) == ["middle", "old", "root"]


def test_own_authority_gets_its_policy() -> None:
    (found,) = read(ROOT.pem, name="our-ca", subjects=["/DC=org/DC=example/*"])
    assert found.alias == "our-ca"
    assert signing_policy.parse(found.files["signing_policy"].decode()) == {
        "/DC=org/DC=example/CN=Root": ["/DC=org/DC=example/*"]
    }


def test_own_authority_says_where_its_crl_is(release: Path) -> None:
    urls = ["http://a.example.org/ca.crl", "https://b.example.org/ca.crl"]
    (found,) = read(ROOT.pem, name="our-ca", crl_urls=urls)
    assert found.files["crl_url"].decode().split() == urls


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["middle", "old", "root"]),
        ({"profiles": ["classic"]}, ["old", "root"]),
        ({"profiles": ["mics"]}, ["middle", "root"]),
        ({"include": ["middle"]}, ["middle", "root"]),
        ({"include": ["/DC=org/*Old"]}, ["old"]),
        ({"include": [OLD.certificate.fingerprint(OLD.certificate.signature_hash_algorithm).hex(":")]}, ["old"]),  # type: ignore[arg-type]
        ({"exclude": ["o*"]}, ["middle", "root"]),
        ({"exclude_expired": True}, ["middle", "root"]),
    ],
)
def test_filters(release: Path, filters: dict[str, Any], expected: list[str]) -> None:
    chosen = anchors.select(read(release), {**FILTERS, **filters})
    anchors.check(chosen)
    assert aliases(chosen) == expected


def test_unknown_inclusion_is_refused(release: Path) -> None:
    with pytest.raises(GridSecurityError, match="no source has rooot"):
        anchors.select(read(release), {**FILTERS, "include": ["rooot"]})


def test_missing_issuer_is_named() -> None:
    with pytest.raises(GridSecurityError, match="Middle needs /DC=org/DC=example/CN=Root") as caught:
        anchors.check(read(MIDDLE.pem))
    assert caught.value.kind == "missing_issuer"


def test_broken_input() -> None:
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert kind(ROOT.pem + key) == "private_key"
    assert kind(b"<html>Log in</html>") == "not_pem"
    assert kind(ROOT.pem[:-40]) == "not_pem"
    assert kind(ROOT.pem.replace(b"M", b"N", 1)) == "bad_certificate"
    assert kind(pki.issue("User", issuer=ROOT).pem) == "not_a_ca"
    assert kind(ROOT.pem, subjects=["no slash"]) == "bad_signing_policy"
    assert kind(Path("/nonexistent/ca.pem")) == "no_source"


def test_time_grows_with_the_number_of_authorities_only() -> None:
    """All certificates are one another's possible issuers: no pair of them may be looked at more than once."""
    one, two = pki.issue("One", authority=True, issuer=pki.issue("Two")), pki.issue("Two", issuer=pki.issue("One"))
    certificates = [one.facts, two.facts]
    many = [anchors.Anchor(f"ca{n}", certificates[n % 2], b"", {}, set(), "bundle") for n in range(8000)]
    for number, anchor in enumerate(many):
        anchor.fingerprint = str(number)
    start = time.process_time()
    chosen = anchors.select(many, {**FILTERS, "include": ["ca1"]})
    anchors.check(many)
    trust_store.layout(many)
    assert len(chosen) == 8000
    assert time.process_time() - start < 4


def test_number_of_authorities_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "_MOST", 2)
    assert kind(ROOT.pem + MIDDLE.pem + OLD.pem) == "too_many"
    assert len(read(ROOT.pem + MIDDLE.pem)) == 2


def surgery(one: pki.Credential, old: bytes, new: bytes) -> bytes:
    """The certificate as PEM, with a change that keeps all lengths."""
    data = one.certificate.public_bytes(Encoding.DER)
    assert old in data
    return pem.encode("CERTIFICATE", data.replace(old, new))


def unchecked(found: list[anchors.Anchor]) -> list[str]:
    """The warnings about CAs that cryptography cannot read."""
    return [one for one in anchors.warnings(found) if "library cryptography cannot read" in one]


def test_damage_that_shows_when_a_part_is_asked_for() -> None:
    both = pki.issue("Both", authority=True, host="ca.example.org")
    assert kind(surgery(ROOT, b"\x0c\x04Root", b"\x03\x04Root")) == "bad_certificate"  # a name that is no string
    for odd in (
        surgery(both, b"\x55\x1d\x13", b"\x55\x1d\x11"),  # an extension twice
        surgery(ROOT, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),  # version 8
    ):
        assert len(unchecked(read(odd))) == 1  # openssl reads it


def test_algorithms_that_cryptography_does_not_know() -> None:
    ecdsa_with_sha256, prime256v1 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d030107")
    unknown = [surgery(ROOT, known, known[:-1] + b"\x66") for known in (ecdsa_with_sha256, prime256v1)]
    signature, curve = (anchors.warnings(read(one, subjects=["/*"])) for one in unknown)
    assert signature == []  # nobody checks the signature of a root
    assert len(curve) == 1
    assert "Root (" in curve[0]


def test_what_openssl_reads_is_placed_with_one_warning() -> None:
    found = read(pem.encode("CERTIFICATE", pki.without_seconds(ROOT)) + OLD.pem + MIDDLE.pem)
    assert aliases(found) == ["Middle", "Old", "Root"]
    (warning,) = unchecked(found)
    assert "public keys and extensions other than basicConstraints were not checked" in warning
    assert "do not pass the check of the chain: Root (the date 2001010000Z is not in the form of RFC 5280" in warning
    anchors.check(found)
    assert set(trust_store.layout(found)) >= {f"{digest}.0" for digest in found[2].certificate.hashes}


def test_what_openssl_does_not_read_either_is_refused() -> None:
    """One such certificate would make OpenSSL refuse a whole bundle."""
    odd = pki.altered(ROOT, serial_number=der.encode(der.INTEGER, b"\0\0\1"))  # not the shortest form
    assert kind(pem.encode("CERTIFICATE", odd)) == "bad_certificate"


def test_serial_numbers_that_cryptography_will_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_data: bytes) -> None:
        raise ValueError("serial number must be positive")

    monkeypatch.setattr(anchors.x509, "load_der_x509_certificate", refuse)
    odd = pki.altered(ROOT, serial_number=der.encode_integer(0))
    assert "Root (its serial number is not positive)" in unchecked(read(pem.encode("CERTIFICATE", odd)))[0]


def test_policy_of_another_authority(release: Path) -> None:
    (release / "mics/middle.signing_policy").write_text(signing_policy.compose("/CN=Other", ["/*"]))
    assert kind(release) == "bad_signing_policy"


def twins(number: int) -> list[pki.Credential]:
    """CAs of one name, the oldest first."""
    return [pki.issue("Twin", authority=True, start=-number + age) for age in range(number)]


def names_of(content: Any) -> dict[str, str]:
    """The aliases by fingerprint."""
    return {one.fingerprint: one.alias for one in collected(content).anchors}


def test_the_oldest_of_one_alias_keeps_it() -> None:
    old, middle, new = twins(3)
    before = names_of(old.pem)
    after = names_of(new.pem + middle.pem + old.pem)
    assert before.items() <= after.items()
    suffixes = {one.facts.fingerprint: one.facts.fingerprint.replace(":", "")[:8] for one in (middle, new)}
    assert after == {**before, **{key: f"Twin-{suffix}" for key, suffix in suffixes.items()}}
    assert names_of(old.pem + new.pem).items() <= after.items()


def test_aliases_do_not_depend_on_the_order_of_sources() -> None:
    pems = [one.pem for one in (*twins(3), ROOT)]
    assert names_of(b"".join(pems)) == names_of(b"".join(reversed(pems)))


def test_an_alias_that_the_source_gives_is_kept(tmp_path: Path) -> None:
    old, new = twins(2)
    (tmp_path / "Twin.pem").write_bytes(new.pem)
    (tmp_path / "bundle.crt").write_bytes(old.pem + ROOT.pem)
    assert names_of(tmp_path)[new.facts.fingerprint] == "Twin"


def test_an_alias_that_looks_like_a_distinct_alias(tmp_path: Path) -> None:
    old, new = twins(2)
    digits = new.facts.fingerprint.replace(":", "")
    (tmp_path / f"Twin-{digits[:8]}.pem").write_bytes(ROOT.pem)
    (tmp_path / "bundle.crt").write_bytes(old.pem + new.pem)
    assert sorted(names_of(tmp_path).values()) == ["Twin", f"Twin-{digits[:8]}", f"Twin-{digits}"]


def test_directory_of_hashes_with_collisions(tmp_path: Path) -> None:
    old, new = twins(2)
    policy = signing_policy.compose(old.facts.subject_dn, ["/DC=org/*"])
    (tmp_path / "01234567.signing_policy").write_text(policy)
    for number, one in enumerate((new, old)):
        (tmp_path / f"01234567.{number}").write_bytes(one.pem)
    found = read(tmp_path)
    assert [one.name for one in found] == ["01234567", "01234567"]
    assert {one.files["signing_policy"].decode() for one in found} == {policy}
    assert found[0].fingerprint == old.facts.fingerprint


def test_filters_know_both_aliases() -> None:
    old, new = twins(2)
    found = read(old.pem + new.pem)
    assert anchors.select(found, {**FILTERS, "exclude": ["Twin"]}) == []
    assert aliases(anchors.select(found, {**FILTERS, "include": [found[1].alias]})) == [found[1].alias]


def two_policies(directory: Path, one: str, other: str, ending: str = "signing_policy") -> list[dict[str, str]]:
    """Two sources with the same CA, and a file beside it that differs."""
    for name, text in (("igtf", one), ("site", other)):
        (directory / name).mkdir()
        (directory / name / "root.pem").write_bytes(ROOT.pem)
        (directory / name / f"root.{ending}").write_text(text)
    return [{"src": str(directory / "igtf")}, {"src": str(directory / "site")}]


def merged(sources: list[dict[str, Any]]) -> list[anchors.Anchor]:
    groups = [group for one in sources for group in anchor_sources.read({**SOURCE, **one}, str, verified.fetch)]
    return anchors.collect(groups).anchors


ROOT_DN = "/DC=org/DC=example/CN=Root"
NARROW, WIDE = (signing_policy.compose(ROOT_DN, [pattern]) for pattern in ("/DC=org/DC=example/*", "/*"))


def test_two_policies_of_one_authority_are_refused_unless_one_is_preferred(tmp_path: Path) -> None:
    first, second = two_policies(tmp_path, NARROW, WIDE)
    with pytest.raises(GridSecurityError) as caught:
        anchors.check(merged([first, second]))
    assert caught.value.kind == "two_policies"
    for part in (f"root: {first['src']}: root.pem and {second['src']}: root.pem have different", "prefer: true"):
        assert part in caught.value.message
    for preferred, expected in ((0, NARROW), (1, WIDE)):
        sources = [{**one, "prefer": number == preferred} for number, one in enumerate([first, second])]
        (found,) = merged(sources)
        anchors.check([found])
        assert found.files["signing_policy"].decode() == expected
    with pytest.raises(GridSecurityError, match="different signing policies"):
        anchors.check(merged([{**first, "prefer": True}, {**second, "prefer": True}]))


def test_two_policies_of_an_excluded_authority_do_not_matter(tmp_path: Path) -> None:
    found = merged([*two_policies(tmp_path, NARROW, WIDE), {"content": OLD.pem.decode()}])
    chosen = anchors.select(found, {**FILTERS, "exclude": ["root"]})
    anchors.check(chosen)
    assert aliases(chosen) == ["Old"]


def test_policies_that_mean_the_same_are_one(tmp_path: Path) -> None:
    patterns = ["/DC=org/*", "/O=Grid/*"]
    one = signing_policy.compose(ROOT_DN, patterns)
    other = signing_policy.compose(ROOT_DN, patterns[::-1]).lower().replace("ca:sign", "CA:sign")
    other = "# another comment\n" + other.replace("access_id_ca x509", "access_id_CA   X509")
    anchors.check(found := merged(two_policies(tmp_path, one, other)))
    assert found[0].files["signing_policy"].decode() == one


@pytest.mark.parametrize(
    ("other", "same"),
    [('# b\nTO  Issuer "/CN=A" \\\n PERMIT Subject "/O=.*"\n', True), ('TO Issuer "/CN=A" PERMIT Subject ".*"', False)],
)
def test_namespaces_decide_too(tmp_path: Path, other: str, same: bool) -> None:
    one = '# a\nTO Issuer "/CN=A" PERMIT Subject "/O=.*"\n'
    found = merged(two_policies(tmp_path, one, other, "namespaces"))
    assert (found[0].conflicts == []) is same


def test_other_companions_are_merged(tmp_path: Path) -> None:
    (found,) = merged(two_policies(tmp_path, "http://a.example.org\n", "http://b.example.org\n", "crl_url"))
    anchors.check([found])
    assert found.files["crl_url"] == b"http://a.example.org\n"


def test_a_policy_without_a_line_break_gets_one(release: Path) -> None:
    path = release / "classic/root.signing_policy"
    path.write_text(path.read_text().replace("'\"/DC=org/*\"'\n", "/DC=org/*"))
    assert read(release)[2].files["signing_policy"].endswith(b"\n")


def test_warnings_are_a_line_each(release: Path) -> None:
    assert anchors.warnings(read(release)) == ["trust anchors, expired: old"]
    assert anchors.warnings(read(ROOT.pem)) == [
        "trust anchors, no signing policy, so Globus refuses what they sign (state subjects): Root"
    ]


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.2.840.113549.1.1.5", "SHA-1"),
        ("1.2.840.113549.1.1.4", "MD5"),
        ("1.2.840.113549.1.1.3", "MD4"),
        ("1.2.840.113549.1.1.2", "MD2"),
    ],
)
def test_weak_signatures_of_intermediates(oid: str, name: str) -> None:
    algorithm = der.encode_sequence(der.encode_oid(oid), der.ENCODED_NULL)
    root, middle = (pem.encode("CERTIFICATE", pki.altered(one, algorithm=algorithm)) for one in (ROOT, MIDDLE))
    found = [one for one in anchors.warnings(read(root + middle)) if "signed with" in one]
    assert len(found) == 1
    assert found[0].startswith(f"trust anchors, signed with {name}")
    assert found[0].endswith(": Middle")


@pytest.mark.parametrize("status", ["discontinued", "unaccredited", "experimental", "worthless"])
def test_warnings_about_accreditation(release: Path, status: str) -> None:
    (release / "classic/root.info").write_text(f"alias = root\nstatus =  {status}\n")
    found = read(release)
    expected = f"called {status} by their distribution (exclude them, or name {status} in profiles): root"
    assert f"trust anchors, {expected}" in anchors.warnings(found, ["classic"])
    assert not any("distribution" in one for one in anchors.warnings(found, [status]))


# --- what cannot be used ----------------------------------------------------------------------------------------------


@pytest.fixture(name="bad")
def _bad(release: Path) -> Path:
    """The release with files that cannot be used: one of each kind."""
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    base = release / "slcs"
    base.mkdir()
    (base / "page.pem").write_bytes(b"<html>Log in</html>")
    (base / "cut.pem").write_bytes(ROOT.pem[:-40])
    (base / "zero.pem").write_bytes(pem.encode("CERTIFICATE", ROOT.certificate.public_bytes(Encoding.DER)[:100]))
    (base / "user.pem").write_bytes(pki.issue("User", issuer=ROOT).pem)
    (base / "key.pem").write_bytes(pki.issue("Key", authority=True).pem + key)
    (base / "policy.pem").write_bytes(pki.issue("Policy", authority=True).pem)
    (base / "policy.signing_policy").write_text("rubbish")
    for alias in ("page", "cut", "zero", "user", "key", "policy"):
        info = f'alias = info-{alias}\nstatus = accredited:slcs\nsubjectdn = "/CN=info {alias}"\n'
        (base / f"{alias}.info").write_text(f"{info}sha1fp.0 = {hashlib.sha1(alias.encode()).hexdigest()}\n")
    return release


BAD = ["page", "cut", "zero", "user", "key", "policy"]


def test_all_that_cannot_be_used_is_named_at_once(bad: Path) -> None:
    with pytest.raises(GridSecurityError) as caught:
        anchors.refuse(collected(bad).unusable, FILTERS)
    message = caught.value.message
    assert caught.value.kind == "unusable_anchors"
    assert len(message.splitlines()) == len(BAD) + 2
    for alias in BAD:
        assert f"/slcs: {alias}.pem " in message or f"/slcs: {alias}.pem:" in message
    assert "page.pem is a web page. " in message
    assert message.endswith("in exclude, or set on_unreadable: skip.")


def test_one_that_cannot_be_used_is_told_with_the_remedy(release: Path) -> None:
    (release / "mics/page.pem").write_bytes(b"<html>Log in</html>")
    with pytest.raises(GridSecurityError, match=r"(?s)page\.pem is a web page.* name page in exclude, or set"):
        read(release)


def test_many_that_cannot_be_used_make_a_message_of_some_lines(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"page{number}.pem").write_bytes(b"<html>")
    with pytest.raises(GridSecurityError, match=r"\n- and 80 more\n") as caught:
        read(tmp_path)
    assert caught.value.kind == "not_pem"


def test_skipped_with_a_warning_that_names_each(bad: Path) -> None:
    found = collected(bad)
    (warning,) = anchors.refuse(found.unusable, {**FILTERS, "on_unreadable": "skip"})
    assert warning.startswith("trust anchors, left out because they cannot be used (on_unreadable: skip):")
    assert len(warning.splitlines()) == len(BAD) + 1
    assert aliases(found.anchors) == ["middle", "old", "root"]


@pytest.mark.parametrize(
    "filters",
    [
        {"profiles": ["classic"]},
        {"include": ["root"]},
        {"exclude": BAD},
        {"exclude": [f"info-{alias}" for alias in BAD]},
        {"exclude": ["info-*"]},
        {"exclude": ["/CN=info *", "/DC=org/*"]},
        {"exclude": [hashlib.sha1(alias.encode()).hexdigest() for alias in BAD]},
    ],
)
def test_what_a_filter_leaves_out_is_no_reason_to_fail(bad: Path, filters: dict[str, Any]) -> None:
    assert anchors.refuse(collected(bad).unusable, {**FILTERS, **filters}) == []


def test_bytes_are_excluded_by_their_fingerprint(tmp_path: Path) -> None:
    data = ROOT.certificate.public_bytes(Encoding.DER)[:100]
    (tmp_path / "bundle.pem").write_bytes(ROOT.pem + pem.encode("CERTIFICATE", data))
    (tmp_path / "page.pem").write_bytes(b"<html>")
    found = collected(tmp_path)
    assert aliases(found.anchors) == ["Root"]
    digests = [hashlib.sha256(one).hexdigest() for one in (data, b"<html>")]
    assert anchors.refuse(found.unusable, {**FILTERS, "exclude": digests}) == []


def test_expired_ones_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    gone = pki.issue("Gone", authority=True, start=-100, days=50)
    (tmp_path / "gone.pem").write_bytes(gone.pem)
    (tmp_path / "gone.signing_policy").write_text("rubbish")
    found = collected(tmp_path).unusable
    assert anchors.refuse(found, {**FILTERS, "exclude_expired": True}) == []
    with pytest.raises(GridSecurityError, match="signing policy"):
        anchors.refuse(found, FILTERS)


def test_rest_of_a_truncated_bundle_is_there() -> None:
    found = collected(ROOT.pem + MIDDLE.pem + OLD.pem[:-60])
    assert aliases(found.anchors) == ["Middle", "Root"]
    assert [one.error.kind for one in found.unusable] == ["not_pem"]


def test_skipped_ones_may_be_included(bad: Path) -> None:
    found = collected(bad)
    chosen = anchors.select(found.anchors, {**FILTERS, "include": ["root", "page"]}, found.unusable)
    assert aliases(chosen) == ["root"]


def test_missing_issuer_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "root.signing_policy").write_text("rubbish")
    (tmp_path / "middle.pem").write_bytes(MIDDLE.pem)
    found = collected(tmp_path)
    with pytest.raises(GridSecurityError, match=r"middle needs /DC=.*CN=Root \(.*signing policy of root: .*\)\. Add"):
        anchors.check(found.anchors, found.unusable)


def test_incomplete_chains_are_left_out_if_what_they_need_is() -> None:
    lower = pki.issue("Lower", authority=True, issuer=MIDDLE)
    chosen, (warning,) = anchors.keep_complete(read(lower.pem + MIDDLE.pem + OLD.pem), [])
    assert aliases(chosen) == ["Old"]
    assert warning == (
        "trust anchors, left out because of incomplete chains: Middle needs /DC=org/DC=example/CN=Root; Lower needs"
        " /DC=org/DC=example/CN=Middle"
    )
    assert anchors.keep_complete(chosen, []) == (chosen, [])


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
def test_private_keys_of_any_format_are_found(label: str) -> None:
    assert kind(ROOT.pem + f"-----BEGIN {label}-----\n".encode()) == "private_key"


def tarball(path: Path, *members: tuple[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def test_tarball(tmp_path: Path) -> None:
    members = [("certs/root.pem", ROOT.pem), ("certs/01234567.0", "root.pem"), ("certs/README", b"Read me")]
    assert aliases(read(tarball(tmp_path / "bundle.tar.gz", *members))) == ["root"]


@pytest.mark.parametrize(
    "member", [("../root.pem", b""), ("/etc/root.pem", b""), ("a/b.pem", "../../root.pem"), ("b.pem", "/etc/passwd")]
)
def test_tarball_that_leaves_itself(tmp_path: Path, member: tuple[str, Any]) -> None:
    assert kind(tarball(tmp_path / "bundle.tar.gz", member)) == "unsafe_tarball"


def test_tarball_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.gz").write_bytes(b"<html>")
    assert kind(tmp_path / "bundle.tar.gz") == "no_source"


def test_url_and_its_checksum() -> None:
    source = {
        **SOURCE,
        "url": "https://example.org/ca.pem",
        "checksum": f"sha512:{hashlib.sha512(ROOT.pem).hexdigest()}",
    }
    fetched = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return ROOT.pem

    assert aliases(anchors.collect(anchor_sources.read(source, str, fetch)).anchors) == ["ca"]
    assert fetched == ["https://example.org/ca.pem"]
    for checksum in ("sha256:" + 64 * "0", "md5:00", "rubbish"):
        with pytest.raises(GridSecurityError) as caught:
            anchor_sources.read({**source, "checksum": checksum}, str, fetch)
        assert caught.value.kind == "bad_checksum"


def test_directory_has_no_checksum(release: Path) -> None:
    assert kind(release, checksum="sha256:" + 64 * "0") == "directory"
    assert kind(release, signature="a", keyring="b") == "directory"


def test_names_may_hold_brackets() -> None:
    (found,) = read(pki.issue("CA [one]", authority=True).pem)
    assert anchors.select([found], {**FILTERS, "exclude": [found.subject_dn]}) == []


def test_only_https_is_fetched() -> None:
    with pytest.raises(GridSecurityError, match="is not https"):
        verified.fetch("http://example.org/ca.pem")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "give one of src, content and url"),
        ({"src": "a", "url": "https://b"}, "give one of src, content and url"),
        ({"url": "https://b"}, "a url needs a checksum"),
        ({"src": "a", "signature": "b"}, "signature and keyring belong together"),
        ({"src": "a", "sha256": "b"}, "sha256"),
        ({"src": "a", "crl_urls": ["http://a b"]}, "crl_urls"),
        ({"src": "a", "crl_urls": ["file:///etc/passwd"]}, "crl_urls"),
        (7, "must be a string or a dictionary"),
    ],
)
def test_sources_that_say_too_little(source: Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        trust_anchors.read_options({"sources": [source]})


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "certificates"},
        {"bundle_path": "ca.pem"},
        {"path": "/store", "bundle_path": "/store/ca.pem"},
        {"path": "/store", "java_truststore_path": "/store/../store/"},
        {"bundle_path": "/etc/ca", "java_truststore_path": "/etc/ca"},
    ],
)
def test_places_that_would_be_in_each_others_way(paths: dict[str, str]) -> None:
    with pytest.raises(AnsibleActionFail, match=r"absolute path|Name another place"):
        trust_anchors.read_options({"sources": ["ca.pem"], **paths})
