#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trust_anchors
short_description: Make the trust directory of a node match its sources
version_added: 0.1.0
description:
  - Places CA certificates, the links by which grid clients find them, and their policies. While a run changes them, readers always see a
    complete trust directory.
  - Everything is read and checked on the controller before anything is sent. A node compares one digest. Only files that differ are sent.
  - CRLs of CAs that stay, and files that are not part of a trust directory, stay as they are.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
  - grid.security.cas
notes:
  - The signature of a source needs C(gpg) on the controller.
seealso:
  - module: grid.security.crls
    description: Places the CRLs of the same CAs.
  - module: grid.security.node
    description: Places trust anchors and all other parts of a node in one call.
options:
  path:
    description:
      - The trust directory. It is created with mode V(0755) if it is missing.
    type: str
    default: /etc/grid-security/certificates
  exclude:
    description:
      - Not these CAs. The items are those of O(include). The task does not fail because of the files of these CAs.
      - A file that cannot be read is selected by its name without ending, by the alias, C(subjectdn) or C(sha1fp) of the C(.info)
        file beside it, or by the digest of its bytes. The same items switch off the warning about files without a certificate.
    type: list
    elements: str
    default: []
  purge:
    description:
      - Whether to remove CAs that no source has any more, with their links, policies and CRLs.
      - Files with a private key, and files that do not belong in a trust directory, are never removed. A warning lists them.
    type: bool
    default: true
  allow_shrink:
    description:
      - Whether a run may remove more than half of the CAs in place, or all of them.
    type: bool
    default: false
  bundle_path:
    description:
      - A file for the certificates of all CAs of the sources as PEM, for programs that need one bundle.
    type: str
  java_truststore_path:
    description:
      - A file for the certificates of all CAs of the sources as a truststore for Java, in PKCS#12 without encryption. Java opens it with any
        password.
    type: str
  system_store:
    description:
      - Whether to add the certificates of all CAs of the sources to the trust store of the system. The command is C(update-ca-certificates) on
        Debian and C(update-ca-trust) on Enterprise Linux. It runs only if something differs. Afterwards, the module checks that the result has
        each CA.
      - On macOS, the command is C(security add-trusted-cert). No test of this collection runs it.
      - If facts were not gathered, another round trip asks the node for its operating system.
    type: bool
    default: false
  accounts:
    description:
      - Accounts whose C(~/.globus/certificates) is looked for, with the rights of each account. Grid clients use this directory in place of
        the trust directory. There is a warning if an account has it, or if it cannot be looked for. The module reads no file in it.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Place the CAs of an IGTF release and a CA of the site
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
  description: The CAs that were added.
  returned: success
  type: list
  elements: dict
  contains: &named
    alias:
      description: The CA's alias.
      returned: always
      type: str
    sha256_fingerprint:
      description: The certificate's SHA-256 fingerprint.
      returned: always
      type: str
removed:
  description: The CAs that were removed.
  returned: success
  type: list
  elements: dict
  contains: *named
replaced:
  description: The CAs whose certificate was replaced by another certificate with the same alias.
  returned: success
  type: list
  elements: dict
  contains: *named
files:
  description: The files and links that differed, and how they differed. Only those of CAs that stay.
  returned: success
  type: list
  elements: str
  sample: ["our-ca.signing_policy: other content", "1a2b3c4d.0: missing", "our-ca.pem: now a file, was a link with the same content"]
summary:
  description: A line about all CAs.
  returned: success
  type: list
  elements: str
  sample: ["CAs added: 2, CAs removed: 3"]
places:
  description: The places that differed. These are the trust directory, the PEM bundle, the Java truststore and the trust store of the system.
  returned: success
  type: list
  elements: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
