# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs from their sources: what is read, what cannot be used, and the alias of each CA."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem, signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_sources,
    anchor_warnings,
    anchors,
    trust_store,
    verified,
)
from ansible_collections.grid.security.tests.support import ca_sources, pki
from ansible_collections.grid.security.tests.support.ca_sources import (
    MIDDLE,
    OLD,
    ROOT,
    SOURCE,
    aliases,
    collected,
    kind,
    read,
    twins,
)


@pytest.fixture(name="release")
def _release(tmp_path: Path) -> Path:
    return ca_sources.write_release(tmp_path)


def test_release(release: Path) -> None:
    found = read(release)
    assert aliases(found) == ["middle", "old", "root"]
    assert found[0].profiles == {"mics"}
    assert set(found[0].files) == {"info", "signing_policy"}
    assert found[0].pem == MIDDLE.pem


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


def test_broken_input() -> None:
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert kind(ROOT.pem + key) == "private_key"
    assert kind(b"<html>Log in</html>") == "not_pem"
    assert kind(ROOT.pem[:-40]) == "not_pem"
    assert kind(ROOT.pem.replace(b"M", b"N", 1)) == "bad_certificate"
    assert kind(pki.issue("User", issuer=ROOT).pem) == "not_a_ca"
    assert kind(ROOT.pem, subjects=["no slash"]) == "bad_signing_policy"
    assert kind(Path("/nonexistent/ca.pem")) == "no_source"


def test_number_of_authorities_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_reading, "_MOST", 2)
    assert kind(ROOT.pem + MIDDLE.pem + OLD.pem) == "too_many"
    assert len(read(ROOT.pem + MIDDLE.pem)) == 2


def surgery(one: pki.Credential, old: bytes, new: bytes) -> bytes:
    """Return the certificate as PEM, with a change that keeps all lengths."""
    data = one.certificate.public_bytes(Encoding.DER)
    assert old in data
    return pem.encode("CERTIFICATE", data.replace(old, new))


def unchecked(found: list[anchors.Anchor]) -> list[str]:
    """Return the warnings about CAs that cryptography cannot read."""
    return [one for one in anchor_warnings.lines(found) if "library cryptography cannot read" in one]


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
    signature, curve = (anchor_warnings.lines(read(one, subjects=["/*"])) for one in unknown)
    assert signature == []  # nobody checks the signature of a root
    assert len(curve) == 1
    assert "Root (" in curve[0]


def test_what_openssl_reads_is_placed_with_one_warning() -> None:
    found = read(pem.encode("CERTIFICATE", pki.without_seconds(ROOT)) + OLD.pem + MIDDLE.pem)
    assert aliases(found) == ["Middle", "Old", "Root"]
    (warning,) = unchecked(found)
    assert "Public keys and extensions other than basicConstraints were not checked" in warning
    assert "do not pass the check of the chain: Root (the date 2001010000Z is not in the form of RFC 5280" in warning
    anchor_selection.check(found)
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


def names_of(content: Any) -> dict[str, str]:
    """Return the aliases by fingerprint."""
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


def test_a_policy_without_a_line_break_gets_one(release: Path) -> None:
    path = release / "classic/root.signing_policy"
    path.write_text(path.read_text().replace("'\"/DC=org/*\"'\n", "/DC=org/*"))
    assert read(release)[2].files["signing_policy"].endswith(b"\n")


def test_rest_of_a_truncated_bundle_is_there() -> None:
    found = collected(ROOT.pem + MIDDLE.pem + OLD.pem[:-60])
    assert aliases(found.anchors) == ["Middle", "Root"]
    assert [one.error.error_code for one in found.unusable] == ["not_pem"]


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

    assert aliases(anchor_reading.collect(anchor_sources.read(source, str, fetch)).anchors) == ["ca"]
    assert fetched == ["https://example.org/ca.pem"]
    for checksum in ("sha256:" + 64 * "0", "md5:00", "rubbish"):
        with pytest.raises(GridSecurityError) as caught:
            anchor_sources.read({**source, "checksum": checksum}, str, fetch)
        assert caught.value.error_code == "bad_checksum"


def test_directory_has_no_checksum(release: Path) -> None:
    assert kind(release, checksum="sha256:" + 64 * "0") == "directory"
    assert kind(release, signature="a", keyring="b") == "directory"


def test_only_https_is_fetched() -> None:
    with pytest.raises(GridSecurityError, match="is not https"):
        verified.fetch("http://example.org/ca.pem")


# --- what belongs to a file -------------------------------------------------------------------------------------------


def group(files: dict[str, bytes], **options: Any) -> anchors.Found:
    return anchor_reading.collect([anchor_sources.Group("/release", "classic", files, **options)])


INFO = b"alias = stated\nstatus = accredited:mics , experimental\n"


@pytest.mark.parametrize(
    ("content", "names"),
    [(ROOT.pem, {"ca", "stated"}), (b"rubbish", {"ca", "stated"}), (ROOT.pem + OLD.pem, {"ca", "stated"})],
)
def test_a_file_with_a_private_key_is_known_by_its_names(content: bytes, names: set[str]) -> None:
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found = group({"ca.pem": content + key, "ca.info": INFO})
    assert found.anchors == []
    assert [one.error.error_code for one in found.unusable] == ["private_key"] * max(1, content.count(b"BEGIN"))
    assert {frozenset(one.names) for one in found.unusable} == {frozenset(names)}
    data = ROOT.certificate.public_bytes(Encoding.DER)
    assert found.unusable[0].data == (content + key if content == b"rubbish" else data)


def test_a_file_beside_a_private_key_of_its_name_is_left_out() -> None:
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found = group({"ca.pem": ROOT.pem, "ca.info": key, "other.pem": OLD.pem})
    assert aliases(found.anchors) == ["other"]


@pytest.mark.parametrize(
    ("info", "profiles"),
    [
        (b"", set()),
        (b"alias = a\n", {"classic"}),
        (INFO, {"classic", "mics", "experimental"}),
        (b"status = ,\n", {"classic"}),
    ],
)
def test_profiles(info: bytes, profiles: set[str]) -> None:
    """The name of the directory counts only in a release, which has .info files."""
    found = group({"ca.pem": ROOT.pem, "ca.info": info} if info else {"ca.pem": ROOT.pem})
    assert found.anchors[0].profiles == profiles


def test_certificates_of_a_bundle_get_only_the_profiles_of_its_info() -> None:
    files = {"ca.pem": ROOT.pem + OLD.pem, "ca.info": INFO, "ca.crl_url": b"http://example.org/\n"}
    for one in group(files).anchors:
        assert (one.files, one.is_named, one.profiles) == ({}, False, {"classic", "mics", "experimental"})
    (one,) = group({**files, "ca.pem": ROOT.pem}).anchors
    assert (one.alias, set(one.files), one.is_named) == ("stated", {"info", "crl_url"}, True)


@pytest.mark.parametrize(("size", "code"), [(1 << 20, None), ((1 << 20) + 1, "too_large")])
def test_the_size_of_the_files_of_a_ca_is_limited_to_the_byte(size: int, code: str | None) -> None:
    for files in (
        {"ca.pem": ROOT.pem, "ca.crl_url": b"#" * size},
        {"ca.pem": ROOT.pem + b"#" * (size - len(ROOT.pem))},
    ):
        found = group(files)
        assert [one.error.error_code for one in found.unusable] == ([code] if code else [])
        assert len(found.anchors) == (0 if code else 1)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("A.b_c-9", "A.b_c-9"),
        ("a / b", "a-b"),
        ("-.a.-", "a"),
        ("é", "ca"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200),
    ],
)
def test_aliases_are_names_of_files(name: str, alias: str) -> None:
    (found,) = read(ROOT.pem, name=name)
    assert found.alias == alias


def test_long_aliases_are_cut_before_a_fingerprint() -> None:
    found = group({"ca.pem": b"".join(one.pem for one in twins(2))}).anchors
    assert [len(one.alias) for one in found] == [4, 13]
    long = [pki.issue("y" * 64, authority=True) for _each in range(2)]
    groups = [anchor_sources.Group("/r", "", {f"{n}.pem": one.pem}, alias="x" * 150) for n, one in enumerate(long)]
    assert sorted(len(one.alias) for one in anchor_reading.collect(groups).anchors) == [129, 150]


@pytest.mark.parametrize(("most", "is_read"), [(2, True), (1, False)])
def test_the_number_of_cas_at_the_bound(monkeypatch: pytest.MonkeyPatch, most: int, is_read: bool) -> None:
    """What cannot be used counts, and a copy does not."""
    monkeypatch.setattr(anchor_reading, "_MOST", most)
    files = {"a.pem": ROOT.pem, "b.pem": ROOT.pem, "c.pem": b"rubbish"}
    if is_read:
        assert aliases(group(files).anchors) == ["a"]
    else:
        with pytest.raises(GridSecurityError) as caught:
            group(files)
        assert caught.value.error_code == "too_many"


def test_an_orphan_is_known_by_its_names() -> None:
    (orphan,) = group({"gone.info": INFO}).orphans
    assert (orphan.names, orphan.error.error_code) == ({"gone", "stated"}, "no_certificate")


def test_a_policy_of_the_source_does_not_replace_that_of_the_file() -> None:
    policy = signing_policy.compose("/DC=org/DC=example/CN=Root", ["/O=A/*"]).encode()
    files = {"ca.pem": ROOT.pem, "ca.signing_policy": policy, "ca.crl_url": b"http://a/\n"}
    (found,) = group(files, subjects=["/O=B/*"], crl_urls=["http://b/"]).anchors
    assert (found.files["signing_policy"], found.files["crl_url"]) == (policy, b"http://a/\n")
    assert group({"ca.pem": ROOT.pem}).anchors[0].files == {}


def test_an_alias_that_is_longer_each_time() -> None:
    """Other CAs may be called by what would make it distinct."""
    first, second = sorted(twins(2), key=lambda one: one.facts.not_before)
    digits = second.facts.fingerprint.replace(":", "")
    stated = {f"Twin-{digits[:8]}": ROOT, f"Twin-{digits}": OLD, f"Twin-{digits}-3": MIDDLE}
    groups = [anchor_sources.Group("/r", "", {"ca.pem": one.pem}, alias=alias) for alias, one in stated.items()]
    groups.append(anchor_sources.Group("/r", "", {"ca.pem": first.pem + second.pem}))
    assert set(aliases(anchor_reading.collect(groups).anchors)) == {*stated, "Twin", f"Twin-{digits}-2"}
