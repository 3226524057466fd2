# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which several modules choose CAs."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragments ``grid.security.cas`` (sources of CAs and filters) and ``grid.security.cas.issuers``."""

    # For modules that read CAs. A module adds its own option ``exclude``.
    DOCUMENTATION = r"""
requirements:
  - cryptography 36 or newer on the controller
attributes:
  action_group:
    support: full
    description: Use C(group/grid.security.cas) in C(module_defaults) to set defaults for this module.
    membership:
      - grid.security.cas
options:
  sources:
    description:
      - The sources of the CAs. Each item is a path on the controller (a directory, an IGTF tarball, or a file with
        certificates), PEM, or a dictionary. Several sources are merged. A certificate that is in several sources
        counts once.
      - A directory is read with all directories below it, as a tarball is. Names that begin with a dot are left out.
        Links to directories are followed, and each directory is read once. The limits are 20,000 files, 32 levels and
        64 MiB without CRLs.
      - In directories and tarballs, the files of CAs are those that end in C(.pem), C(.crt), C(.cer), C(.der),
        C(.p7b) or C(.p7c), C(HASH.0), and C(ALIAS.0) if C(ALIAS.info) or C(ALIAS.signing_policy) lies beside it.
        Other numbered files are ignored. A warning names C(.info), C(.signing_policy), C(.namespaces) and C(.crl_url)
        files without a certificate of the same name.
      - Certificates are read as PEM, DER or PKCS#7, whatever the name of the file. They are placed as PEM. If a file
        has several certificates, each gets an alias of its own. Other formats (packages, zip archives, keystores,
        C(BEGIN TRUSTED CERTIFICATE)) are refused, and the message has the command that converts them.
      - If several CAs have the same alias, one of them keeps it. It is a CA whose file or C(name) gives the alias,
        and of several such CAs the oldest. The aliases of the others end in the first eight digits of their SHA-256
        fingerprints.
      - A certificate that OpenSSL reads and cryptography does not read is used, with a warning that lists the checks
        that were not made.
      - A dictionary has one of C(src), C(content) and C(url). C(src) is a path, C(content) is PEM, and C(url) is an
        https URL that is fetched once per run.
      - A dictionary may also have C(checksum), C(signature), C(keyring), C(name), C(subjects), C(crl_urls) and
        C(prefer).
      - C(checksum) is C(sha256:HEX) or C(sha512:HEX). C(url) requires it.
      - C(signature) is the path of a detached GPG signature, and C(keyring) the path of the public keys that may have
        made it. A signature file may hold several signatures. All must be good, by keys of the C(keyring) that are
        neither revoked nor expired.
      - C(name) is the alias of a single certificate. C(subjects) is a list of subject patterns such as
        C(/DC=org/DC=example/*). CAs without a signing policy get a signing policy that is made from these patterns.
      - C(crl_urls) is a list of URLs of the same CRL, for CAs without a CRL distribution point of their own.
      - C(prefer) is V(true) or V(false). If another source has other files beside the same CA, the files of the
        source with V(true) are used.
      - If two sources have different signing policies or namespaces for the same CA, the task fails, unless one of
        them has C(prefer) set to V(true), or O(on_unreadable=skip) leaves the CA out. Comments, spaces and the order
        of subjects do not count. Of other files, the first one is taken. If a directory has a CA twice, the files of
        the copy with an C(.info) file count.
      - The limits for a C(url) are 2 minutes and 64 MiB. It is fetched without credentials. Redirects to anything but
        https are refused.
    type: list
    elements: raw
    required: true
  profiles:
    description:
      - Only CAs of these IGTF profiles (V(classic), V(mics), V(slcs), V(iota), ...), and their issuers.
      - The module M(grid.security.trust_anchors) warns about CAs that IGTF calls V(discontinued), V(experimental),
        V(unaccredited) or V(worthless), unless these profiles are in the list.
    type: list
    elements: str
    default: []
  include:
    description:
      - Only these CAs, and their issuers. Each item is an alias or a DN (shell patterns), or a fingerprint (SHA-1 or
        SHA-256).
      - An alias that several CAs share selects all of them. The alias with which a CA is placed selects only this CA.
      - Write a DN as C(openssl x509 -subject -nameopt compat) prints it, such as C(/DC=org/DC=example/CN=Example CA).
        The forms C(CN=Example CA,DC=example,DC=org) and C(DC = org, DC = example, CN = Example CA) are understood,
        too. The same holds for C(subjects) in O(sources).
    type: list
    elements: str
    default: []
  exclude_expired:
    description:
      - Whether to leave out CAs that have expired.
    type: bool
    default: false
  on_unreadable:
    description:
      - What to do about files of the sources that cannot be used as CAs, and that no other option leaves out. Such a
        file is no certificate, is truncated or damaged, is larger than 1 MiB, is not of a CA, holds a private key, or
        has a signing policy that cannot be used.
      - V(fail) fails, and the message names all of them. V(skip) leaves these files out, with a warning that names
        them. It also leaves out CAs whose issuer is missing, and CAs with different signing policies or namespaces in
        two sources.
    type: str
    choices: [fail, skip]
    default: fail
"""

    # For modules that check who issued a certificate.
    ISSUERS = r"""
requirements:
  - cryptography 36 or newer on the controller
attributes:
  action_group:
    support: full
    description: Use C(group/grid.security.credentials) in C(module_defaults) to set defaults for this module.
    membership:
      - grid.security.credentials
options:
  trust_anchors:
    description:
      - The CAs that may have issued the certificates. The items are those of
        O(grid.security.trust_anchors#module:sources).
      - If the list is not empty, a certificate is accepted only if a chain leads from it to one of these CAs.
        Intermediate CAs may come from the archive. The check covers the signatures, the validity of each CA,
        basicConstraints and keyUsage, the signing policy of the CA, and its CRL if a source has one (C(HASH.r0) or
        C(ALIAS.crl) beside the CA, or a PEM block in the CA's file).
      - Otherwise the credential fails with the error code V(untrusted), and nothing is changed for it.
      - A CA without a signing policy may issue any subject. A certificate that is signed with MD5, a proxy
        certificate and a self-signed certificate are not trusted. SHA-1 is accepted, as in grid clients. If the CRL
        of a CA has expired, all certificates of that CA are refused, as in Globus.
    type: list
    elements: raw
  trust_anchors_profiles:
    description:
      - Of O(trust_anchors), only CAs of these IGTF profiles, and their issuers.
    type: list
    elements: str
    default: []
  trust_anchors_include:
    description:
      - Of O(trust_anchors), only these CAs, and their issuers. Each item is an alias or a DN (shell patterns), or a
        fingerprint (SHA-1 or SHA-256).
    type: list
    elements: str
    default: []
  trust_anchors_exclude:
    description:
      - Of O(trust_anchors), not these CAs. Each item is an alias or a DN (shell patterns), or a fingerprint (SHA-1 or
        SHA-256).
    type: list
    elements: str
    default: []
  trust_anchors_exclude_expired:
    description:
      - Whether to leave out CAs of O(trust_anchors) that have expired. Certificates of expired CAs are refused in
        either case.
    type: bool
    default: false
  check_chain:
    description:
      - V(false) switches the check by O(trust_anchors) off.
    type: bool
    default: true
"""
