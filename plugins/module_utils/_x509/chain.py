# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a certificate was issued by one of the CAs that a site trusts.

The rules are those of RFC 5280 section 6 that grid clients apply: each certificate is signed with the key of the next
certificate, each issuer is a CA and valid now, the path length is kept, the signing policies allow the subjects, and no
CRL revokes a certificate. The path ends at a self-signed CA of the site.

The verifier of the library ``cryptography`` is not suitable: it needs version 45, and it applies the rules of web
servers. The certificates of people do not follow these rules.

A CA is a dictionary with ``alias``, ``dn``, ``subject`` (:func:`distinguished_name.canonical`, in hexadecimal),
``pem``, ``patterns`` (of its signing policy, or None) and ``problem`` (the reason if the CA cannot be used, or empty).
A CRL is a dictionary with ``name``, ``issuer`` (in the form of ``subject``), ``der`` (in Base64) and ``problem``.
``trusted`` has ``cas`` and ``crls``.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import sandbox, times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificates,
    crl,
    der,
    distinguished_name,
    safe_x509,
    signing_policy,
)

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["Verdict", "judge", "verify"]

Verdict = dict[str, Any]

_LONGEST = 10  # certificates in a path
_MOST_STEPS = 100  # signatures that are checked for one credential
_SECONDS = 30  # of processor time for one batch
_BATCH = 50  # credentials that one process checks
_FORGEABLE = ("md2", "md4", "md5")
_PROXIES = ("1.3.6.1.5.5.7.1.14", "1.3.6.1.4.1.3536.1.222")  # RFC 3820, and its draft
_OLD_PROXIES = ("proxy", "limited proxy")
# Critical extensions that an intermediate CA of an archive may have. Others are not evaluated here.
_KNOWN_EXTENSIONS = frozenset(f"2.5.29.{number}" for number in (14, 15, 17, 18, 19, 31, 32, 33, 35, 36, 37, 54))
_NAME_CONSTRAINTS = "2.5.29.30"
_NAMES_OF_EXTENSIONS = {_NAME_CONSTRAINTS: "nameConstraints"}
_ASK = "Ask for a certificate of one of these CAs, or add the issuer to trust_anchors if it is to be trusted"


class _Untrusted(Exception):
    """Report why a certificate does not lead to the next certificate. The arguments are the reason and the remedy."""


@dataclass(frozen=True)
class _Certificate:
    """Hold a certificate of a path. :param ca: the entry of this certificate among the trusted CAs, or None."""

    certificate: x509.Certificate
    subject: str
    issuer: str
    ca: dict[str, Any] | None = None

    @property
    def dn(self) -> str:
        return distinguished_name.one_line(self.certificate.subject)

    @property
    def is_self_issued(self) -> bool:
        return self.subject == self.issuer


@dataclass(order=True)
class _Objection:
    """Hold the reason why a path ended. The message shows the largest: first by trusted CA, then by length of path."""

    is_about_trusted: bool
    depth: int
    is_past_signature: bool
    text: str = field(compare=False)
    remedy: str = field(compare=False)


def judge(chains: list[tuple[str, list[str]]], trusted: dict[str, Any]) -> list[Verdict]:
    """Return the verdict on each chain: ``until``, the time of the next check, or ``error_code`` and ``message``.

    The certificates are untrusted, so processes with limits do the work.

    :param chains: the name of each credential in messages, and its chain (DER in Base64), its own certificate first.
    """
    batches = [chains[start : start + _BATCH] for start in range(0, len(chains), _BATCH)]
    outcomes = sandbox.run_all([_job(batch, trusted) for batch in batches])
    verdicts: list[Verdict] = []
    for batch, outcome in zip(batches, outcomes):
        if isinstance(outcome, GridSecurityError):  # one chain broke the process: check each chain in its own process
            alone = sandbox.run_all([_job([one], trusted) for one in batch])
            verdicts += map(_of_one, alone)
        else:
            verdicts += outcome["verdicts"]
    return verdicts


def _job(batch: list[tuple[str, list[str]]], trusted: dict[str, Any]) -> sandbox.Job:
    return sandbox.Job(lambda: {"verdicts": [_verdict(*one, trusted) for one in batch]}, _SECONDS, batch[0][0])


def _of_one(outcome: dict[str, Any] | GridSecurityError) -> Verdict:
    if isinstance(outcome, GridSecurityError):
        return {"error_code": outcome.error_code, "message": outcome.message}
    verdict: Verdict = outcome["verdicts"][0]
    return verdict


def _verdict(name: str, chain: list[str], trusted: dict[str, Any]) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cryptography, about real CAs
            # Do not use safe_x509.load: it would read PEM text of another certificate in an extension.
            found = [x509.load_der_x509_certificate(base64.b64decode(one)) for one in chain]
            return {"until": times.iso(verify(name, found, trusted, times.now()))}
    except GridSecurityError as error:
        return {"error_code": error.error_code, "message": error.message}


def verify(
    name: str, chain: list[x509.Certificate], trusted: dict[str, Any], now: datetime.datetime
) -> datetime.datetime:
    """Find a path from the first certificate to a trusted root. Return the time of the next search.

    :param name: the credential's name in messages. :param chain: its certificate, then possible issuers.
    :raises GridSecurityError: ``untrusted``: there is no such path.
    """
    search = _Search(chain, trusted, now)
    path = search.path()
    if path is None:
        worst = max(search.objections)
        raise GridSecurityError(
            "untrusted",
            f"{name}: the certificate of {search.leaf.dn} is not trusted: {worst.text}. {worst.remedy}.",
        )
    return min([*(certificates.expiry(one.certificate) for one in path[1:]), *search.next_updates(path)], default=now)


class _Search:
    """Search for a path, depth first, from the credential's certificate upwards."""

    def __init__(self, chain: list[x509.Certificate], trusted: dict[str, Any], now: datetime.datetime) -> None:
        self._now, self._crls, self._steps = now, trusted["crls"], 0
        self._cas: dict[str, list[dict[str, Any]]] = {}
        self._loaded: dict[str, list[_Certificate]] = {}
        for ca in trusted["cas"]:
            self._cas.setdefault(ca["subject"], []).append(ca)
        self.leaf, *others = map(self._known, chain)
        self._others = [one for one in others if one.ca is None and not _is_root(one)]
        self.objections: list[_Objection] = []

    def path(self) -> list[_Certificate] | None:
        """Return the certificates from the credential's own to a trusted root."""
        try:
            _refuse_proxy(self.leaf)
        except _Untrusted as reason:
            self._object([], None, False, reason)
            return None
        return self._search([self.leaf])

    def next_updates(self, path: list[_Certificate]) -> Iterator[datetime.datetime]:
        """Yield the time at which each CRL expires that was checked for this path."""
        for issuer in path[1:]:
            found = self._crls_of(issuer)
            if found and found[-1].next_update:
                yield found[-1].next_update

    def _search(self, path: list[_Certificate]) -> list[_Certificate] | None:
        child = path[-1]
        if child.ca and child.is_self_issued:
            return path if self._is_allowed(path) else None
        issuers = [one for one in self._issuers(child) if one.certificate not in [two.certificate for two in path]]
        for issuer in issuers:
            if self._is_issued(path, issuer):
                found = self._search([*path, issuer])
                if found:
                    return found
        if not issuers and not self._object_unusable(path):
            self._object(path, None, False, _missing(child))
        return None

    def _is_issued(self, path: list[_Certificate], issuer: _Certificate) -> bool:
        """Return whether ``issuer`` issued the last certificate of the path, and was allowed to do so."""
        self._steps += 1
        is_signed = False
        try:
            if self._steps > _MOST_STEPS or len(path) > _LONGEST:
                raise _Untrusted("there are too many certificates on the way to a CA", "Export it again without them")
            with _explained():
                _check_signature(path[-1], issuer)
                is_signed = True
                _check_issuer(issuer, path, self._now)
                self._check_revocation(path[-1], issuer)
        except _Untrusted as reason:
            self._object(path, issuer, is_signed, reason)
            return False
        return True

    def _object(
        self, path: list[_Certificate], issuer: _Certificate | None, is_signed: bool, reason: _Untrusted
    ) -> None:
        text, remedy = reason.args
        if len(path) > 1:
            text = f"the CA {path[-1].dn} above it is not trusted: {text}"
        self.objections.append(_Objection(bool(issuer and issuer.ca), len(path), is_signed, text, remedy))

    # --- possible issuers ---------------------------------------------------------------------------------------------

    def _known(self, certificate: x509.Certificate) -> _Certificate:
        """Return the certificate, with its entry among the trusted CAs."""
        with safe_x509.explained():
            subject, issuer = (
                distinguished_name.canonical(one.public_bytes()).hex()
                for one in (certificate.subject, certificate.issuer)
            )
        same = [one for one in self._usable(subject) if one.certificate == certificate]
        return _Certificate(certificate, subject, issuer, same[0].ca if same else None)

    def _issuers(self, child: _Certificate) -> list[_Certificate]:
        """Return the trusted CAs with the issuer's name, then the intermediate CAs of the archive with this name."""
        return [*self._usable(child.issuer), *(one for one in self._others if one.subject == child.issuer)]

    def _usable(self, subject: str) -> list[_Certificate]:
        """Return the trusted CAs with a name."""
        if subject not in self._loaded:
            self._loaded[subject] = [_loaded(ca) for ca in self._cas.get(subject, []) if not ca["problem"]]
        return self._loaded[subject]

    def _object_unusable(self, path: list[_Certificate]) -> bool:
        """Add an objection for each issuer that cannot be read. Return whether there is such an issuer."""
        unusable = [ca for ca in self._cas.get(path[-1].issuer, []) if ca["problem"]]
        for ca in unusable:
            text = f"its issuer {ca['dn']} is among the CAs of trust_anchors, but cannot be used: {ca['problem']}"
            self._object(path, None, False, _Untrusted(text.rstrip("."), "Correct that source"))
        return bool(unusable)

    # --- signing policies ---------------------------------------------------------------------------------------------

    def _is_allowed(self, path: list[_Certificate]) -> bool:
        """Return whether the signing policies allow all subjects.

        The policy of a trusted CA applies to the certificates that it issued, and to all certificates below its
        intermediate CAs that are only in the archive.
        """
        for number, one in enumerate(path):
            above = next((other.ca for other in path[number + 1 :] if other.ca), None)
            if above and above["patterns"] is not None and not signing_policy.allows(above["patterns"], one.dn):
                text = f"the signing policy of {above['alias']} does not let it issue to {one.dn}"
                remedy = "Ask the CA for a certificate that keeps to its policy, or correct the policy in trust_anchors"
                self.objections.append(_Objection(True, len(path), True, text, remedy))
                return False
        return True

    # --- revocation ---------------------------------------------------------------------------------------------------

    def _check_revocation(self, child: _Certificate, issuer: _Certificate) -> None:
        found = self._crls_of(issuer)
        if not found:
            return
        self._check_dates(found[-1], issuer)
        for present in found:
            if not self._has_expired(present):
                _refuse_revoked(child, issuer, present)

    def _has_expired(self, found: crl.Crl) -> bool:
        return found.next_update is not None and found.next_update <= self._now

    def _check_dates(self, current: crl.Crl, issuer: _Certificate) -> None:
        if current.next_update and current.next_update <= self._now:
            raise _Untrusted(
                f"the CRL of its issuer {issuer.dn} expired on {times.iso(current.next_update)}, and with an expired"
                " CRL grid clients refuse everything that the CA issued",
                "Put the CA's present CRL into trust_anchors, or remove the expired CRL",
            )
        if current.this_update > self._now:
            raise _Untrusted(
                f"the CRL of its issuer {issuer.dn} is not valid before {times.iso(current.this_update)}",
                "Check the clock of this machine",
            )

    def _crls_of(self, issuer: _Certificate) -> list[crl.Crl]:
        """Return the CRLs that this CA signed, the newest last. A CA may divide its CRL into several CRLs.

        :raises _Untrusted: a CRL has the name of this CA, and no CA with this name signed it.
        """
        present = [one for one in self._crls if one["issuer"] == issuer.subject]
        for one in present:
            if one["problem"]:
                raise _Untrusted(f"the CRL {one['name']} of its issuer {one['problem']}", "Fetch that CRL again")
        read = [_read_crl(one["der"]) for one in present]
        good = [one for one in read if not one.is_delta and _signed_crl(one, issuer)]
        if good:
            return sorted(good, key=lambda one: one.this_update)
        namesakes = self._usable(issuer.subject)
        if any(not one.is_delta and not any(_signed_crl(one, other) for other in namesakes) for one in read):
            raise _Untrusted(
                f"the CRL {present[0]['name']} in the name of its issuer {issuer.dn} is not signed with that CA's key",
                "Fetch that CRL again",
            )
        return []


@functools.lru_cache(maxsize=8)  # most credentials of a batch have the same issuer, and its CRL may have many MiB
def _read_crl(encoded: str) -> crl.Crl:
    """Read a CRL. :param encoded: DER in Base64."""
    return crl.read(base64.b64decode(encoded))


def _is_root(one: _Certificate) -> bool:
    """Return whether the certificate is signed with its own key.

    A CA that changes its key signs the new key with the old key. That certificate is self-issued, but no root.
    """
    if not one.is_self_issued:
        return False
    with contextlib.suppress(InvalidSignature, TypeError, safe_x509.CertificateError), safe_x509.explained():
        _verify_signature(one.certificate, one.certificate.public_key())
        return True
    return False


def _loaded(ca: dict[str, Any]) -> _Certificate:
    certificate = safe_x509.load(ca["pem"].encode())
    return _Certificate(
        certificate, ca["subject"], distinguished_name.canonical(certificate.issuer.public_bytes()).hex(), ca
    )


def _missing(child: _Certificate) -> _Untrusted:
    if child.is_self_issued:
        remedy = "Ask for a certificate of one of these CAs"
        return _Untrusted("it is self-signed, and not one of the CAs of trust_anchors", remedy)
    issuer = distinguished_name.one_line(child.certificate.issuer)
    return _Untrusted(f"its issuer {issuer} is not among the CAs of trust_anchors", _ASK)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Convert each error of cryptography to a reason why a certificate is not trusted."""
    try:
        with safe_x509.explained():
            yield
    except safe_x509.CertificateError as error:
        cause = error.__cause__
        if isinstance(cause, _Untrusted):
            raise _Untrusted(*cause.args) from None
        raise _Untrusted(f"it cannot be checked here ({error})", "Ask the CA for another certificate") from error


def _refuse_revoked(child: _Certificate, issuer: _Certificate, found: crl.Crl) -> None:
    parsed = x509.load_der_x509_crl(found.der)
    entry = parsed.get_revoked_certificate_by_serial_number(child.certificate.serial_number)
    if entry is not None:
        date = getattr(entry, "revocation_date_utc", None) or entry.revocation_date  # the former since 42
        raise _Untrusted(f"it was revoked by {issuer.dn} on {date:%Y-%m-%d}", "Ask the CA for a new certificate")


# --- a single certificate ---------------------------------------------------------------------------------------------


def _refuse_proxy(leaf: _Certificate) -> None:
    with _explained():
        extensions = _extension_oids(leaf.certificate)
        common_names = leaf.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        is_old = bool(common_names) and common_names[-1].value in _OLD_PROXIES
    if is_old or extensions & set(_PROXIES):
        raise _Untrusted(
            "it is a proxy certificate, which its user made and no CA", "Export the credential that it was made from"
        )


def _extension_oids(certificate: x509.Certificate) -> set[str]:
    """Return the OIDs of all extensions. cryptography refuses all extensions if one is malformed."""
    fields = der.read(certificate.tbs_certificate_bytes).children
    extensions = [one.child(0).children for one in fields if one.tag == der.CONTEXT_3]
    return {one.child(0).oid() for one in (extensions[0] if extensions else ())}


def _check_signature(child: _Certificate, issuer: _Certificate) -> None:
    used = child.certificate.signature_hash_algorithm
    if used is not None and used.name in _FORGEABLE:
        raise _Untrusted(
            f"it is signed with {used.name.upper()}, which others can forge", "Ask the CA for a new certificate"
        )
    try:
        _verify_signature(child.certificate, issuer.certificate.public_key())
    except (InvalidSignature, TypeError):  # TypeError: the key is of another type than the signature
        where = f"the CA {issuer.dn} ({issuer.ca['alias']})" if issuer.ca else issuer.dn
        raise _Untrusted(
            f"it names {where} as its issuer, but is not signed with that CA's key",
            "Somebody used the name of that CA, or the CA has another key: ask the CA, and add its other certificate to"
            " trust_anchors only if the CA confirms the fingerprint",
        ) from None


def _verify_signature(certificate: x509.Certificate, key: Any) -> None:
    """Verify the signature of a certificate.

    :raises InvalidSignature: another key made the signature.
    """
    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    used: Any = certificate.signature_hash_algorithm  # None for keys that need no hash
    if isinstance(key, rsa.RSAPublicKey):
        # cryptography 41 added the parameters, and with them RSA-PSS.
        parameters = getattr(certificate, "signature_algorithm_parameters", None) or padding.PKCS1v15()
        key.verify(*signed, parameters, used)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(*signed, ec.ECDSA(used))
    elif isinstance(key, dsa.DSAPublicKey):
        key.verify(*signed, used)
    else:  # Ed25519 and Ed448
        key.verify(*signed)


def _check_issuer(issuer: _Certificate, path: list[_Certificate], now: datetime.datetime) -> None:
    """Check that ``issuer`` is a CA that may issue the last certificate of the path, and is valid now."""
    constraints = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    is_ca = constraints.ca if constraints else _is_old_root(issuer, usage)
    if not is_ca:
        raise _Untrusted(f"its issuer {issuer.dn} is no CA", _ASK)
    if usage is not None and not usage.key_cert_sign:
        raise _Untrusted(f"its issuer {issuer.dn} may not sign certificates (keyUsage)", _ASK)
    below = sum(not one.is_self_issued for one in path[1:])
    if constraints and constraints.path_length is not None and below > constraints.path_length:
        raise _Untrusted(f"{issuer.dn} allows only {constraints.path_length} CAs below it, and there are {below}", _ASK)
    _check_times(issuer, now)
    if issuer.ca is None:
        _refuse_restrictions(issuer)


def _is_old_root(issuer: _Certificate, usage: Any) -> bool:
    """Return whether a certificate without basicConstraints is a CA, as OpenSSL decides it (check_ca in v3_purp.c)."""
    if issuer.ca is None or not issuer.is_self_issued:
        return False
    return issuer.certificate.version is x509.Version.v1 or usage is not None


def _check_times(issuer: _Certificate, now: datetime.datetime) -> None:
    start, end = certificates.start(issuer.certificate), certificates.expiry(issuer.certificate)
    if end <= now:
        raise _Untrusted(
            f"its issuer {issuer.dn} expired on {times.iso(end)}", "Put the CA's present certificate into trust_anchors"
        )
    if start > now:
        raise _Untrusted(
            f"its issuer {issuer.dn} is not valid before {times.iso(start)}", "Check the clock of this machine"
        )


def _refuse_restrictions(issuer: _Certificate) -> None:
    """Refuse an intermediate CA of the archive if it has restrictions that are not evaluated here."""
    for one in issuer.certificate.extensions:
        oid = one.oid.dotted_string
        if oid == _NAME_CONSTRAINTS or (one.critical and oid not in _KNOWN_EXTENSIONS):
            raise _Untrusted(
                f"its issuer {issuer.dn} has the extension {_NAMES_OF_EXTENSIONS.get(oid, oid)}, which is not"
                " evaluated here",
                "Add that CA to trust_anchors if it is to be trusted",
            )


def _extension(one: _Certificate, kind: Any) -> Any:
    try:
        return one.certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _signed_crl(one: crl.Crl, issuer: _Certificate) -> bool:
    with _explained():
        parsed = x509.load_der_x509_crl(one.der)
        return parsed.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]
