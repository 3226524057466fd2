# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the first inputs of fuzzing: usual inputs in every form."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential import pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem, signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._credential import placed_record
from ansible_collections.grid.security.tests.fuzz import mutations
from ansible_collections.grid.security.tests.support import conversions, pki
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer

__all__ = [
    "ALICE",
    "IMPORT",
    "SECRET_NUMBER",
    "STORE",
    "anchors",
    "answers",
    "archives",
    "certificate_files",
    "certificates",
    "chains",
    "crls",
    "directories",
    "files_in_place",
    "gridmaps",
    "key_pairs",
    "policies",
    "private_key",
    "records",
    "stored_keys",
    "tarballs",
    "trust_directories",
    "unusual_archives",
    "vo_directories",
    "vomses_files",
]

IMPORT, STORE = "planted-import-4711", "planted-store-0815"
SECRET_NUMBER = b"planted-private-key-bytes-000001"
_VECTORS = Path(cryptography_vectors.__file__).parent
_KEY = ec.derive_private_key(int.from_bytes(SECRET_NUMBER, "big"), ec.SECP256R1())
AUTHORITY = pki.issue("CA", authority=True)
ALICE = pki.issue("Alice", issuer=AUTHORITY, key=_KEY, host="alice.example.org")
_VOMSES = b'"%s" "voms.example.org" "15001" "/DC=org/CN=voms" "%s"\n'
_LSC = b"/DC=org/CN=voms\n/DC=org/CN=CA\n"


def archives() -> Iterator[bytes]:
    """Make PKCS#12 archives, some unencrypted, in which mutations reach everything."""
    for path in sorted((_VECTORS / "pkcs12").glob("*.p12")):
        yield path.read_bytes()
    for path in sorted((_VECTORS / "x509/PKITS_data/pkcs12").glob("*.p12"))[::40]:
        yield path.read_bytes()
    yield ALICE.archive(IMPORT)
    several = pki.bundle((ALICE, "alice"), (AUTHORITY, "ca"), (pki.issue("Bob"), "bob"), passphrase="")
    for archive in (*(pki.loose(one).archive("") for one in _credentials()), several):
        version, content, *_mac = (part.encoded() for part in der.read(archive).children)
        yield der.encode_sequence(version, content)


def unusual_archives() -> Iterator[bytes]:
    """Make PKCS#12 archives of every supported cipher and MAC, and unencrypted archives with and without a MAC."""
    key = ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = writer.certificate_bag(ALICE.certificate.public_bytes(Encoding.DER))
    passphrase = IMPORT.encode()
    locked = (writer.plain(writer.key_bag(key, passphrase)), writer.encrypted(certificate, passphrase=passphrase))
    for form in (writer.Pbmac1(), writer.Pbmac1(65), writer.Pbmac1(None)):
        yield writer.archive(*locked, mac=passphrase, form=form)
    yield writer.archive(*locked)
    for one in _credentials():
        key = one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        certificates = [part.public_bytes(Encoding.DER) for part in (one.certificate, *one.others)]
        bags = map(writer.certificate_bag, certificates)
        yield writer.archive(writer.plain(writer.key_bag(key), *bags), mac=passphrase, form=writer.Pbmac1())
    for path in sorted((_VECTORS / "pkcs12").glob("*.p12")):
        yield path.read_bytes()


def _credentials() -> Iterator[pki.Credential]:
    keys = [_KEY, rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP521R1())]
    keys += [ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(1024)]
    for key in keys:
        yield pki.issue("Alice", issuer=AUTHORITY, key=key, host="alice.example.org")
    yield pki.rsa_pss(pki.issue(key=keys[1]), pki.PSS_SHA256)


def key_pairs() -> Iterator[bytes]:
    """Make certificates with private keys, in every form of each type of key."""
    for one in _credentials():
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            for encryption in (NoEncryption(), BestAvailableEncryption(IMPORT.encode())):
                try:
                    key = one.key.private_bytes(Encoding.PEM, form, encryption)
                except ValueError:
                    continue
                yield mutations.join({"certificate": one.pem + AUTHORITY.pem, "privatekey": key})


def certificates() -> Iterator[bytes]:
    """Make single certificates, some of them unusual."""
    yield ALICE.pem
    for directory in ("x509", "x509/custom"):
        for path in sorted((_VECTORS / directory).glob("*.pem")):
            yield path.read_bytes()[:4096]


def chains() -> Iterator[bytes]:
    """Make a credential's certificates, and the CAs of a site with their CRLs and policies."""
    middle = pki.issue("Middle", authority=True, issuer=AUTHORITY)
    bob = pki.issue("Bob", issuer=middle)
    policy = signing_policy.compose("/DC=org/DC=example/CN=CA", ["/DC=org/*"]).encode()
    in_pem, in_der = crls()
    for one in (in_pem, in_der):
        site = {"ca.pem": AUTHORITY.pem, "ca.signing_policy": policy, "ca.crl": one}
        yield mutations.join({"chain": ALICE.pem, **site})
        yield mutations.join({"chain": bob.pem + middle.pem + AUTHORITY.pem, **site})
        yield mutations.join({"chain": bob.pem, "cas.pem": middle.pem + AUTHORITY.pem + in_pem})


def private_key() -> bytes:
    """Make alice's certificate in PEM."""
    return ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def files_in_place() -> Iterator[bytes]:
    """Make files that users may have under the name of their certificate."""
    key, der_key = private_key(), ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    der_certificate = ALICE.certificate.public_bytes(Encoding.DER)
    yield from (ALICE.pem, ALICE.pem + key, key + ALICE.pem, key, b"mine")
    for encoded in (der_certificate, der_certificate + der_key, der_key):
        yield encoded
        yield pem.encode("CERTIFICATE", encoded)


def answers() -> Iterator[bytes]:
    """Make answers of a worker process."""
    found = {"ca.pem": {"kind": "file", "mode": 420, "own": True, "certificate": None}, "\udcff": {"target": "\x1b"}}
    for one in (
        {"changed": False, "entries": [], "exists": True},
        {"changed": True, "entries": [], "seen": "0" * 64, "found": found, "missing": []},
        {"failed": True, "error_code": "os_error", "msg": "/home/\udcfe: no space\n"},
        {"changed": True, "entries": [{"path": "/a", "changes": ["created"]}], "needs": ["0" * 64], "observed": {}},
    ):
        yield json.dumps(one).encode()


def stored_keys() -> Iterator[bytes]:
    """Make key files of this collection, of other programs and of users."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        for protection in (NoEncryption(), BestAvailableEncryption(STORE.encode())):
            yield ALICE.key.private_bytes(Encoding.PEM, form, protection)
    info = ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    yield pkcs8.encrypt(info, STORE, 1000)


def records() -> Iterator[bytes]:
    """Make records of placed credentials."""
    options = [
        conversions.options(owner=owner, cert_path="c.pem", privatekey_path="k.pem") for owner in ("alice", "bob")
    ]
    placements = list(map(placed_record.Placement.of, options))
    yield placed_record.encode({})
    yield placed_record.encode({placement: ["0" * 64, "f" * 64] for placement in placements})


def anchors() -> Iterator[bytes]:
    """Make the files of a directory with CAs."""
    yield from map(mutations.join, _anchor_files())
    for certificate in certificates():
        yield mutations.join({"ca.pem": certificate})


def ca_certificates() -> Iterator[bytes]:
    """Make CAs in DER: a usual CA, a CA that cryptography does not read, and a CA with an RSA key."""
    yield AUTHORITY.facts.der
    yield pki.without_seconds(AUTHORITY)
    yield pki.issue("RSA", authority=True, key=pki.KEYS["rsa"]()).facts.der


def _anchor_files() -> Iterator[dict[str, bytes]]:
    dn = "/DC=org/DC=example/CN=CA"
    info = b'# IGTF\nalias = ca\nversion = 1.1\nstatus = accredited:classic, \\\n accredited:mics\nsubjectdn = "%s"\n'
    yield {
        "ca.pem": AUTHORITY.pem,
        "ca.info": info % dn.encode(),
        "ca.signing_policy": signing_policy.compose(dn, ["/DC=org/*"]).encode(),
        "ca.namespaces": b'TO Issuer "%s" \\\n  PERMIT Subject "/DC=org/.*"\n' % dn.encode(),
        "ca.crl_url": b"http://example.org/ca.crl\n",
        "01234567.0": AUTHORITY.pem,
    }
    middle = pki.issue("Middle", authority=True, issuer=AUTHORITY)
    yield {"ca.pem": AUTHORITY.pem + middle.pem, "b.pem": middle.pem}


def certificate_files() -> Iterator[bytes]:
    """Make CA certificates in every form, and wrong files in their place."""
    encoded = AUTHORITY.certificate.public_bytes(Encoding.DER)
    yield from (encoded, AUTHORITY.pem * 2, ALICE.archive(""))
    for indefinite in (False, True):
        bundle = pki.certificates_only(AUTHORITY.certificate, ALICE.certificate, indefinite=indefinite)
        yield from (bundle, pem.encode("PKCS7", bundle))
    for label in ("X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
        yield pem.encode(label, encoded)
    for begin in (b"PK\3\4", b"\xfe\xed\xfe\xed", b"\x1f\x8b", b"!<arch>\ndebian-binary", b"<html>"):
        yield begin + AUTHORITY.pem
    yield mutations.join({"ca.pem": AUTHORITY.pem, "ca.info": b"", "other.namespaces": b""})


def directories() -> Iterator[bytes]:
    """Make a tree of directories with files in every form."""
    encoded = AUTHORITY.certificate.public_bytes(Encoding.DER)
    middle = pki.issue("Middle", authority=True, issuer=AUTHORITY)
    for files in _anchor_files():
        deep = {f"igtf/classic/{name}": data for name, data in files.items()}
        yield mutations.join({**deep, "a/b/middle.cer": middle.certificate.public_bytes(Encoding.DER)})
    both = pki.certificates_only(middle.certificate, AUTHORITY.certificate)
    yield mutations.join({"ca.0": encoded, "ca.info": b"alias = ca\n", "x/all.p7b": both})


def trust_directories() -> Iterator[bytes]:
    """Make the same directory on a node, with the system's bundle and CRLs."""
    in_pem, *_others = crls()
    lists = {f"{digest}.r0": in_pem for digest in AUTHORITY.facts.hashes}
    for files in _anchor_files():
        yield mutations.join({**files, **lists, "bundle": AUTHORITY.pem * 2})


def crls() -> Iterator[bytes]:
    """Make CRLs in PEM and DER."""
    text = pki.revoke(AUTHORITY, [1, 2, 3])
    yield text
    (block,) = pem.blocks(text)
    yield block.data


def tarballs() -> Iterator[bytes]:
    """Make tarballs of the same files, in every format and compression."""
    for files in _anchor_files():
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
            yield _packed(files, form)
    for compression in ("gz", "bz2", "xz"):
        yield _packed({"ca.pem": AUTHORITY.pem}, tarfile.PAX_FORMAT, compression)


def _packed(files: dict[str, bytes], form: int, compression: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"igtf-é-{'long' * 30}/classic/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for number, linked in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE)):
            info = tarfile.TarInfo(f"classic/89abcdef.{number}")
            info.type, info.linkname = linked, "ca.pem"
            archive.addfile(info)
    return stream.getvalue()


def policies() -> Iterator[bytes]:
    yield signing_policy.compose("/DC=org/CN=CA", ["/DC=org/*", "/O=Grid/*"]).encode()
    rights = b"pos_rights globus CA:sign cond_subjects globus"
    yield b"access_id_CA X509 '/O=Let\\'s/CN=\\\\xC3' " + rights + b" '\"\\\\x22/*\" /O=A'\n"
    yield b"# CA\naccess_id_CA   X509  '/C=AU/CN=CA'\n\npos_rights globus CA:sign\n\ncond_subjects globus '\"/*\"'\n"


def dns() -> Iterator[bytes]:
    yield rb"/DC=org/CN=host\/a+UID=b\+c/Email=d"
    yield rb'DC = org, O = "Example, Inc." + OU = a, CN = Jos\C3\A9'
    yield b"CN=a\\, b,2.5.4.17=1211,C=CH"


def vomses_files() -> Iterator[bytes]:
    line = _VOMSES % (b"vo", b"vo")
    yield mutations.join({"vo": line, "other": b'# VOs\n\n"o" "h" "443" "/CN=h" "o" "24"\r\n' + line})


def vo_directories() -> Iterator[bytes]:
    """Make vomses as a file and as a directory, with the LSC files of its VOs."""
    yield mutations.join({"vomses": _VOMSES % (b"vo", b"vo"), "vomsdir/vo/voms.example.org.lsc": _LSC})
    files = {f"vomses/{name}": _VOMSES % (name.encode(), name.encode()) for name in ("a", "b")}
    yield mutations.join({**files, **{f"vomsdir/{name}/voms.example.org.lsc": _LSC for name in ("a", "b")}})


def gridmaps() -> Iterator[bytes]:
    yield b'"/DC=org/CN=Alice" alice\n"/CN=Bob" .pool,bob\n/CN=Carol carol\n"/CN=a\\\\b \\xC3 \\x41" a\n'
