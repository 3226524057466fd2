# SPDX-License-Identifier: GPL-3.0-or-later
"""Test chains with sections 4.1 to 4.7 of NIST's Public Key Interoperability Test Suite."""

from __future__ import annotations

import base64
import datetime
import re
from pathlib import Path
from typing import Any

import cryptography_vectors
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import convert
from ansible_collections.grid.security.plugins.module_utils._x509 import chain, crl, distinguished_name, safe_x509

ROOT = Path(cryptography_vectors.__file__).parent / "x509/PKITS_data"
THEN = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
# Negative serial numbers are left out: older versions of cryptography refuse them in CRLs.
SECTIONS = (
    r"CertificatePath|CASignature|EESignature|CAnot(Before|After)Date|Name(Chaining|UIDs)|RFC3280|UTF8String|MissingCRL"
    r"|RevokedCA|RevokedEE|BadCRL|WrongCRL|TwoCRLs|UnknownCRLEntry|OldCRL|GeneralizedTime(CRL|notBefore)"
    r"|LongSerial|basicConstraints|cAFalse|pathLenConstraint|keyUsage|RolloverfromPrintable"
)
# A missing CRL, or one of another CA, is none: a site need not have CRLs on its controller.
WITHOUT_CRL = {"MissingCRLTest1", "BadCRLIssuerNameTest5", "WrongCRLTest6"}
# Which CAs may sign CRLs is not looked at: whoever has the CA's key can issue certificates as well.
KEY_USAGE_OF_CRLS = {"keyUsageCriticalcRLSignFalseTest4", "keyUsageNotCriticalcRLSignFalseTest5"}
# Two keys of one CA, whose CRL only one of them signed: refused, unless both are among the CAs of the site.
TWO_KEYS = {"SelfIssuedpathLenConstraintTest15", "SelfIssuedpathLenConstraintTest17"}


def load(path: Path) -> x509.Certificate | None:
    try:
        return safe_x509.load(path.read_bytes())
    except safe_x509.CertificateError:  # two of DSA, with parameters elsewhere
        return None


def material() -> tuple[dict[str, Any], tuple[x509.Certificate, ...]]:
    """Return the root with all CRLs, and the CAs that archives may hold."""
    cas = {path.stem: load(path) for path in (ROOT / "certs").glob("*.crt") if not path.stem.endswith("EE")}
    root = cas["TrustAnchorRootCertificate"]
    assert root is not None
    crls = []
    for path in (ROOT / "crls").glob("*.crl"):
        data = path.read_bytes()
        issuer = distinguished_name.canonical(crl.read(data).issuer).hex()
        crls.append({"name": path.name, "issuer": issuer, "der": base64.b64encode(data).decode(), "problem": ""})
    subject = distinguished_name.canonical(root.subject.public_bytes()).hex()
    about = {"alias": "root", "dn": "/CN=Trust Anchor", "pem": root.public_bytes(Encoding.PEM).decode()}
    trusted = {"cas": [{**about, "subject": subject, "patterns": None, "problem": ""}], "crls": crls}
    return trusted, tuple(one for one in cas.values() if one is not None)


def test_nist() -> None:
    trusted, cas = material()
    accepted = {True: set[str](), False: set[str]()}
    expected = {True: set[str](), False: set[str]()}
    for path in (ROOT / "certs").glob("*EE.crt"):
        match = re.fullmatch(r"(Valid|Invalid)(.*)EE", path.stem)
        leaf = load(path)
        if leaf is None or match is None or not re.search(SECTIONS, path.stem):
            continue
        expected[match[1] == "Valid"].add(match[2])
        try:
            chain.verify(path.name, [leaf, *convert._possible_issuers(leaf, cas)], trusted, THEN)
            accepted[True].add(match[2])
        except GridSecurityError as error:
            assert error.error_code == "untrusted"
            accepted[False].add(match[2])
    assert expected[True] - accepted[True] == TWO_KEYS
    assert expected[False] - accepted[False] == WITHOUT_CRL | KEY_USAGE_OF_CRLS
    assert (len(expected[True]), len(expected[False])) == (23, 29)
