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
  - Converts a PKCS#12 archive, as a CA hands it out, to C(usercert.pem) and C(userkey.pem) below C(~/.globus). One task handles one account
    or many.
  - The archive is converted on the controller. The node gets only the certificate and the private key, and never the archive or a passphrase.
    With O(remote_src), the archive lies on the node and is converted there.
  - The same archive, passphrases and options always give the same bytes, so a second run changes nothing.
  - A credential in place is replaced only by a credential with the same subject that is valid now and not older.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
  - grid.security.cas.issuers
requirements:
  - cryptography 36 or newer on the node, with O(remote_src) only
notes:
  - With O(credentials), a failure shows no passphrase, also with C(-vvv), and no C(no_log) is needed. This does not hold for a C(loop) over
    this module. Ansible prints each item with its passphrases. With C(loop_control.label) it still does so with C(-v), and for an item that fails.
    Registered results hold the items, too.
  - If you must loop, set C(no_log=true). It hides the items and the result. With ansible-core 2.16 it also hides the cause of a failure.
seealso:
  - module: grid.security.node
    description: Places credentials and all other parts of a node in one call.
  - module: grid.security.grid_mapfile
    description: Maps the subjects of the same credentials to accounts.
  - module: grid.security.trust_anchors
    description: Places the CAs that O(trust_anchors) names.
options:
  credentials:
    description:
      - A list of credentials. Each item is a dictionary with the options of this module, except O(credentials), O(record), O(purge) and
        O(allow_shrink). Options beside O(credentials) are defaults for all items.
      - Use this list and not a C(loop). In a loop, Ansible prints the items with their passphrases.
      - All items are processed. Failures are reported together at the end, also those of an item with an unknown option.
    type: list
    elements: dict
  src:
    description:
      - The path of the PKCS#12 archive on the controller. It is found as M(ansible.builtin.copy) finds its files, or else in C(files/) in or
        beside the directory of the inventory. It may be encrypted with Ansible Vault.
      - With O(remote_src), the path of the archive on the node.
    type: path
  content:
    description:
      - The archive itself in Base64, or the certificate in PEM if there is a private key in PEM. Exclusive with O(src).
    type: str
  privatekey_src:
    description:
      - The path of a private key in PEM, in the same place as O(src). O(src) or O(content) is then the certificate in PEM. The certificates
        of its issuers may follow it. O(passphrase) decrypts an encrypted key.
    type: path
  privatekey_content:
    description:
      - The private key itself, in PEM. Exclusive with O(privatekey_src).
    type: str
  remote_src:
    description:
      - Whether O(src) lies on the node. The node then converts it and needs cryptography 36 or newer. The controller sends the CAs of
        O(trust_anchors) to the node, which checks the chain there.
    type: bool
    default: false
  friendly_name:
    description:
      - The friendly name (alias) of the pair of private key and certificate to place, if the archive holds several pairs, as a browser's
        backup or a Java keystore may. The names of the certificate and of the private key both count. The name is case-sensitive.
      - Without it, or if several pairs have this name, the only pair that does not belong to a CA is placed. If there are several such pairs,
        the credential fails, and the message lists their friendly names, subjects and ends of validity.
      - If several certificates with the same subject belong to one private key, the newest certificate is placed.
      - It is an error if no pair has this name. The option has no effect on PEM files.
    type: str
  passphrase:
    description:
      - The import passphrase, which protects the archive. Leave it out if the archive has none.
    type: str
  privatekey_passphrase:
    description:
      - The passphrase that encrypts the placed private key.
    type: str
  encrypt_privatekey:
    description:
      - Whether the placed private key is encrypted. O(privatekey_passphrase) is then required.
    type: bool
    default: true
  update_passphrase:
    description:
      - With V(always), the placed private key always has O(privatekey_passphrase). If a user changes the passphrase of the key file, the
        next run reverts it.
      - With V(on_create), an encrypted private key stays as it is as long as the certificate beside it stays the same and
        the file belongs to its owner. The mode is still corrected. A missing key, an unencrypted key, a damaged key, a symbolic link, and
        the key of an older certificate are replaced with a key that has O(privatekey_passphrase).
      - Without the passphrase, nobody can see whether an encrypted key belongs to the certificate. If users put the key of another
        certificate there, it stays, and their credential does not work.
      - It has no effect if O(encrypt_privatekey) is V(false).
    type: str
    choices: [always, on_create]
    default: always
  privatekey_format:
    description:
      - V(pkcs8) works with all current grid clients. V(traditional) is for Java clients of the JGlobus era, and for unencrypted keys only.
      - If the certificate allows RSA-PSS signatures only, the key is stored as an RSA-PSS key with the same parameters, because TLS
        libraries refuse any other key. Such a key has no traditional form.
    type: str
    choices: [pkcs8, traditional]
    default: pkcs8
  kdf_iterations:
    description:
      - The iterations of PBKDF2-HMAC-SHA256 that encrypt the placed key. An attacker needs as many iterations for each guess at the passphrase.
      - A number below 100000 gives a warning. A number below 1000 is refused.
      - If the number changes, the placed key is written again.
    type: int
    default: 600000
  max_kdf_iterations:
    description:
      - The most iterations that all parts of an archive may need together. An archive that needs more is refused, because it would keep the
        machine busy.
      - The iterations of encrypted parts are unknown until these parts are open. For these parts, processor time is limited to 10 seconds, and
        one second more for each 100,000 iterations of this option and O(kdf_iterations).
    type: int
    default: 10000000
  owner:
    description:
      - The account that the credential is for. The files are placed with the rights of this account. If only root can change O(directory),
        root places them and gives them to the account.
      - The default is the user that runs the module.
    type: str
  group:
    description:
      - The group of the files. The default is the owner's primary group.
    type: str
  directory:
    description:
      - The directory of the files. The default is C(~owner/.globus), which always gets the mode O(directory_mode). Another directory is created
        with this mode if it is missing. If it exists, its mode stays.
    type: str
  directory_mode:
    description:
      - The mode of O(directory). The default is V(0700), or V(0755) if root creates the directory for another account.
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
      - The path of a file for the other certificates of the archive. Without it, they are not placed.
    type: str
  include_chain:
    description:
      - Whether the certificate's file also gets its issuers' certificates from the archive, after the certificate itself.
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
      - Whether to keep replaced and removed files under names that contain the time.
    type: bool
    default: false
  state:
    description:
      - V(present) places the credential. V(absent) removes the certificate and the private key, and the file of O(other_certs_path) if it is
        set, and nothing else.
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
      - Whether to replace a certificate by a certificate that was issued earlier.
    type: bool
    default: false
  allow_subject_change:
    description:
      - Whether to replace a certificate by a certificate with another subject.
    type: bool
    default: false
  subject_dn:
    description:
      - The subject that the certificate must have, as an OpenSSL one-line DN such as C(/DC=org/DC=example/CN=Alice), or a list of
        subjects that it may have. Case, and the spelling of C(emailAddress), do not count.
        RFC 4514 and the other forms that C(openssl x509 -subject) prints are understood, too.
      - Without it, two owners whose certificates have the same subject in one run are refused, because one of the archives
        probably has a wrong name.
    type: raw
  allow_shared_subject:
    description:
      - Whether other owners may have the same subject, as with copies of a host's credential for services.
    type: bool
    default: false
  create_account:
    description:
      - Whether to create the account O(owner) with M(ansible.builtin.user) if the node does not have it. If the node has it, this option takes
        no time.
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
      - The directory for the home of an account that is created. The system has a default.
    type: path
  dns_name:
    description:
      - The name of the host that the certificate must be for. It must be one of the alternative names of the certificate. If the certificate
        has none, it must be the common name. Without this option, the name is not checked.
    type: str
  check_privatekey:
    description:
      - Whether to decrypt the encrypted key in place with O(privatekey_passphrase), and to compare it with the certificate. It takes
        as long as the encryption. The entry point C(verify) of the role C(user_credentials) sets it.
    type: bool
    default: false
  services:
    description:
      - Services that use the credential. An item is a name, or a dictionary with C(name) and C(state). C(state) is V(restarted), which is the
        default, or V(reloaded).
      - A service is restarted, or reloaded, if it started before one of the files of its credentials changed (ctime), or if it has
        failed. A service that is stopped stays stopped. Restarts are made at the end, also if a credential failed. If a restart is not made,
        or fails, the next run makes it.
      - A service that systemd does not know is an error before the credential is changed.
      - On nodes without systemd, services are restarted if something changed in the same run.
    type: list
    elements: raw
    default: []
  trusted_cas:
    description:
      - The CAs for the check of archives that lie on the node. The action plugin of this module sets it. Do not set it.
    type: dict
    default: {}
  record:
    description:
      - The absolute path of a file on the node that records what was placed there. For each owner, it has the paths, and the
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
      - Key and certificate are removed only if this module placed the certificate that is in place. Otherwise they stay, with one
        warning, because the user placed another certificate. Backups stay, too.
      - An owner whose items fail is in the list. An owner whose account does not exist any more is removed from the record.
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

- name: Place two credentials and remove a third
  grid.security.pkcs12_pem:
    backup: true
    credentials:
      - {owner: alice, src: alice.p12, passphrase: "{{ vault_alice_import }}", privatekey_passphrase: "{{ vault_alice_pem }}"}
      - {owner: bob, src: bob.p12, passphrase: "{{ vault_bob_import }}", privatekey_passphrase: "{{ vault_bob_pem }}"}
      - {owner: carol, state: absent}

- name: Place the credentials of a list from the inventory, in one task and without a loop
  grid.security.pkcs12_pem:
    credentials: "{{ site_users }}"

- name: Place a list for each group of nodes, where a loop cannot be avoided
  grid.security.pkcs12_pem:
    credentials: "{{ lookup('ansible.builtin.vars', item) }}"
  loop: "{{ lists_of_users }}" # the items are names of variables, without passphrases

- name: Place users' credentials, remove the credentials of users who left the list, and let users keep their own passphrases
  grid.security.pkcs12_pem:
    credentials: "{{ site_users }}"
    update_passphrase: on_create
    record: /var/lib/grid-security/site_users.json
    purge: true

- name: Place certificates that a CA of IGTF issued, and a certificate of another CA
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
    - A result for each credential. If some credentials failed, only the results of the failed credentials.
    - Without O(credentials), the fields of the only result are also at the top level of the result.
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
      returned: when O(other_certs_path) is set
      type: str
    changed:
      description: Whether something changed, or would change in check mode.
      returned: always
      type: bool
    changes:
      description:
        - What changed, in words. In check mode, what would change.
        - V(passphrase changed) - the key in place was the same key with another passphrase.
        - V(protection renewed) - the certificate is the same, but the key file had another salt or other iterations than this version and
          O(kdf_iterations) give. Without its passphrase, nobody can see which key such a file holds.
        - V(private key replaced) - the key in place belonged to another certificate.
      returned: success
      type: list
      elements: str
      sample: ["certificate renewed: 2027-01-02 → 2028-01-02", "private key replaced"]
    differences:
      description: The same changes, each with its owner and path.
      returned: success
      type: list
      elements: str
      sample: ["alice: /home/alice/.globus/userkey.pem: private key replaced"]
    subject:
      description: The subject in the form of RFC 4514.
      returned: present
      type: str
      sample: CN=Alice,DC=example,DC=org
    subject_dn:
      description: The subject as an OpenSSL one-line DN, as in grid-mapfiles.
      returned: present
      type: str
      sample: /DC=org/DC=example/CN=Alice
    issuer:
      description: The issuer in the form of RFC 4514.
      returned: present
      type: str
    issuer_dn:
      description: The issuer as an OpenSSL one-line DN.
      returned: present
      type: str
    serial_number:
      description: The serial number as a hexadecimal number.
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
      description: The friendly name of the pair in the archive, on one line and cut to 64 characters.
      returned: present, if the archive has one
      type: str
      sample: alice
    backup_files:
      description: The paths of the backups.
      returned: when O(backup) is set and something was replaced or removed
      type: list
      elements: str
    error_code:
      description: A short stable identifier of the failure.
      returned: failure
      type: str
    msg:
      description: The cause of the failure and its remedy.
      returned: failure
      type: str
summary:
  description: A line about all credentials.
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
  description: The credentials that were removed because their owners are no longer in the list.
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
      description: Whether a restart or a reload of the service was due.
      returned: always
      type: bool
    reason:
      description: Why a restart or a reload of the service was due.
      returned: when RV(services[].owed) is V(true)
      type: str
      sample: "restart of xrootd owed: it started at 2027-01-02T03:04:05Z, before /etc/grid-security/hostcert.pem changed at 2027-02-03T04:05:06Z"
    changed:
      description: Whether the service was restarted or reloaded, or would be in check mode.
      returned: always
      type: bool
    failed:
      description: Whether the restart or reload failed.
      returned: failure
      type: bool
    msg:
      description: The cause of the failure.
      returned: failure
      type: str
"""

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._common.quiet_module import QuietModule
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Converter, Source
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange
from ansible_collections.grid.security.plugins.module_utils._credential.issuers import SentCas
from ansible_collections.grid.security.plugins.module_utils._credential.options import (
    LIST_OPTIONS,
    OPTIONS,
    CredentialOptions,
)
from ansible_collections.grid.security.plugins.module_utils._files import exchange, node_files


def main() -> None:
    """Convert archives that are on the node. The action plugin gives a complete list of credentials."""
    process.hide_memory()
    # The options of the items are those of the module, so they are documented once. _items checks them.
    items = {"type": "list", "elements": "dict"}
    of_list = {**LIST_OPTIONS, "credentials": items}  # the action plugin handles LIST_OPTIONS
    specification = {**OPTIONS, **of_list, "trusted_cas": {"type": "dict", "default": {}}}
    module = QuietModule(argument_spec=specification, supports_check_mode=True)
    given = [module.params] if module.params["credentials"] is None else _items(module)
    options = list(map(CredentialOptions.of, given))
    cas = SentCas(module.params["trusted_cas"])

    def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        return inspectors.converge(sets, contents, module.check_mode, False, secret=True)

    placing = CredentialExchange(options, _read, Converter(), module.check_mode, judge=cas.judge)
    found = exchange.run(placing, send)
    results = [found[credential] for credential in options]
    module.exit_json(changed=any(result["changed"] for result in results), credentials=results)


def _read(options: CredentialOptions) -> Source:
    files = (options.src, options.privatekey_src)
    data, key = (node_files.read(path, options.owner) if path else None for path in files)
    return Source(options, data or b"", key)


def _items(module: QuietModule) -> list[dict[str, Any]]:
    """Return the complete options of each item, and hide their secrets in the results of the module."""
    items: list[dict[str, Any]] = module.params["credentials"]
    secret = [name for name, rule in OPTIONS.items() if rule.get("no_log")]
    module.no_log_values.update(str(item[name]) for item in items for name in secret if item.get(name))
    results = list(map(ArgumentSpecValidator(OPTIONS).validate, items))
    messages = [message for result in results for message in result.error_messages]
    if messages:
        module.fail_json(msg="; ".join(messages))
    return [result.validated_parameters for result in results]


if __name__ == "__main__":
    main()
