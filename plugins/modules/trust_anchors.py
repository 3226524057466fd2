#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trust_anchors
short_description: Make a node's trust directory what its sources say
version_added: 0.1.0
description:
  - Places CA certificates, the links by which grid clients find them, and their policies, from one release to the next,
    without a reader ever seeing a store that is half-built.
  - Everything is read and checked on the controller before anything is sent. A node compares one digest; only what differs
    travels.
  - CRLs of CAs that stay, and files that are no part of a trust directory, are left alone.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  sources:
    description:
      - Where the trust anchors come from. Each item is a path on the controller (a directory, an IGTF tarball, or a file with
        certificates), or PEM itself, or a dictionary. Several are merged; the same certificate twice is one.
      - A directory is read with all directories below it, as a tarball is. Names that begin with a dot are left out. Links to directories
        are followed, and each directory is read once. The limits are 20,000 files, 32 levels and 64 MiB without CRLs.
      - In directories and tarballs, the files of CAs are those that end in C(.pem), C(.crt), C(.cer), C(.der), C(.p7b) or C(.p7c),
        C(HASH.0), and C(ALIAS.0) if C(ALIAS.info) or C(ALIAS.signing_policy) lies beside it. Other numbered files are ignored. A warning
        names C(.info), C(.signing_policy), C(.namespaces) and C(.crl_url) files without a certificate of the same name.
      - Certificates are read as PEM, DER or PKCS#7, whatever the name of the file. They are placed as PEM. If a file has several
        certificates, each gets an alias of its own. Other formats (packages, zip archives, keystores, C(BEGIN TRUSTED CERTIFICATE)) are
        refused, and the message has the command that converts them.
      - If several CAs have one alias, one of them keeps the alias. That is a CA whose file or C(name) gives the alias, and of
        several such CAs the oldest. The others get the first eight digits of their SHA-256 fingerprint behind it.
      - A certificate that OpenSSL reads and cryptography does not is placed, with a warning that says what was not checked.
      - A dictionary has one of C(src) (a path), C(content) (PEM) and C(url) (https, fetched once per run); C(checksum), as
        C(sha256:HEX) or C(sha512:HEX), which C(url) requires; C(signature) and C(keyring), paths of a detached GPG signature and
        of the public keys that may have made it; C(name), the alias of a single certificate; C(subjects), a list of
        subject patterns such as C(/DC=org/DC=example/*), from which a signing policy is made for CAs that bring none;
        C(crl_urls), a list of URLs of the same CRL, for CAs that do not say where theirs is; and C(prefer), whether the files
        beside the CAs of this source count if another source has other ones.
      - If two sources have different signing policies or namespaces for the same CA, the task fails, unless one of them has C(prefer)
        set to V(true), or O(on_unreadable=skip) leaves the CA out. Comments, spaces and the order of subjects do not count. Of other
        files, the first one is taken. If a directory has a CA twice, the files of the copy with an C(.info) file count.
      - A C(url) is fetched within 2 minutes and 64 MiB, without credentials. Redirects to anything but https are refused.
      - A signature file may hold several signatures. All have to be good, by keys of the C(keyring) that are neither revoked nor
        expired.
    type: list
    elements: raw
    required: true
  path:
    description:
      - The trust directory. It is created with mode V(0755) if it is missing.
    type: str
    default: /etc/grid-security/certificates
  profiles:
    description:
      - Only CAs of these IGTF profiles (V(classic), V(mics), V(slcs), V(iota), ...), and the issuers of these.
      - There is a warning about CAs that IGTF calls V(discontinued), V(experimental), V(unaccredited) or V(worthless), unless they
        are named here.
    type: list
    elements: str
    default: []
  include:
    description:
      - Only these CAs, and their issuers, by alias or DN (shell patterns) or fingerprint (SHA-1 or SHA-256).
      - An alias that several CAs share names all of them. The alias with which they are placed names one.
      - A DN is best written as C(openssl x509 -subject -nameopt compat) prints it, such as C(/DC=org/DC=example/CN=Example CA). The
        forms C(CN=Example CA,DC=example,DC=org) and C(DC = org, DC = example, CN = Example CA) are understood, too. The same holds for
        C(subjects).
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Not these CAs, named like those of O(include). What is wrong with the files of these CAs is no reason to fail.
      - A file that cannot be read is named by its name without ending, by the alias, C(subjectdn) or C(sha1fp) of the C(.info)
        file beside it, or by the digest of its bytes. The same names leave out the warning about files without a certificate.
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
      - What to do about files of the sources that cannot be used as CAs, and that no other option leaves out. Such a file is no
        certificate, is truncated or damaged, is larger than 1 MiB, is of no CA, holds a private key, or has a signing policy that cannot be used.
      - V(fail) fails, and the message names all of them. V(skip) leaves these files out, with a warning that names them. It also
        leaves out CAs whose issuer is missing, and CAs about which the sources disagree (two signing policies or namespaces).
    type: str
    choices: [fail, skip]
    default: fail
  purge:
    description:
      - Whether to remove CAs that no source has any more, with their links, policies and CRLs.
      - Files with a private key, and files that do not belong in a trust directory, are never removed. A warning names them.
    type: bool
    default: true
  allow_shrink:
    description:
      - Whether more than half of the CAs in place, or all, may be removed.
    type: bool
    default: false
  bundle_path:
    description:
      - A file that gets the certificates of all CAs of the sources as PEM, for programs that want one bundle.
    type: str
  java_truststore_path:
    description:
      - A file that gets all of them as a truststore for Java, in PKCS#12 without encryption. Java opens it with any password.
    type: str
  system_store:
    description:
      - Whether the system's trust store gets all of them too, by C(update-ca-certificates) on Debian and C(update-ca-trust) on
        Enterprise Linux. The command runs only when something differs, and afterwards each CA is looked for in the result.
      - On macOS by C(security add-trusted-cert), which no test of this collection runs.
      - If facts were not gathered, the node is asked for its family of systems in a round trip more.
    type: bool
    default: false
  accounts:
    description:
      - Accounts that are looked at, each with its own rights, for a C(~/.globus/certificates), which grid clients take in place
        of the trust directory. There is a warning if an account has it, or if the look failed. Nothing there is
        read.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Place a release of IGTF, two profiles, and our own CA
  grid.security.trust_anchors:
    sources:
      - src: igtf-preinstalled-bundle-classic-1.133.tar.gz
        signature: igtf-preinstalled-bundle-classic-1.133.tar.gz.asc
        keyring: igtf-distribution-key.asc
      - src: our-ca.pem
        name: our-ca
        subjects: ["/DC=org/DC=example/*"]
        crl_urls: [http://ca.example.org/our-ca.crl]
    exclude: [/C=XX/*]
    exclude_expired: true
"""

RETURN = r"""
added:
  description: CAs that were not there before.
  returned: success
  type: list
  elements: dict
  contains: &named
    alias:
      description: The alias.
      returned: always
      type: str
    sha256_fingerprint:
      description: The certificate's SHA-256 fingerprint.
      returned: always
      type: str
removed:
  description: CAs that are there no more.
  returned: success
  type: list
  elements: dict
  contains: *named
replaced:
  description: CAs whose certificate was replaced by another of the same alias.
  returned: success
  type: list
  elements: dict
  contains: *named
files:
  description: Files and links of CAs that stay which differed, and how.
  returned: success
  type: list
  elements: str
  sample: ["our-ca.signing_policy: other content", "1a2b3c4d.0: missing", "our-ca.pem: now a file, was a link with the same content"]
summary:
  description: One line about all CAs.
  returned: success
  type: list
  elements: str
  sample: ["CAs added: 2, CAs removed: 3"]
places:
  description: What differed, of trust directory, PEM bundle, Java truststore and system trust store.
  returned: success
  type: list
  elements: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
