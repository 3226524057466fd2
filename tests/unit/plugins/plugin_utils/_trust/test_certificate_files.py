# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with CA certificates: which files these are, what is read from them, and what is said of other files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import certificate_files
from ansible_collections.grid.security.tests.support import pki

ONE, TWO = pki.issue("One", authority=True), pki.issue("Two", authority=True)
BOTH = (ONE.certificate, TWO.certificate)


def in_der(one: pki.Credential) -> bytes:
    return one.certificate.public_bytes(Encoding.DER)


# --- which files ------------------------------------------------------------------------------------------------------


def test_files_with_certificates() -> None:
    """Of the same certificate in several forms, the first is placed: PEM comes first, PKCS#7 last."""
    names = ["a.der", "b.P7B", "c.cer", "d.0", "d.info", "e.7", "e.signing_policy", "f.pem", "g.crt", "01234567.3"]
    others = ["h.0", "h.namespaces", "i.crl_url", "README", "0123456x.0", "j.info", "k.²"]
    found = certificate_files.ca_files({name: name.encode() for name in (*names, *others)})
    assert found == ["f.pem", "g.crt", "d.0", "e.7", "01234567.3", "a.der", "c.cer", "b.P7B"]


def test_links_are_read_once() -> None:
    files = {"01234567.0": b"a", "ca.pem": b"a", "01234567.1": b"b"}
    assert certificate_files.ca_files(files) == ["ca.pem", "01234567.1"]


def test_companions_without_a_certificate() -> None:
    files = ["ca.pem", "ca.info", "old.namespaces", "01234567.0", "01234567.signing_policy", "b.0", "b.info"]
    files += ["policy-igtf-classic.info", "c.crl_url", "c.signing_policy", "d.p7c", "d.info"]
    found = certificate_files.orphans(dict.fromkeys(files, b""))
    assert found == ["c.crl_url", "c.signing_policy", "old.namespaces"]


# --- what is read -----------------------------------------------------------------------------------------------------


def relabelled(label: str, one: pki.Credential = ONE) -> bytes:
    return pem.encode(label, in_der(one))


FORMS: dict[str, tuple[bytes, int]] = {
    "PEM": (ONE.pem, 1),
    "PEM of Windows": (ONE.pem.replace(b"\n", b"\r\n"), 1),
    "PEM with text around it": (b"\xef\xbb\xbfSubject: One\n" + ONE.pem + b"end\n", 1),
    "PEM bundle": (ONE.pem + TWO.pem, 2),
    "PEM with a CRL": (ONE.pem + pki.revoke(ONE, []), 1),
    "PEM on a web page": (b"<html><pre>" + ONE.pem + b"</pre>", 1),
    "X509 CERTIFICATE": (relabelled("X509 CERTIFICATE"), 1),
    "both labels": (relabelled("X509 CERTIFICATE") + TWO.pem, 2),
    "DER": (in_der(ONE), 1),
    "DER of version 1": (in_der(pki.version_1(ONE)), 1),
    "DER, then an end of line": (in_der(ONE) + b"\n", 1),
    "DER, one after the other": (in_der(ONE) + in_der(TWO), 2),
    "PKCS#7 in DER": (pki.certificates_only(*BOTH), 2),
    "PKCS#7 in DER with one": (pki.certificates_only(ONE.certificate), 1),
    "PKCS#7 of indefinite length": (pki.certificates_only(*BOTH, indefinite=True), 2),
    "PKCS7": (pem.encode("PKCS7", pki.certificates_only(*BOTH)), 2),
    "CMS": (pem.encode("CMS", pki.certificates_only(*BOTH)), 2),
    "PKCS#7 as CERTIFICATE": (pem.encode("CERTIFICATE", pki.certificates_only(ONE.certificate)), 1),
    "PKCS7 and PEM": (pem.encode("PKCS7", pki.certificates_only(ONE.certificate)) + TWO.pem, 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    data, number = FORMS[form]
    found = certificate_files.read(data)
    names = [x509.load_der_x509_certificate(one.der).subject.rfc4514_string() for one in found]
    assert [name.split(",", maxsplit=1)[0] for name in names] == ["CN=One", "CN=Two"][:number]
    for one in found:  # what is placed is PEM with this certificate, as OpenSSL and Java look for it
        (block,) = [block for block in pem.blocks(one.text) if block.label == "CERTIFICATE"]
        assert block.data == one.der


def test_a_single_pem_is_placed_as_it_is() -> None:
    data = b"# CA\r\n" + ONE.pem + b"\n"
    assert [one.text for one in certificate_files.read(data)] == [data]


def test_pkcs7_with_many_certificates() -> None:
    """More elements than :mod:`der` reads in one file, if it looked into each certificate."""
    found = certificate_files.read(pki.certificates_only(*[ONE.certificate] * 1000))
    assert len(found) == 1000


def test_signed_pkcs7_of_openssl(tmp_path: Path) -> None:
    """A message that is signed carries certificates, too."""
    (tmp_path / "ca.pem").write_bytes(ONE.pem)
    (tmp_path / "more.pem").write_bytes(TWO.pem)
    (tmp_path / "key.pem").write_bytes(ONE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for command in (
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-certfile", "more.pem", "-out", "all.p7b"],
        [
            "openssl",
            "cms",
            "-sign",
            "-signer",
            "ca.pem",
            "-inkey",
            "key.pem",
            "-certfile",
            "more.pem",
            "-outform",
            "PEM",
        ]
        + ["-in", "ca.pem", "-out", "signed.pem", "-binary"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        found = certificate_files.read((tmp_path / command[command.index("-out") + 1]).read_bytes())
        assert {one.der for one in found} == {in_der(ONE), in_der(TWO)}


def test_damaged_base64_costs_only_its_certificate() -> None:
    damaged = ONE.pem.replace(b"\nM", b"\n!M", 1)
    assert [one.der for one in certificate_files.read(damaged + TWO.pem)] == [b"", in_der(TWO)]


def test_truncated_bundle() -> None:
    with pytest.raises(GridSecurityError, match=r"^is truncated"):
        certificate_files.read(ONE.pem + TWO.pem[:-40])
    assert [one.der for one in certificate_files.complete(ONE.pem + TWO.pem[:-40])] == [in_der(ONE)]


# --- what is no certificate -------------------------------------------------------------------------------------------


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ca.pem", ONE.pem)  # stored as it is
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("ca.pem")
        info.size = len(ONE.pem)
        archive.addfile(info, io.BytesIO(ONE.pem))
    return stream.getvalue()


def key(form: PrivateFormat, passphrase: bytes = b"", encoding: Encoding = Encoding.DER) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return bytes(ONE.key.private_bytes(encoding, form, encryption))


def request(encoding: Encoding) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(ONE.certificate.subject)
    return builder.sign(ONE.key, hashes.SHA256()).public_bytes(encoding)


def crl_in_der() -> bytes:
    (block,) = pem.blocks(pki.revoke(ONE, [1, 2]))
    return block.data


RSA_KEY = pki.KEYS["rsa"]().private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = ONE.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
MESSAGES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty. Fetch it again."),
    "white space": (b"\n \n", "is empty. Fetch it again."),
    "web page": (b"\n<!DOCTYPE html><title>Log in</title>", "is a web page. Open it in a browser, and fetch"),
    "error of a web server": (b'<?xml version="1.0"?><Error/>', "is a web page."),
    "zip": (zipped(), "is a zip archive. Unpack it: unzip FILE"),
    "empty zip": (b"PK\5\6" + bytes(18), "is an empty zip archive. Fetch it again."),
    "deb": (b"!<arch>\ndebian-binary   1342943816", "is a Debian package. Unpack it: dpkg-deb -x FILE DIRECTORY"),
    "rpm": (b"\xed\xab\xee\xdb\3\0", "is an RPM package. Unpack it: rpm2cpio FILE | cpio -id"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7-Zip archive. Unpack it: 7z x FILE"),
    "gzip": (gzip.compress(ONE.pem), "is compressed by gzip. If it is a tarball, give it a name that ends in .tar.gz."),
    "xz": (lzma.compress(ONE.pem), "is compressed by xz. If it is a tarball, give it a name that ends in .tar.xz."),
    "bzip2": (
        bz2.compress(ONE.pem),
        "is compressed by bzip2. If it is a tarball, give it a name that ends in .tar.bz2.",
    ),
    "zstd": (b"\x28\xb5\x2f\xfd\0", "is compressed by zstd. Unpack it: zstd -dc FILE > NEW"),
    "tar": (tarred(), "is a tarball. Give it a name that ends in .tar"),
    "JKS": (
        b"\xfe\xed\xfe\xed\0\0\0\2",
        "is a Java keystore (JKS). List it: keytool -list -keystore FILE. Export each",
    ),
    "JCEKS": (b"\xce\xce\xce\xce\0\0\0\2", "is a Java keystore (JCEKS). List it: keytool -list -keystore FILE."),
    "PKCS#12": (ONE.archive(), "is a PKCS#12 archive or truststore. Export its certificates: openssl pkcs12 -in FILE"),
    "NSS": (b"SQLite format 3\0", "is a database. Of NSS (cert9.db): certutil -L -d DIRECTORY -n NAME -a > NEW.pem"),
    "UTF-16": (ONE.pem.decode().encode("utf-16"), "is text in UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    "vault": (
        b"$ANSIBLE_VAULT;1.1;AES256\n61",
        "is encrypted by ansible-vault. Decrypt it: ansible-vault decrypt FILE",
    ),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "is a pointer of Git LFS. Fetch the file: git lfs pull",
    ),
    "trusted": (
        relabelled("TRUSTED CERTIFICATE"),
        "holds a certificate in a form that only OpenSSL reads (TRUSTED CERT",
    ),
    "trusted one among others": (
        ONE.pem + relabelled("TRUSTED CERTIFICATE", TWO),
        "holds a certificate in a form that",
    ),
    "PKCS#7, old label": (
        relabelled("PKCS #7 SIGNED DATA"),
        "holds PKCS#7 under an old label. Convert it: openssl pkcs7",
    ),
    "CRL": (pki.revoke(ONE, []), "holds a CRL and no certificate. Name the certificate of the CA."),
    "CRL in DER": (crl_in_der(), "holds a CRL and no certificate."),
    "request": (request(Encoding.PEM), "holds a request for a certificate. Name the certificate that was issued."),
    "request in DER": (request(Encoding.DER), "holds a request for a certificate."),
    "public key": (pem.encode("PUBLIC KEY", PUBLIC), "holds a public key without its certificate."),
    "public key in DER": (PUBLIC, "holds a public key without its certificate."),
    "GPG key": (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "holds a key of GPG. Name it as keyring."),
    "GPG signature": (b"-----BEGIN PGP SIGNATURE-----\n", "holds a signature of GPG. Name it as signature."),
    "parameters": (pem.encode("DH PARAMETERS", b"0"), "holds no certificate but DH PARAMETERS. Fetch it again."),
    "private key, PKCS#8": (
        key(PrivateFormat.PKCS8),
        "holds a private key, which does not belong among trust",
    ),
    "private key, encrypted": (key(PrivateFormat.PKCS8, b"secret"), "holds a private key"),
    "private key, EC": (key(PrivateFormat.TraditionalOpenSSL), "holds a private key"),
    "private key, RSA": (RSA_KEY, "holds a private key"),
    "PKCS#7 without certificates": (pki.certificates_only(), "is PKCS#7 without certificates."),
    "PKCS7 without certificates": (pem.encode("PKCS7", pki.certificates_only()), "is PKCS#7 without certificates."),
    "PKCS#7 with PEM in the message": (pki.certificates_only(message=ONE.pem), "is PKCS#7 without certificates."),
    "private key before a certificate": (RSA_KEY + ONE.pem, "holds a private key"),
    "truncated PEM": (ONE.pem[:-40], "is truncated. Fetch it again."),
    "truncated PKCS7": (pem.encode("PKCS7", pki.certificates_only(*BOTH))[:-40], "is truncated. Fetch it again."),
    "truncated DER": (in_der(ONE)[:-1], "is truncated. Fetch it again."),
    "truncated PKCS#7": (pki.certificates_only(*BOTH)[:-9], "is truncated. Fetch it again."),
    "bare Base64": (
        b"".join(ONE.pem.splitlines()[1:-1]),
        "is Base64 without the line BEGIN CERTIFICATE. Decode it: base64",
    ),
    "something else": (b"rubbish", "is no certificate in PEM, DER or PKCS#7. Fetch it again."),
    "another sequence": (der.encode_sequence(b"\5\0"), "is no certificate in PEM, DER or PKCS#7. Fetch it again."),
}


@pytest.mark.parametrize("thing", MESSAGES)
def test_messages(thing: str) -> None:
    data, message = MESSAGES[thing]
    with pytest.raises(GridSecurityError) as caught:
        certificate_files.read(data)
    assert caught.value.error_code == "not_pem"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(("number", "is_page"), [(195, True), (196, False)])
def test_a_web_page_is_known_by_its_first_characters(number: int, is_page: bool) -> None:
    with pytest.raises(GridSecurityError) as caught:
        certificate_files.read(b" " * number + b"<html>")
    assert caught.value.message.startswith("is a web page") is is_page
