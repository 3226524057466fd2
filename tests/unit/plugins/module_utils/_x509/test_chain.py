# SPDX-License-Identifier: GPL-3.0-or-later
"""Test which certificates lead to a trusted CA, and the messages about the others."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificates,
    chain,
    der,
    distinguished_name,
    pem,
)
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True, days=1000)
MIDDLE = pki.issue("Middle", authority=True, issuer=ROOT, days=500)
ALICE = pki.issue("Alice", issuer=ROOT)
BELOW = pki.issue("Below", issuer=MIDDLE)
DN = "/DC=org/DC=example/CN="
NOW = times.now()


def ca(one: pki.Credential, alias: str = "", **changes: Any) -> dict[str, Any]:
    """Return a CA of a site."""
    about = {
        "dn": distinguished_name.one_line(one.certificate.subject),
        "pem": one.pem.decode(),
        "patterns": None,
        "problem": "",
    }
    subject = distinguished_name.canonical(one.certificate.subject.public_bytes()).hex()
    return {"alias": alias or "ca", "subject": subject, **about, **changes}


def crl(authority: pki.Credential, data: bytes, **changes: Any) -> dict[str, Any]:
    found = {"name": "ca.r0", "der": base64.b64encode(pem.first(data, "X509 CRL") or b"").decode(), "problem": ""}
    return {
        "issuer": distinguished_name.canonical(authority.certificate.subject.public_bytes()).hex(),
        **found,
        **changes,
    }


def verify(
    one: pki.Credential, *cas: dict[str, Any], crls: tuple[dict[str, Any], ...] = (), now: datetime.datetime = NOW
) -> datetime.datetime:
    trusted = {"cas": list(cas), "crls": list(crls)}
    return chain.verify("test", [one.certificate, *one.others], trusted, now)


def refusal(
    one: pki.Credential, *cas: dict[str, Any], crls: tuple[dict[str, Any], ...] = (), now: datetime.datetime = NOW
) -> str:
    with pytest.raises(GridSecurityError) as caught:
        verify(one, *cas, crls=crls, now=now)
    assert caught.value.error_code == "untrusted"
    dn = distinguished_name.one_line(one.certificate.subject)
    assert caught.value.message.startswith(f"test: the certificate of {dn} is not trusted: ")
    return caught.value.message


# --- paths ------------------------------------------------------------------------------------------------------------


def test_a_ca_of_the_site_issued_it() -> None:
    assert verify(ALICE, ca(ROOT)) == certificates.expiry(ROOT.certificate)


def test_an_intermediate_of_the_site_or_of_the_archive() -> None:
    bare = pki.Credential(BELOW.key, BELOW.certificate)
    assert verify(bare, ca(ROOT), ca(MIDDLE)) == certificates.expiry(MIDDLE.certificate)
    assert verify(BELOW, ca(ROOT)) == certificates.expiry(MIDDLE.certificate)
    assert f"its issuer {DN}Middle is not among the CAs" in refusal(bare, ca(ROOT))


def test_a_path_ends_at_a_root() -> None:
    message = refusal(BELOW, ca(MIDDLE))
    assert f"the CA {DN}Middle above it is not trusted: its issuer {DN}Root is not among the CAs" in message


def test_no_ca_of_the_site_issued_it() -> None:
    message = refusal(ALICE, ca(pki.issue("Other", authority=True)))
    assert f"its issuer {DN}Root is not among the CAs of trust_anchors. Ask for" in message
    assert "above it" not in message
    assert "is not among" in refusal(ALICE)


def test_a_self_signed_certificate_of_somebodys_name() -> None:
    """The attack: anybody can make a certificate with Alice's name."""
    assert "it is self-signed, and not one of the CAs" in refusal(pki.issue("Alice"), ca(ROOT))


def test_a_self_made_ca_of_the_name_of_a_real_one() -> None:
    fake = pki.issue("Root", authority=True)
    message = refusal(pki.issue("Alice", issuer=fake), ca(ROOT, "root-ca"))
    assert f"it names the CA {DN}Root (root-ca) as its issuer, but is not signed with that CA's key" in message
    bare = pki.Credential(ALICE.key, pki.issue("Alice", issuer=fake).certificate)
    assert "is not signed with that CA's key" in refusal(bare, ca(ROOT))


def test_a_ca_with_two_keys() -> None:
    other = pki.issue("Root", authority=True)
    assert verify(ALICE, ca(other), ca(ROOT))
    assert verify(ALICE, ca(ROOT), ca(other))


def test_users_are_no_cas() -> None:
    mallory = pki.issue("Mallory", issuer=ROOT)
    message = refusal(pki.issue("Alice", issuer=mallory), ca(ROOT))
    assert f"its issuer {DN}Mallory is no CA" in message
    says_no = (x509.BasicConstraints(ca=False, path_length=None),)
    mallory = pki.issue("Mallory", issuer=ROOT, extensions=says_no)
    assert "is no CA" in refusal(pki.issue("Alice", issuer=mallory), ca(ROOT))


def test_names_compare_as_clients_do() -> None:
    shouting = pki.issue("ROOT", authority=True, key=ROOT.key)
    assert verify(ALICE, ca(shouting))


def test_path_length() -> None:
    none_below = (x509.BasicConstraints(ca=True, path_length=0),)
    root = pki.issue("Short", authority=True, extensions=none_below)
    assert verify(pki.issue("Alice", issuer=root), ca(root))
    below = pki.issue("Alice", issuer=pki.issue("Middle", authority=True, issuer=root))
    assert f"{DN}Short allows only 0 CAs below it, and there are 1" in refusal(below, ca(root))


def test_a_ca_that_signed_its_new_key_with_the_old_one() -> None:
    new = pki.issue("Root", authority=True)
    link = pki.issue("Root", authority=True, key=new.key, issuer=ROOT)
    alice = pki.Credential(ALICE.key, pki.issue("Alice", issuer=new).certificate, (link.certificate,))
    assert verify(alice, ca(ROOT))


def test_a_root_itself_needs_no_path() -> None:
    """The verdict holds for the moment only: no certificate above and no CRL says until when."""
    assert verify(ROOT, ca(ROOT)) == NOW


@pytest.mark.parametrize(("allowed", "number", "is_good"), [(0, 0, True), (1, 1, True), (1, 2, False), (2, 2, True)])
def test_path_length_counts_the_cas_between(allowed: int, number: int, is_good: bool) -> None:
    limit = (x509.BasicConstraints(ca=True, path_length=allowed),)
    root = issuer = pki.issue("Short", authority=True, extensions=limit)
    for level in range(number):
        issuer = pki.issue(f"Level {level}", authority=True, issuer=issuer)
    alice = pki.issue("Alice", issuer=issuer)
    if is_good:
        assert verify(alice, ca(root))
    else:
        assert f"allows only {allowed} CAs below it, and there are {number}" in refusal(alice, ca(root))


def test_path_length_does_not_count_a_ca_that_changed_its_key() -> None:
    limit = (x509.BasicConstraints(ca=True, path_length=0),)
    old = pki.issue("Short", authority=True, extensions=limit)
    new = pki.issue("Short", authority=True, extensions=limit)
    link = pki.issue("Short", authority=True, key=new.key, issuer=old, extensions=limit)
    certificate = pki.issue("Alice", issuer=new).certificate
    assert verify(pki.Credential(ALICE.key, certificate, (link.certificate,)), ca(old))


def test_a_link_to_a_new_key_is_a_ca_only_if_it_says_so() -> None:
    """Only a root of the site may lack basicConstraints."""
    new = pki.issue("Root", authority=True)
    link = pki.version_1(pki.issue("Root", key=new.key, issuer=ROOT), ROOT)
    certificate = pki.issue("Alice", issuer=new).certificate
    refusal(pki.Credential(ALICE.key, certificate, (link.certificate,)), ca(ROOT))


@pytest.mark.parametrize(("number", "is_good"), [(9, True), (10, False)])
def test_the_length_of_a_path_is_bounded(number: int, is_good: bool) -> None:
    issuer = ROOT
    for level in range(number):
        issuer = pki.issue(f"Level {level}", authority=True, issuer=issuer)
    alice = pki.issue("Alice", issuer=issuer)
    if is_good:
        assert verify(alice, ca(ROOT))
    else:
        assert "there are too many certificates on the way" in refusal(alice, ca(ROOT))


@pytest.mark.parametrize(("fakes", "is_good"), [(99, True), (100, False)])
def test_the_number_of_namesakes_is_bounded(fakes: int, is_good: bool) -> None:
    fake = pki.issue("Root", authority=True)
    cas = [ca(fake)] * fakes + [ca(ROOT)]
    if is_good:
        assert verify(ALICE, *cas)
    else:
        refusal(ALICE, *cas)


def test_the_message_is_about_the_ca_of_the_site() -> None:
    """An intermediate of the archive that leads nowhere hides nothing that is wrong with a CA of the site."""
    old = pki.issue("Root", authority=True, key=ROOT.key, start=-100, days=50)
    above = pki.issue("Above", authority=True)
    stray = pki.issue("Root", authority=True, key=ROOT.key, issuer=above)
    alice = pki.Credential(ALICE.key, ALICE.certificate, (stray.certificate, above.certificate))
    assert f"its issuer {DN}Root expired on" in refusal(alice, ca(old, "old-root"))


def test_the_message_is_about_the_ca_that_signed() -> None:
    """Of two CAs of one name, the one with another key says less than the one that signed and has expired."""
    old = pki.issue("Root", authority=True, key=ROOT.key, start=-100, days=50)
    other = pki.issue("Root", authority=True)
    for cas in ((ca(old), ca(other)), (ca(other), ca(old))):
        assert "expired on" in refusal(ALICE, *cas)


def test_the_message_is_about_the_longest_path() -> None:
    fake = pki.issue("Middle", authority=True)
    others = (fake.certificate, MIDDLE.certificate)
    for order in (others, others[::-1]):
        message = refusal(pki.Credential(BELOW.key, BELOW.certificate, order))
        assert f"the CA {DN}Middle above it is not trusted: its issuer {DN}Root is not among" in message


@pytest.mark.parametrize("is_unusable", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_paths_the_one_that_was_signed_is_told(is_unusable: bool, is_first: bool) -> None:
    """The issuer of the other path is missing, or cannot be used."""
    above = pki.issue("Above", authority=True)
    expired = pki.issue("Expired", authority=True, issuer=above, start=-100, days=50)
    lost, signed = (pki.issue("Middle", authority=True, key=MIDDLE.key, issuer=one) for one in (ROOT, expired))
    middles = (lost.certificate, signed.certificate) if is_first else (signed.certificate, lost.certificate)
    below = pki.Credential(BELOW.key, BELOW.certificate, (*middles, expired.certificate))
    cas = [ca(ROOT, problem="it is damaged")] if is_unusable else []
    assert f"its issuer {DN}Expired expired on" in refusal(below, *cas)


def test_a_signing_policy_is_told_before_a_namesake_with_another_key() -> None:
    cas = (ca(pki.issue("Root", authority=True)), ca(ROOT, patterns=["/O=x/*"]))
    for order in (cas, cas[::-1]):
        assert "does not let it issue to" in refusal(ALICE, *order)


def key_usage(signs: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    bits = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=signs, **bits)


def test_key_usage() -> None:
    good = pki.issue("Good", authority=True, extensions=(key_usage(True),))
    assert verify(pki.issue("Alice", issuer=good), ca(good))
    bad = pki.issue("Bad", authority=True, extensions=(key_usage(False),))
    assert "may not sign certificates (keyUsage)" in refusal(pki.issue("Alice", issuer=bad), ca(bad))


def test_roots_without_basic_constraints() -> None:
    """As OpenSSL: those of X.509 version 1, and those that keyUsage lets sign."""
    old = pki.version_1(pki.issue("Old root"))
    assert verify(pki.issue("Alice", issuer=old), ca(old))
    signs = pki.issue("Old root", extensions=(key_usage(True),))
    assert verify(pki.issue("Alice", issuer=signs), ca(signs))
    neither = pki.issue("Server")
    assert f"its issuer {DN}Server is no CA" in refusal(pki.issue("Alice", issuer=neither), ca(neither))
    middle = pki.version_1(pki.issue("Middle", issuer=ROOT), ROOT)
    assert "is no CA" in refusal(pki.issue("Alice", issuer=middle), ca(ROOT), ca(middle))


def test_proxies() -> None:
    proxy = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"), b"\x30\x00")
    for made in (pki.issue("1234", issuer=ALICE, extensions=(proxy,)), pki.issue("proxy", issuer=ALICE)):
        assert "it is a proxy certificate" in refusal(made, ca(ROOT))


@pytest.mark.parametrize(
    ("common_names", "is_proxy"),
    [
        (["Alice", "proxy"], True),
        (["Alice", "limited proxy"], True),
        (["proxy", "Alice"], False),
        (["Alice proxy"], False),
        ([], False),
    ],
)
def test_old_proxies_are_known_by_their_last_common_name(common_names: list[str], is_proxy: bool) -> None:
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Grid"),
            *(x509.NameAttribute(x509.NameOID.COMMON_NAME, one) for one in common_names),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(ROOT.certificate.subject)
    builder = builder.public_key(ALICE.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(pki.NOW - pki.DAY).not_valid_after(pki.NOW + pki.DAY)
    made = pki.Credential(ALICE.key, builder.sign(ROOT.key, hashes.SHA256()))
    if is_proxy:
        assert "it is a proxy certificate" in refusal(made, ca(ROOT))
    else:
        assert verify(made, ca(ROOT))


@pytest.mark.parametrize(
    ("oid", "critical", "is_good"),
    [
        ("1.3.6.1.4.1.99999.1", True, False),
        ("1.3.6.1.4.1.99999.1", False, True),
        ("2.5.29.54", True, True),  # inhibitAnyPolicy
        ("2.5.29.30", False, False),  # nameConstraints
    ],
)
def test_extensions_of_an_intermediate_of_the_archive(oid: str, critical: bool, is_good: bool) -> None:
    contents = {"2.5.29.54": b"\x02\x01\x00", "2.5.29.30": bytes.fromhex("3011a00f300d820b6578616d706c652e6f7267")}
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), contents.get(oid, b"\x05\x00"))
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(pki.distinguished_name("Special"))
    builder = builder.issuer_name(ROOT.certificate.subject).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(pki.NOW - pki.DAY).not_valid_after(pki.NOW + pki.DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    special = pki.Credential(key, builder.add_extension(extension, critical).sign(ROOT.key, hashes.SHA256()))
    alice = pki.issue("Alice", issuer=special)
    assert verify(alice, ca(ROOT), ca(special))
    if is_good:
        assert verify(alice, ca(ROOT))
    else:
        assert "which is not evaluated here" in refusal(alice, ca(ROOT))


URI = x509.UniformResourceIdentifier("http://example.org/")
POLICY = x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)


@pytest.mark.parametrize(
    ("extension", "is_known"),
    [
        (x509.SubjectKeyIdentifier(b"key"), True),
        (x509.SubjectAlternativeName([URI]), True),
        (x509.IssuerAlternativeName([URI]), True),
        (x509.CRLDistributionPoints([x509.DistributionPoint([URI], None, None, None)]), True),
        (x509.CertificatePolicies([POLICY]), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), b"\x30\x00"), True),  # policy mappings
        (x509.AuthorityKeyIdentifier(b"key", None, None), True),
        (x509.PolicyConstraints(0, None), True),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), True),
        (x509.InhibitAnyPolicy(0), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.55"), b"\x30\x00"), False),
        (x509.FreshestCRL([x509.DistributionPoint([URI], None, None, None)]), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_critical_extensions_of_an_intermediate_of_the_archive(extension: Any, is_known: bool) -> None:
    alice = pki.issue("Alice", issuer=pki.issue("Middle", authority=True, issuer=ROOT, extensions=(extension,)))
    if is_known:
        assert verify(alice, ca(ROOT))
    else:
        assert "which is not evaluated here" in refusal(alice, ca(ROOT))


def test_a_restriction_that_is_not_evaluated() -> None:
    only = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.org")], excluded_subtrees=None)
    middle = pki.issue("Narrow", authority=True, issuer=ROOT, extensions=(only,))
    below = pki.issue("Alice", issuer=middle)
    assert "has the extension nameConstraints, which is not evaluated here" in refusal(below, ca(ROOT))
    assert verify(below, ca(ROOT), ca(middle))


def test_the_number_of_checked_signatures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """CAs of two names issue one another, with good signatures. Each signature of a root is checked once."""
    key = ec.generate_private_key(ec.SECP256R1())
    one, two = pki.issue("One", authority=True, key=key), pki.issue("Two", authority=True, key=key)
    pairs = [(("One", two), ("Two", one)) for _pair in range(8)]
    many = tuple(
        pki.issue(name, authority=True, issuer=issuer, key=key).certificate for pair in pairs for name, issuer in pair
    )
    roots = tuple(pki.issue("One", authority=True).certificate for _root in range(20))
    alice = pki.Credential(key, pki.issue("Alice", issuer=one).certificate, (*many, *roots))
    checked: list[x509.Certificate] = []
    check = chain._verify_signature

    def counted(certificate: x509.Certificate, key: Any) -> None:
        checked.append(certificate)
        if len(checked) > chain._MOST_STEPS + len(roots):
            pytest.fail("too many signatures are checked")  # no Exception, which the search would take for an answer
        check(certificate, key)

    monkeypatch.setattr(chain, "_verify_signature", counted)
    assert "too many certificates" in refusal(alice)
    assert len(checked) > len(roots)


# --- signatures -------------------------------------------------------------------------------------------------------


KEYS = {**pki.KEYS, "ed448": ed448.Ed448PrivateKey.generate, "dsa": lambda: dsa.generate_private_key(1024)}


@pytest.mark.parametrize("key_type", KEYS)
def test_keys_of_every_type(key_type: str) -> None:
    root, namesake = (pki.issue("Root", authority=True, key=KEYS[key_type]()) for _each in range(2))
    assert verify(pki.issue("Alice", issuer=root), ca(root))
    for other in (ROOT, namesake):
        assert "is not signed with" in refusal(pki.issue("Alice", issuer=root), ca(other))


@pytest.mark.skipif(pki.CRYPTOGRAPHY < 41, reason="cryptography before 41 cannot write RSA-PSS")
def test_rsa_pss() -> None:
    key = rsa.generate_private_key(65537, 2048)
    root = pki.issue("Root", authority=True, key=key)
    builder = x509.CertificateBuilder().subject_name(pki.distinguished_name("Alice"))
    builder = builder.issuer_name(root.certificate.subject).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(pki.NOW - pki.DAY).not_valid_after(pki.NOW + pki.DAY)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    assert verify(pki.Credential(key, builder.sign(key, hashes.SHA256(), rsa_padding=pss)), ca(root))


def changed(one: pki.Credential, old: str, new: str) -> pki.Credential:
    """Return the certificate with other bytes, such as an algorithm that the tests cannot sign with."""
    data = one.certificate.public_bytes(Encoding.DER)
    assert bytes.fromhex(old) in data
    other = x509.load_der_x509_certificate(data.replace(bytes.fromhex(old), bytes.fromhex(new)))
    return pki.Credential(one.key, other, one.others)


def test_weak_and_unknown_digests() -> None:
    root = pki.issue("Root", authority=True, key=rsa.generate_private_key(65537, 2048))
    rsa_with_sha256 = "2a864886f70d01010b"
    alice = pki.issue("Alice", issuer=root)
    with_md5 = changed(alice, rsa_with_sha256, "2a864886f70d010104")
    assert "it is signed with MD5, which others can forge" in refusal(with_md5, ca(root))
    assert "it cannot be checked here" in refusal(changed(alice, rsa_with_sha256, "2a864886f70d010166"), ca(root))


# --- times ------------------------------------------------------------------------------------------------------------


def test_cas_that_are_not_valid_now() -> None:
    old = pki.issue("Old", authority=True, start=-100, days=50)
    end = times.iso(certificates.expiry(old.certificate))
    assert f"its issuer {DN}Old expired on {end}. Put the CA's present" in refusal(pki.issue("A", issuer=old), ca(old))
    new = pki.issue("New", authority=True, start=10)
    assert f"its issuer {DN}New is not valid before " in refusal(pki.issue("A", issuer=new), ca(new))


SECOND = datetime.timedelta(seconds=1)


def test_a_ca_is_valid_from_the_first_second_to_the_one_before_its_end() -> None:
    first, end = certificates.start(ROOT.certificate), certificates.expiry(ROOT.certificate)
    for good in (first, end - SECOND):
        assert verify(ALICE, ca(ROOT), now=good) == end
    assert "is not valid before" in refusal(ALICE, ca(ROOT), now=first - SECOND)
    assert "expired on" in refusal(ALICE, ca(ROOT), now=end)


def test_an_intermediate_of_the_archive_is_valid_now_too() -> None:
    end = certificates.expiry(MIDDLE.certificate)
    assert verify(BELOW, ca(ROOT), now=end - SECOND) == end
    assert f"its issuer {DN}Middle expired on" in refusal(BELOW, ca(ROOT), now=end)


def test_a_renewed_ca_counts_instead_of_the_expired_one() -> None:
    old = pki.issue("Root", authority=True, key=ROOT.key, start=-100, days=50)
    assert verify(ALICE, ca(old), ca(ROOT)) == certificates.expiry(ROOT.certificate)
    assert "expired on" in refusal(ALICE, ca(old))


def test_validity_of_the_credential_itself_is_left_to_the_rules_of_renewal() -> None:
    assert verify(pki.issue("Alice", issuer=ROOT, start=-100, days=50), ca(ROOT))


# --- signing policies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "is_good"),
    [
        ("/DC=org/DC=example/*", True),
        ("/dc=ORG/dc=Example/*", True),
        ("/DC=org/DC=example/CN=Alice", True),
        ("/DC=org/*/CN=Alice", True),
        ("/DC=org/DC=example/CN=Alice*", False),  # stands for one character at least
        ("/DC=org/DC=other/*", False),
        ("/*/CN=*", False),  # the first is a star and nothing else
        ("/DC=org/DC=example/CN=Alic?", False),
    ],
)
def test_policies_are_read_as_globus_reads_them(pattern: str, is_good: bool) -> None:
    if is_good:
        assert verify(ALICE, ca(ROOT, patterns=["/O=x/*", pattern]))
    else:
        message = refusal(ALICE, ca(ROOT, "root-ca", patterns=[pattern]))
        assert f"the signing policy of root-ca does not let it issue to {DN}Alice" in message


def test_spellings_of_attributes() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "alice@example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(ROOT.certificate.subject)
    builder = builder.public_key(ALICE.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(pki.NOW - pki.DAY).not_valid_after(pki.NOW + pki.DAY)
    alice = pki.Credential(ALICE.key, builder.sign(ROOT.key, hashes.SHA256()))
    for pattern in ("/Email=*", "/E=alice@*", "/emailAddress=alice@example.org"):
        assert verify(alice, ca(ROOT, patterns=[pattern]))


def test_a_policy_holds_for_what_intermediates_of_archives_issue() -> None:
    allows_the_intermediate = ca(ROOT, patterns=[f"{DN}Middle"])
    assert f"does not let it issue to {DN}Below" in refusal(BELOW, allows_the_intermediate)
    assert verify(BELOW, allows_the_intermediate, ca(MIDDLE, patterns=[f"{DN}Below"]))


# --- CRLs -------------------------------------------------------------------------------------------------------------


def test_a_crl_limits_how_long_the_verdict_holds() -> None:
    until = verify(ALICE, ca(ROOT), crls=(crl(ROOT, pki.revoke(ROOT, [7], days=5)),))
    assert until == (pki.NOW + 4 * pki.DAY).replace(tzinfo=datetime.timezone.utc)


def test_revoked() -> None:
    revoked = crl(ROOT, pki.revoke(ROOT, [7, ALICE.certificate.serial_number]))
    day = f"{pki.NOW - pki.DAY:%Y-%m-%d}"
    assert f"it was revoked by {DN}Root on {day}. Ask the CA" in refusal(ALICE, ca(ROOT), crls=(revoked,))


def test_a_revoked_intermediate() -> None:
    revoked = crl(ROOT, pki.revoke(ROOT, [MIDDLE.certificate.serial_number]))
    for cas in ((ca(ROOT),), (ca(ROOT), ca(MIDDLE))):
        assert f"{DN}Middle above it is not trusted: it was revoked" in refusal(BELOW, *cas, crls=(revoked,))


def test_crls_that_do_not_hold_now() -> None:
    expired = crl(ROOT, pki.revoke(ROOT, [], start=-10, days=5))
    assert f"the CRL of its issuer {DN}Root expired on " in refusal(ALICE, ca(ROOT), crls=(expired,))
    coming = crl(ROOT, pki.revoke(ROOT, [], start=5))
    assert "is not valid before" in refusal(ALICE, ca(ROOT), crls=(coming,))
    assert verify(ALICE, ca(ROOT), crls=(expired, crl(ROOT, pki.revoke(ROOT, []))))


def test_a_crl_holds_from_its_first_second_to_the_one_before_the_next() -> None:
    this_update, next_update = ((pki.NOW + days * pki.DAY).replace(tzinfo=datetime.timezone.utc) for days in (-1, 4))
    found = (crl(ROOT, pki.revoke(ROOT, [], days=5)),)
    for good in (this_update, next_update - SECOND):
        assert verify(ALICE, ca(ROOT), crls=found, now=good) == next_update
    assert "is not valid before" in refusal(ALICE, ca(ROOT), crls=found, now=this_update - SECOND)
    assert "expired on" in refusal(ALICE, ca(ROOT), crls=found, now=next_update)


def test_the_newest_crl_says_when_to_look_again() -> None:
    """In whatever order they come, and also if the older one holds for longer."""
    new, old = (crl(ROOT, pki.revoke(ROOT, [], start=start, days=days)) for start, days in ((-1, 5), (-2, 90)))
    for found in ((new, old), (old, new)):
        until = verify(ALICE, ca(ROOT), crls=found)
        assert until == (pki.NOW + 4 * pki.DAY).replace(tzinfo=datetime.timezone.utc)


def test_an_older_part_of_a_crl_counts_until_its_end() -> None:
    serials = [ALICE.certificate.serial_number]
    found = (crl(ROOT, pki.revoke(ROOT, serials, start=-9, days=10)), crl(ROOT, pki.revoke(ROOT, [])))
    end = (pki.NOW + pki.DAY).replace(tzinfo=datetime.timezone.utc)
    assert "it was revoked by" in refusal(ALICE, ca(ROOT), crls=found, now=end - SECOND)
    assert verify(ALICE, ca(ROOT), crls=found, now=end)


def unusual_crl(*, delta: bool = False, ends: bool = True) -> dict[str, Any]:
    """Return a CRL of the root that revokes Alice. :param ends: whether the CRL has nextUpdate."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    builder = builder.last_update(pki.NOW - pki.DAY).next_update(pki.NOW + pki.DAY)
    entry = x509.RevokedCertificateBuilder().serial_number(ALICE.certificate.serial_number)
    builder = builder.add_revoked_certificate(entry.revocation_date(pki.NOW - pki.DAY).build())
    if delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    data = builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)
    if not ends:
        signed, algorithm, _signature = der.read(data).children
        fields = [one.encoded() for one in signed.children]
        body = der.encode_sequence(*fields[:4], *fields[5:])
        signature = b"\0" + ROOT.key.sign(body, ec.ECDSA(hashes.SHA256()))
        data = der.encode_sequence(body, algorithm.encoded(), der.encode(der.BIT_STRING, signature))
    return crl(ROOT, pem.encode("X509 CRL", data))


def test_delta_crls_are_left_out() -> None:
    assert verify(ALICE, ca(ROOT), crls=(unusual_crl(delta=True),)) == certificates.expiry(ROOT.certificate)


def test_a_crl_without_an_end() -> None:
    endless = unusual_crl(ends=False)
    assert "it was revoked by" in refusal(ALICE, ca(ROOT), crls=(endless,))
    other = pki.issue("Bob", issuer=ROOT)
    end = certificates.expiry(ROOT.certificate)
    assert verify(other, ca(ROOT), crls=(endless,)) == end
    newer = crl(ROOT, pki.revoke(ROOT, [], start=0))
    assert "it was revoked by" in refusal(ALICE, ca(ROOT), crls=(endless, newer))


def test_a_crl_in_parts() -> None:
    parts = [pki.revoke(ROOT, [ALICE.certificate.serial_number], start=-2), pki.revoke(ROOT, [7])]
    assert "it was revoked by" in refusal(ALICE, ca(ROOT), crls=tuple(crl(ROOT, one) for one in parts))


def test_crls_of_others() -> None:
    serials = [ALICE.certificate.serial_number]
    forged = crl(ROOT, pki.revoke(ROOT, serials, signed_by=MIDDLE))
    assert "is not signed with that CA's key" in refusal(ALICE, ca(ROOT), crls=(forged,))
    assert verify(ALICE, ca(ROOT), crls=(crl(MIDDLE, pki.revoke(MIDDLE, serials)),))
    namesake = pki.issue("Root", authority=True)
    assert verify(ALICE, ca(ROOT), ca(namesake), crls=(crl(namesake, pki.revoke(namesake, serials)),))


def test_a_crl_that_cannot_be_read() -> None:
    damaged = crl(ROOT, b"", problem="is truncated")
    assert "the CRL ca.r0 of its issuer is truncated. Fetch that CRL again" in refusal(ALICE, ca(ROOT), crls=(damaged,))


# --- CAs that cannot be read, and batches -----------------------------------------------------------------------------


def test_an_unreadable_ca_is_named_if_it_would_be_the_issuer() -> None:
    unreadable = ca(ROOT, pem="", problem="it is damaged (7). Fetch it again.")
    message = refusal(ALICE, unreadable)
    assert f"its issuer {DN}Root is among the CAs of trust_anchors, but cannot be used: it is damaged (7)" in message
    assert verify(BELOW, ca(pki.issue("X", authority=True), problem="?"), ca(ROOT), ca(MIDDLE))
    assert verify(ALICE, unreadable, ca(ROOT))


def encoded(one: pki.Credential) -> list[str]:
    found = (one.certificate, *one.others)
    return [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in found]


def test_a_certificate_that_holds_another_one() -> None:
    """The text of a trusted certificate within a self-made one must not be taken for it."""
    text = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), ALICE.pem)
    mallory = pki.issue("Mallory", extensions=(text,))
    (verdict,) = chain.judge([("mallory", encoded(mallory))], {"cas": [ca(ROOT)], "crls": []})
    assert verdict["error_code"] == "untrusted"
    assert f"{DN}Mallory is not trusted: it is self-signed" in verdict["message"]


def test_an_extension_of_its_own_that_cannot_be_read() -> None:
    """Clients look at the extensions of CAs only, and at which there are."""
    damaged = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x03\x82\x05a")
    assert verify(pki.issue("Alice", issuer=ROOT, extensions=(damaged,)), ca(ROOT))


def test_one_that_breaks_the_process_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = [("alice", encoded(ALICE)), ("rubbish", ["AAAA"]), ("mallory", encoded(pki.issue("Mallory")))]
    alice, rubbish, mallory = chain.judge(chains, {"cas": [ca(ROOT)], "crls": []})
    assert alice == {"until": times.iso(certificates.expiry(ROOT.certificate))}
    assert (rubbish["error_code"], mallory["error_code"]) == ("internal", "untrusted")
    assert rubbish["message"].startswith("rubbish: ")


@pytest.mark.parametrize("number", [0, 50, 51])
def test_verdicts_are_in_the_order_of_the_chains(number: int) -> None:
    good, bad = ("good", encoded(ALICE)), ("bad", encoded(pki.issue("Mallory")))
    chains = ([good] * number)[:-1] + [bad] if number else []
    verdicts = chain.judge(chains, {"cas": [ca(ROOT)], "crls": []})
    assert ["until" in one for one in verdicts] == [name == "good" for name, _chain in chains]
