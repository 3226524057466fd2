#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pkcs12_pem
short_description: Convert PKCS#12 archives to PEM and place them where grid clients look
version_added: 0.1.0
description:
  - Converts the PKCS#12 archive that a certificate authority hands out to C(usercert.pem) and C(userkey.pem) below
    C(~/.globus), for one account or many in one call.
  - The archive is converted on the controller, and the node gets nothing but the two files, so it never sees the archive or a
    passphrase. With O(remote_src) the archive lies on the node and is converted there.
  - The same archive, passphrases and options always give the same bytes, so a second run changes nothing.
  - A credential in place is replaced only by one with the same subject that is not older and valid now.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
notes:
  - With O(credentials), a failure shows no passphrase, also with C(-vvv), and no C(no_log) is needed. This does not hold for a C(loop) over
    this module. Ansible prints each item with its passphrases. With C(loop_control.label) it still does so with C(-v), and for an item that fails.
    Registered results hold the items, too.
  - If you must loop, set C(no_log=true). It hides the items and the result. With ansible-core 2.16 it also hides the cause of a failure.
options:
  credentials:
    description:
      - Many credentials. Each item takes the options of this module; those given beside O(credentials) are defaults for all
        items.
      - Use this list and not a C(loop). In a loop, Ansible prints the items with their passphrases.
      - All items are processed. Failures are reported together at the end, also those of an item with an unknown option.
    type: list
    elements: dict
    suboptions: &options
      src:
        description:
          - The PKCS#12 archive. It lies on the controller, where it is found as M(ansible.builtin.copy) finds it, or else in C(files/)
            in or beside the inventory's directory, and may be vaulted; or, with O(remote_src), on the node.
        type: path
      content:
        description:
          - The archive itself, in Base64, or the certificate in PEM beside a private key. Exclusive with O(src).
        type: str
      privatekey_src:
        description:
          - A private key in PEM that lies where O(src) lies. O(src), or O(content), is then its certificate in PEM, which the
            certificates of its issuers may follow. O(passphrase) opens the key if it is encrypted.
        type: path
      privatekey_content:
        description:
          - The private key itself, in PEM. Exclusive with O(privatekey_src).
        type: str
      remote_src:
        description:
          - Whether O(src) lies on the node. The node then converts it and needs cryptography 36 or newer.
        type: bool
        default: false
      friendly_name:
        description:
          - The friendly name (alias) of the pair of private key and certificate to place, if the archive holds several, as a browser's backup
            of all certificates or a Java keystore may. The name of the certificate counts, and that of the private key. Case counts.
          - Without it, or if several pairs have this name, the only pair that is not a CA's is placed. If there are more, the credential
            fails, and the message lists their friendly names, subjects and ends of validity.
          - If several certificates with the same subject belong to one private key, the newest of them is placed.
          - It is an error if no pair has this name. The option has no effect on PEM files.
        type: str
      passphrase:
        description:
          - The import passphrase, which protects the archive. Leave it out if there is none.
        type: str
      privatekey_passphrase:
        description:
          - The passphrase that the placed private key is encrypted with.
        type: str
      encrypt_privatekey:
        description:
          - Whether the placed private key is encrypted. O(privatekey_passphrase) is then required.
        type: bool
        default: true
      update_passphrase:
        description:
          - With V(always), the stored private key always has O(privatekey_passphrase). A user who changes the passphrase of the
            key file finds it reverted by the next run.
          - With V(on_create), an encrypted private key stays as it is as long as the certificate beside it stays the same and
            the file belongs to its owner. The mode is still corrected. A new certificate, a missing key, an unencrypted key,
            a damaged key and a symbolic link are replaced, with a key that has O(privatekey_passphrase).
          - Nobody can see without the passphrase whether an encrypted key belongs to the certificate. Users who put the key
            of another certificate there keep it, and have a credential that does not work.
          - It has no effect if O(encrypt_privatekey) is V(false).
        type: str
        choices: [always, on_create]
        default: always
      privatekey_format:
        description:
          - V(pkcs8) is read by all current grid clients. V(traditional) is for Java clients of the JGlobus era, and
            for unencrypted keys only.
          - If the certificate allows RSA-PSS signatures only, the key is stored as an RSA-PSS key with the same parameters, because TLS
            libraries refuse any other. Such a key has no traditional form.
        type: str
        choices: [pkcs8, traditional]
        default: pkcs8
      kdf_iterations:
        description:
          - Iterations of PBKDF2-HMAC-SHA256 for the encryption of the placed key. Each guess at its passphrase costs as many.
          - A number below 100000 gives a warning. A number below 1000 is refused.
          - A change rewrites the placed key.
        type: int
        default: 600000
      max_kdf_iterations:
        description:
          - An archive that asks for more iterations than this, all its parts together, is refused, because it would keep the machine
            busy. What it asks for in parts that are encrypted cannot be seen before they are opened; there, processor time is
            limited to 10 seconds and one more for each 100,000 iterations of this and O(kdf_iterations).
        type: int
        default: 10000000
      owner:
        description:
          - The account that the credential is for. Its rights are used to place it, except in an O(directory) that only root
            can change; there root places it and gives it to the account. Without it, the user the module runs as.
        type: str
      group:
        description:
          - The group of the files. The default is the owner's primary group.
        type: str
      directory:
        description:
          - Where the files go. The default is C(~owner/.globus), which is kept at mode O(directory_mode). Another directory
            is created with that mode if it is missing and otherwise left as it is.
        type: str
      directory_mode:
        description:
          - The mode of O(directory). The default is V(0700), or V(0755) where root creates it for another account.
        type: raw
      cert_path:
        description:
          - The certificate's path, relative to O(directory) or absolute.
        type: str
        default: usercert.pem
      privatekey_path:
        description:
          - The private key's path, relative to O(directory) or absolute.
        type: str
        default: userkey.pem
      other_certs_path:
        description:
          - If set, the path of a file for the other certificates of the archive.
        type: str
      include_chain:
        description:
          - Whether the certificate's file also gets the certificates of the archive that lead from it upwards, the
            user's first.
        type: bool
        default: false
      cert_mode:
        description:
          - The mode of the certificate's file.
        type: raw
        default: "0600"
      privatekey_mode:
        description:
          - The mode of the private key's file. Grid clients accept V(0400) and V(0600).
        type: raw
        default: "0600"
      backup:
        description:
          - Whether to keep replaced and removed files under names with the time in them.
        type: bool
        default: false
      state:
        description:
          - V(present) places the credential, V(absent) removes certificate and key (and O(other_certs_path) if
            given), and nothing else.
        type: str
        choices: [present, absent]
        default: present
      allow_expired:
        description:
          - Whether to place a certificate that has expired.
        type: bool
        default: false
      allow_not_yet_valid:
        description:
          - Whether to place a certificate that is not valid yet.
        type: bool
        default: false
      allow_older:
        description:
          - Whether to replace a certificate by one that was issued earlier.
        type: bool
        default: false
      allow_subject_change:
        description:
          - Whether to replace a certificate by one with another subject.
        type: bool
        default: false
      subject_dn:
        description:
          - The subject that the certificate must have, as an OpenSSL one-line DN such as C(/DC=org/DC=example/CN=Alice), or a list of
            such subjects, one of which it must have. Case, and the spellings of C(emailAddress), do not count.
            RFC 4514 and the other forms that C(openssl x509 -subject) prints are understood, too.
          - Without it, two owners whose certificates have the same subject in one run are refused, because one of the archives is
            probably saved under a wrong name.
        type: raw
      allow_shared_subject:
        description:
          - Whether other owners may have the same subject. Copies of a host's credential for services do.
        type: bool
        default: false
      create_account:
        description:
          - Whether to create the account O(owner) if the node does not have it, by M(ansible.builtin.user). Nothing is done, and no
            time is spent, if it has.
        type: bool
        default: false
      account_shell:
        description:
          - The login shell of an account that is created.
        type: str
      account_group:
        description:
          - The primary group of an account that is created. It must exist.
        type: str
      account_base_dir:
        description:
          - The directory that gets the home of an account that is created. The default is the system's.
        type: path
      dns_name:
        description:
          - If set, the host that the certificate has to be for, by its alternative names or, if there are none, by its common name.
        type: str
      check_privatekey:
        description:
          - Whether to open the encrypted key as it is placed once more, with O(privatekey_passphrase), and to compare it with the
            certificate. It costs as much time as the encryption did; the role's C(verify) sets it.
        type: bool
        default: false
      services:
        description:
          - Services that use the credential. An item is a name, or has C(name) and C(state) (V(restarted), which is the default, or
            V(reloaded)).
          - A service is restarted, or reloaded, if it started before one of the files of its credentials changed (ctime), or if it has
            failed. A service that is stopped stays stopped. Restarts are made at the end, also if a credential failed. The next run
            makes a restart that was not made, or that failed.
          - A service that systemd does not know is an error before the credential is changed.
          - On nodes without systemd, services are restarted if something changed in the same run.
        type: list
        elements: raw
        default: []
      trust_anchors:
        description:
          - The CAs that may have issued the certificate. The items are those of O(grid.security.trust_anchors#module:sources).
          - If the list is not empty, a credential is placed only if a chain leads from its certificate to one of these CAs. Intermediate
            CAs may come from the archive. The check covers the signatures, the validity of each CA, basicConstraints and keyUsage, the
            CA's signing policy, and its CRL if a source has one (C(HASH.r0) or C(ALIAS.crl) beside the CA, or a PEM block in the CA's file).
          - Otherwise the credential fails with the error code V(untrusted), and nothing is changed for it.
          - A CA without a signing policy may issue any subject. A certificate that is signed with MD5, a proxy certificate and a self-signed
            one are not trusted. SHA-1 is accepted, as in grid clients. If the CRL of a CA has expired, all certificates of that CA are
            refused, as in Globus.
          - With O(remote_src) the controller sends the CAs to the node, which checks the chain there.
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
          - Of O(trust_anchors), only these CAs, and their issuers, by alias or DN (shell patterns) or fingerprint.
        type: list
        elements: str
        default: []
      trust_anchors_exclude:
        description:
          - Of O(trust_anchors), not these CAs, by alias or DN (shell patterns) or fingerprint.
        type: list
        elements: str
        default: []
      trust_anchors_exclude_expired:
        description:
          - Whether to leave out CAs of O(trust_anchors) that have expired. Certificates of expired CAs are not placed in either case.
        type: bool
        default: false
      check_chain:
        description:
          - V(false) switches the check by O(trust_anchors) off, for all credentials or for one item.
        type: bool
        default: true
  trusted_cas:
    description:
      - The CAs for the check of archives that lie on the node. The controller's part of this module sets it; do not set it.
    type: dict
    default: {}
  <<: *options
  record:
    description:
      - The absolute path of a file on the node that records what was placed there - for each owner the paths, and the
        SHA-256 fingerprint of the certificate. The file belongs to root and has mode V(0600). A directory that does not exist
        is created with mode V(0700).
      - Only items with an O(owner) are recorded. An item that fails, and an owner who is no longer in the list, stay on record.
      - Each list of credentials that is placed on a node needs a record of its own.
      - Writing the record does not count as a change. Without root's rights on the node there is no record.
    type: str
    default: ""
  purge:
    description:
      - Whether to remove the credentials of owners who are on record and no longer in O(credentials). It needs O(record).
      - Key and certificate are removed only if the certificate in place is one that was placed. Otherwise they stay, with one
        warning, because the user placed another certificate. Backups stay, too.
      - An owner whose items fail is in the list. An owner whose account is gone is removed from the record.
      - Nothing is purged if an item has no O(owner).
    type: bool
    default: false
  allow_shrink:
    description:
      - Whether O(purge) may remove the credentials of more than half of the owners on record, for example with an empty list.
        Otherwise the purge is refused, because such a list is most often a mistake in an inventory.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Place one credential
  grid.security.pkcs12_pem:
    owner: alice
    src: alice.p12
    passphrase: "{{ vault_alice_import }}"
    privatekey_passphrase: "{{ vault_alice_pem }}"

- name: Place two, remove one
  grid.security.pkcs12_pem:
    backup: true
    credentials:
      - {owner: alice, src: alice.p12, passphrase: "{{ vault_alice_import }}", privatekey_passphrase: "{{ vault_alice_pem }}"}
      - {owner: bob, src: bob.p12, passphrase: "{{ vault_bob_import }}", privatekey_passphrase: "{{ vault_bob_pem }}"}
      - {owner: carol, state: absent}

- name: Place the credentials of a list from the inventory, in one task and without a loop
  grid.security.pkcs12_pem:
    credentials: "{{ site_users }}"

- name: Place one list for each group of nodes, where a loop cannot be avoided
  grid.security.pkcs12_pem:
    credentials: "{{ lookup('ansible.builtin.vars', item) }}"
  loop: "{{ lists_of_users }}" # names of variables: no passphrase is in an item

- name: Place users' credentials, remove those of users who left the list, and let users keep a passphrase of their own
  grid.security.pkcs12_pem:
    credentials: "{{ site_users }}"
    update_passphrase: on_create
    record: /var/lib/grid-security/site_users.json
    purge: true

- name: Place only certificates that a CA of IGTF issued, and one certificate of another CA
  grid.security.pkcs12_pem:
    trust_anchors: [igtf-preinstalled-bundle-classic-1.146.tar.gz]
    credentials:
      - {owner: alice, src: alice.p12, passphrase: "{{ vault_alice_import }}", privatekey_passphrase: "{{ vault_alice_pem }}"}
      - {owner: robot, src: robot.p12, encrypt_privatekey: false, trust_anchors: [our-ca.pem]}

- name: Place a host's credential from PEM, and a copy for a service that runs as another user
  grid.security.pkcs12_pem:
    src: "{{ inventory_hostname }}.crt"
    privatekey_src: "{{ inventory_hostname }}.key"
    dns_name: "{{ inventory_hostname }}"
    encrypt_privatekey: false
    cert_mode: "0644"
    privatekey_mode: "0400"
    directory_mode: "0755"
    services: [globus-gridftp-server]
    credentials:
      - {directory: /etc/grid-security, cert_path: hostcert.pem, privatekey_path: hostkey.pem}
      - {directory: /etc/grid-security/xrd, owner: xrootd, cert_path: xrdcert.pem, privatekey_path: xrdkey.pem, services: [xrootd@clustered]}
"""

RETURN = r"""
credentials:
  description:
    - A result for each credential. If some failed, only the results of those that failed. With a single credential, its fields also stand
      beside this list.
  returned: always
  type: list
  elements: dict
  contains:
    owner:
      description: The account.
      returned: always
      type: str
    cert_path:
      description: The certificate's path on the node.
      returned: always
      type: str
    privatekey_path:
      description: The private key's path on the node.
      returned: always
      type: str
    other_certs_path:
      description: The path of the other certificates.
      returned: when asked for
      type: str
    changed:
      description: Whether something was not as it should be.
      returned: always
      type: bool
    changes:
      description:
        - What changed, in words; in check mode, what differs, as in V(private key missing).
        - V(passphrase changed) - the stored key was the same, with another passphrase.
        - V(protection renewed) - the certificate is the same, but salt or iterations of the key file were not those of this version
          and O(kdf_iterations). Without its passphrase, nobody can see which key such a file holds.
        - V(private key replaced) - it belonged to another certificate.
      returned: success
      type: list
      elements: str
      sample: ["certificate renewed: 2027-01-02 → 2028-01-02", "private key replaced"]
    differences:
      description: The same changes, each with the owner and the path.
      returned: success
      type: list
      elements: str
      sample: ["alice: /home/alice/.globus/userkey.pem: private key replaced"]
    subject:
      description: The subject, as of RFC 4514.
      returned: present
      type: str
      sample: CN=Alice,DC=example,DC=org
    subject_dn:
      description: The subject as an OpenSSL one-line DN, as grid-mapfiles want it.
      returned: present
      type: str
      sample: /DC=org/DC=example/CN=Alice
    issuer:
      description: The issuer, as of RFC 4514.
      returned: present
      type: str
    issuer_dn:
      description: The issuer as an OpenSSL one-line DN.
      returned: present
      type: str
    serial_number:
      description: The serial number, hexadecimal.
      returned: present
      type: str
    not_before:
      description: Start of validity, UTC.
      returned: present
      type: str
    not_after:
      description: End of validity, UTC.
      returned: present
      type: str
      sample: "2028-01-02T03:04:05Z"
    days_left:
      description: Whole days until the certificate expires.
      returned: present
      type: int
    sha256_fingerprint:
      description: The certificate's SHA-256 fingerprint.
      returned: present
      type: str
    friendly_name:
      description: The friendly name of the pair in the archive, on one line and shortened to 64 characters.
      returned: present, if the archive has one
      type: str
      sample: alice
    backup_files:
      description: The backups' paths.
      returned: when O(backup) is set and something was replaced or removed
      type: list
      elements: str
    error_code:
      description: A short stable identifier of the failure.
      returned: failure
      type: str
    msg:
      description: What went wrong and what to do.
      returned: failure
      type: str
summary:
  description: One line about all credentials.
  returned: with O(credentials)
  type: list
  elements: str
  sample: ["200 credentials, 1 changed: alice: certificate renewed: 2027-01-02 → 2028-01-02; private key replaced"]
differences:
  description: A line for each change of any credential, with the owner and the path.
  returned: success
  type: list
  elements: str
purged:
  description: The credentials that were removed because their owner is no longer in the list.
  returned: when O(record) is set
  type: list
  elements: dict
  contains:
    owner:
      description: The account.
      returned: always
      type: str
    paths:
      description: The files that were removed.
      returned: always
      type: list
      elements: str
services:
  description: A result for each service.
  returned: when O(services) is set
  type: list
  elements: dict
  contains:
    name:
      description: The name of the service.
      returned: always
      type: str
    state:
      description: V(restarted) or V(reloaded).
      returned: always
      type: str
    owed:
      description: Whether the service owed a restart or a reload.
      returned: always
      type: bool
    reason:
      description: Why the service owed a restart or a reload.
      returned: when the service owed a restart or a reload
      type: str
      sample: "restart of xrootd owed: it started at 2027-01-02T03:04:05Z, before /etc/grid-security/hostcert.pem changed at 2027-02-03T04:05:06Z"
    changed:
      description: Whether it was restarted or reloaded, or would be in check mode.
      returned: always
      type: bool
    failed:
      description: Whether that failed.
      returned: failure
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
"""

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._common.quiet_module import QuietModule
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Converter, Source
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange
from ansible_collections.grid.security.plugins.module_utils._credential.issuers import SentCas
from ansible_collections.grid.security.plugins.module_utils._credential.options import (
    LIST_OPTIONS,
    OPTIONS,
    CredentialOptions,
)
from ansible_collections.grid.security.plugins.module_utils._files import engine, exchange, node_files


def main() -> None:
    """Convert archives that are on the node. The action plugin gives a complete list of credentials."""
    process.hide_memory()
    items = {"type": "list", "elements": "dict", "options": OPTIONS}
    of_list = {**LIST_OPTIONS, "credentials": items}  # the action plugin handles LIST_OPTIONS
    specification = {**OPTIONS, **of_list, "trusted_cas": {"type": "dict", "default": {}}}
    module = QuietModule(argument_spec=specification, supports_check_mode=True)
    given = [module.params] if module.params["credentials"] is None else module.params["credentials"]
    options = list(map(CredentialOptions.of, given))
    cas = SentCas(module.params["trusted_cas"])

    def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        return engine.converge(sets, contents, module.check_mode, False, secret=True)

    placing = CredentialExchange(options, _read, Converter(), module.check_mode, judge=cas.judge)
    found = exchange.run(placing, send)
    results = [found[credential] for credential in options]
    module.exit_json(changed=any(result["changed"] for result in results), credentials=results)


def _read(options: CredentialOptions) -> Source:
    files = (options.src, options.privatekey_src)
    data, key = (node_files.read(path, options.owner) if path else None for path in files)
    return Source(options, data or b"", key)


if __name__ == "__main__":
    main()
