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

from ansible_collections.grid.security.plugins.module_utils import pem, signing_policy
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
FILTERS: dict[str, Any] = {"profiles": [], "include": [], "exclude": [], "exclude_expired": False}
ROOT = pki.issue("Root", authority=True)
MIDDLE = pki.issue("Middle", authority=True, issuer=ROOT)
OLD = pki.issue("Old", authority=True, start=-100, days=50)


def read(content: Any, **more: Any) -> list[anchors.Anchor]:
    """The anchors of inline PEM, or of a path."""
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
    assert aliases(anchors.collect(groups)) == ["middle", "old", "root"]


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
    certificates = [one.certificate, two.certificate]
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


def test_damage_that_shows_when_a_part_is_asked_for() -> None:
    both = pki.issue("Both", authority=True, host="ca.example.org")
    assert kind(surgery(both, b"\x55\x1d\x13", b"\x55\x1d\x11")) == "bad_certificate"  # an extension twice
    assert kind(surgery(ROOT, b"\x0c\x04Root", b"\x03\x04Root")) == "bad_certificate"  # a name that is no string
    assert kind(surgery(ROOT, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")) == "bad_certificate"  # version 8


def test_algorithms_that_cryptography_does_not_know() -> None:
    ecdsa_with_sha256, prime256v1 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d030107")
    for known in (ecdsa_with_sha256, prime256v1):
        found = read(surgery(ROOT, known, known[:-1] + b"\x66"), subjects=["/*"])
        assert anchors.warnings(found) == []


def test_policy_of_another_authority(release: Path) -> None:
    (release / "mics/middle.signing_policy").write_text(signing_policy.compose("/CN=Other", ["/*"]))
    assert kind(release) == "bad_signing_policy"


def two_policies(directory: Path, one: str, other: str, ending: str = "signing_policy") -> list[dict[str, str]]:
    """Two sources with the same CA, and a file beside it that differs."""
    for name, text in (("igtf", one), ("site", other)):
        (directory / name).mkdir()
        (directory / name / "root.pem").write_bytes(ROOT.pem)
        (directory / name / f"root.{ending}").write_text(text)
    return [{"src": str(directory / "igtf")}, {"src": str(directory / "site")}]


def collected(sources: list[dict[str, Any]]) -> list[anchors.Anchor]:
    groups = [group for one in sources for group in anchor_sources.read({**SOURCE, **one}, str, verified.fetch)]
    return anchors.collect(groups)


ROOT_DN = "/DC=org/DC=example/CN=Root"
NARROW, WIDE = (signing_policy.compose(ROOT_DN, [pattern]) for pattern in ("/DC=org/DC=example/*", "/*"))


def test_two_policies_of_one_authority_are_refused_unless_one_is_preferred(tmp_path: Path) -> None:
    first, second = two_policies(tmp_path, NARROW, WIDE)
    with pytest.raises(GridSecurityError) as caught:
        anchors.check(collected([first, second]))
    assert caught.value.kind == "two_policies"
    for part in (f"root: {first['src']}: root.pem and {second['src']}: root.pem have different", "prefer: true"):
        assert part in caught.value.message
    for preferred, expected in ((0, NARROW), (1, WIDE)):
        sources = [{**one, "prefer": number == preferred} for number, one in enumerate([first, second])]
        (found,) = collected(sources)
        anchors.check([found])
        assert found.files["signing_policy"].decode() == expected
    with pytest.raises(GridSecurityError, match="different signing policies"):
        anchors.check(collected([{**first, "prefer": True}, {**second, "prefer": True}]))


def test_two_policies_of_an_excluded_authority_do_not_matter(tmp_path: Path) -> None:
    found = collected([*two_policies(tmp_path, NARROW, WIDE), {"content": OLD.pem.decode()}])
    chosen = anchors.select(found, {**FILTERS, "exclude": ["root"]})
    anchors.check(chosen)
    assert aliases(chosen) == ["Old"]


def test_policies_that_mean_the_same_are_one(tmp_path: Path) -> None:
    patterns = ["/DC=org/*", "/O=Grid/*"]
    one = signing_policy.compose(ROOT_DN, patterns)
    other = signing_policy.compose(ROOT_DN, patterns[::-1]).lower().replace("ca:sign", "CA:sign")
    other = "# another comment\n" + other.replace("access_id_ca x509", "access_id_CA   X509")
    anchors.check(found := collected(two_policies(tmp_path, one, other)))
    assert found[0].files["signing_policy"].decode() == one


@pytest.mark.parametrize(
    ("other", "same"),
    [('# b\nTO  Issuer "/CN=A" \\\n PERMIT Subject "/O=.*"\n', True), ('TO Issuer "/CN=A" PERMIT Subject ".*"', False)],
)
def test_namespaces_decide_too(tmp_path: Path, other: str, same: bool) -> None:
    one = '# a\nTO Issuer "/CN=A" PERMIT Subject "/O=.*"\n'
    found = collected(two_policies(tmp_path, one, other, "namespaces"))
    assert (found[0].conflicts == []) is same


def test_other_companions_are_merged(tmp_path: Path) -> None:
    (found,) = collected(two_policies(tmp_path, "http://a.example.org\n", "http://b.example.org\n", "crl_url"))
    anchors.check([found])
    assert found.files["crl_url"] == b"http://a.example.org\n"


def test_a_policy_without_a_line_break_gets_one(release: Path) -> None:
    path = release / "classic/root.signing_policy"
    path.write_text(path.read_text().replace("'\"/DC=org/*\"'\n", "/DC=org/*"))
    assert read(release)[2].files["signing_policy"].endswith(b"\n")


def test_two_authorities_with_one_alias(release: Path) -> None:
    (release / "mics/old.pem").write_bytes(pki.issue("Older", authority=True).pem)
    assert kind(release) == "same_alias"


def test_warnings_are_a_line_each(release: Path) -> None:
    assert anchors.warnings(read(release)) == ["trust anchors, expired: old"]
    assert anchors.warnings(read(ROOT.pem)) == [
        "trust anchors, no signing policy, so Globus refuses what they sign (state subjects): Root"
    ]


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

    assert aliases(anchors.collect(anchor_sources.read(source, str, fetch))) == ["ca"]
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
