# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the names of options in messages."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._action import action_base, option_names, role_options
from ansible_collections.grid.security.plugins.plugin_utils._node import node

ROLES = ["crl_updates", *(part.role for part in node.PARTS)]


# Beginnings or ends of messages of this collection; NAME stands for the variable's prefix.
SAID = [
    ("trust_anchors", "If that is intended, say <allow_shrink>: true; if not, check sources and filters."),
    ("trust_anchors", "<path>: certificates must be an absolute path of the node."),
    ("trust_anchors", "<sources>[2]: give one of src, content and url."),
    ("trust_anchors", "<include>: no source has /CN=x. Give an alias, a DN or a fingerprint."),
    ("trust_anchors", "Known are those of Debian. Leave <system_store> out, and use <bundle_path>."),
    ("trust_anchors", "value of <purge> must be one of: a, got: b"),
    ("trust_anchors", "argument '<accounts>' is of type <class 'int'>"),
    ("trust_anchors", "missing required arguments: <sources>"),
    (
        "crl_updates",
        "publishes CRLs. Set <remove_expired>: true to remove the CRL; then clients accept revoked certificates, too.",
    ),
    ("crl_updates", "<sources> is empty. Name the sources of the trust anchors, as for trust_anchors."),
    ("crl_updates", "<timeout>: 0.0 must be greater than 0."),
    ("crl_updates", "<exclude>[1]: 7 does not name a CA."),
    ("voms_client", "no VO is named. Give <vos>, or <import_vomses> and <import_vomsdir>."),
    ("voms_client", "<vomses_path> /a and <vomsdir_path> /a/b must not lie in each other."),
    ("voms_client", "Correct it, or define atlas in <vos>."),
    ("voms_client", "<vos>[1] (lhcb): a template in it cannot be filled"),
    ("voms_client", "<vos>[1]: 'atls' is none of the VOs that this collection knows."),
    ("voms_client", "more than half of the 4 VOs in place. If it is intended, set <allow_shrink>: true."),
    ("voms_client", "or write {name: VO, state: absent} in <vos>."),
    ("voms_client", "but an item of <vos> has no name that could be read, and it may be one of them."),
    ("voms_client", "it has no entry of atlas. Correct <import_vos>, or add the entry."),
    ("voms_client", "parameters are required together: <import_vomses>, <import_vomsdir>"),
    ("voms_client", "missing parameter(s) required by '<import_vos>': <import_vomses>, <import_vomsdir>"),
    ("host_credential", "host.p12: it is older. To place it anyway, say <allow_older>: true."),
    ("host_credential", "Ask the CA for a new one, or set <allow_expired>: true."),
    ("host_credential", "host.p12: the import passphrase is wrong. Set <passphrase> to the one of its export."),
    ("host_credential", "for a PKCS#12 archive leave <privatekey_src> out. Check <src>."),
    ("host_credential", "one of <src> and content is required for state: present."),
    ("host_credential", "Name the credential of this host, or correct <dns_name>."),
    (
        "grid_mapfile",
        "/etc/x would map nobody. Give <credentials> or <entries>; if that is intended, say <allow_empty>: true.",
    ),
    ("grid_mapfile", "<entries>: an item is a line of a grid-mapfile, or has dn and account."),
    # Items of a list carry the options of the module.
    ("user_credentials", "alice.p12 for alice: it is older. To place it anyway, set allow_older: true."),
    (
        "user_credentials",
        "alice.p12: privatekey_passphrase is missing or empty. Set it, or set encrypt_privatekey: false.",
    ),
]


@pytest.mark.parametrize(("role", "message"), SAID)
def test_options_of_messages_are_translated(role: str, message: str) -> None:
    plain = re.sub(r"<(\w+)>", r"\1", message)
    expected = re.sub(r"<(\w+)>", rf"{role}_\1", message)
    assert option_names.translated(role, {"msg": plain})["msg"] == expected
    assert option_names.translated(None, {"msg": plain})["msg"] == plain


@pytest.mark.parametrize("role", ["user_credentials", "host_credential", "grid_mapfile"])
@pytest.mark.parametrize(
    "message",
    [
        "its issuer /CN=x is not among the CAs of <>. Ask for another, or add the issuer to <> if it is to be trusted.",
        "x.p12 for x: its issuer /CN=x is among the CAs of <>, but cannot be used: it is damaged. Correct that source.",
        "x.p12: the policy does not let it. Correct the policy in <>.",
        "x.p12: the CRL expired. Put the CA's present CRL into <>, or remove the expired one.",
        "ask the CA, and add its other certificate to <> only if the CA confirms the fingerprint.",
        "x.p12: <>: could not find /nonexistent/ca.pem",
        "<>[0]: give one of src, content and url.",
        "argument '<>' is of type <class 'int'>",
    ],
)
def test_trust_anchors_are_a_variable_of_another_role(role: str, message: str) -> None:
    given, expected = (message.replace("<>", name) for name in ("trust_anchors", "trust_anchors_sources"))
    told = option_names.translated(role, {"msg": given})["msg"]
    assert re.sub(r"host_credential_(?=src)", "", told) == expected


@pytest.mark.parametrize(
    ("role", "message", "expected"),
    [
        (
            "user_credentials",
            "credentials[3] for bob: argument 'trust_anchors' is of type",
            "user_credentials[3] for bob: argument 'trust_anchors' is of type",
        ),
        (
            "user_credentials",
            "credentials[3]: trust_anchors[0]: give one",
            "user_credentials[3]: trust_anchors[0]: give one",
        ),
        (
            "host_credential",
            "credentials[2] for ftp: argument 'check_chain'",
            "host_credential_copies[1] for ftp: argument 'check_chain'",
        ),
        ("host_credential", "credentials[0]: argument 'src' is", "argument 'host_credential_src' is"),
        ("user_credentials", "credentials[3]: value of state", "user_credentials[3]: value of state"),
        (
            "user_credentials",
            "an earlier item of credentials has the same",
            "an earlier item of user_credentials has the same",
        ),
        ("host_credential", "credentials[0]: one of src and content", "one of host_credential_src and content"),
        (
            "host_credential",
            "credentials[2]: value of backup must be",
            "host_credential_copies[1]: value of backup must be",
        ),
        (
            "grid_mapfile",
            "credentials[2]: value of backup must be",
            "grid_mapfile_credentials[2]: value of backup must be",
        ),
    ],
)
def test_items_are_counted_as_the_user_does(role: str, message: str, expected: str) -> None:
    assert option_names.translated(role, {"msg": message})["msg"] == expected


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "quoted",
    [
        "/srv/{0}/ca.pem cannot be read",
        "CRL of {0}x: /DC=org/CN={0}: the one",
        "'{0}: true' is no checksum",
        "it is for /O=Grid/CN={0} true, not for x",
        "trust anchors, expired: a-{0}, {0}.pem",
        "https://example.org/{0}: true cannot be fetched",
    ],
)
def test_quoted_text_stays(role: str, quoted: str) -> None:
    for option in role_options.variables(role):
        message = quoted.format(option)
        assert option_names.translated(role, {"msg": message})["msg"] == message


def test_all_messages_of_a_result() -> None:
    text = "one of two.\nSay nothing, or set allow_older: true."
    result = {
        "msg": text,
        "warnings": [text],
        "credentials": [{"msg": text, "changes": [text]}, {}],
        "crls": [{"msg": None}],
    }
    told = option_names.translated("host_credential", result)
    expected = text.replace("allow", "host_credential_allow")
    assert told["msg"] == told["warnings"][0] == told["credentials"][0]["msg"] == expected
    assert told["credentials"][0]["changes"] == [text]


def role(name: str) -> Any:
    return SimpleNamespace(_role=SimpleNamespace(get_name=lambda: name))


def test_role_of_a_task() -> None:
    assert option_names.role_of(role("grid.security.trust_anchors")) == "trust_anchors"
    assert option_names.role_of(role("somebody.else.trust_anchors")) is None
    assert option_names.role_of(SimpleNamespace(_role=None)) is None
    result = {"msg": "set allow_shrink: true"}
    assert option_names.translated(option_names.role_of(role("grid.security.node")), result) == {**result}
    assert option_names.translated("nosuch", result) == result


class Action(action_base.GridAction):
    def __init__(self, task: Any, end: Any) -> None:
        self._task, self._end = task, end
        self._task.async_val, self._task.check_mode = 0, False
        self._supports_async = self._supports_check_mode = True
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))

    def perform(self) -> dict[str, Any]:
        return _end(self._end)


def _end(end: Any) -> dict[str, Any]:
    if isinstance(end, Exception):
        raise end
    return dict(end)


SAY = "of nothing. If that is intended, set allow_shrink: true."
ENDS = [GridSecurityError("shrink", SAY), AnsibleActionFail(SAY), {"changed": False, "msg": SAY}]


@pytest.mark.parametrize("end", ENDS, ids=["ours", "ansible's", "result"])
def test_actions_translate(end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_base.process, "hide_memory", lambda: None)
    for name, said in (("grid.security.trust_anchors", "set trust_anchors_allow"), ("site.local.x", "set allow")):
        result = Action(role(name), {**end} if isinstance(end, dict) else end).run(None, {})
        assert said in result["msg"]


@pytest.mark.parametrize("end", ENDS[:2], ids=["ours", "ansible's"])
def test_errors_of_a_part_name_its_own_variables(end: Exception) -> None:
    match = "trust_anchors_allow_shrink"
    with pytest.raises(type(end), match=match), option_names.translated_errors("trust_anchors"):
        raise end
