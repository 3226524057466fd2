# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare with Globus: its library reads the signing policies of this collection and returns what a CA may sign."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn, signing_policy

_ANSWERS = {0: "yes", 1: "no", -1: "no"}


class Globus:
    """Load Debian's libglobus_oldgaa, which GridFTP uses, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._library = ctypes.CDLL("libglobus_oldgaa.so.0")

    def answer(self, text: str, ca: str, subject: str) -> str:
        """Ask whether a policy allows a CA to sign a subject. :return: yes, no, other CA, or unreadable."""
        self._path.write_text(text, newline="")
        context, rights, options, database, policy, details = (ctypes.c_void_p() for _number in range(6))
        status = ctypes.c_uint32()
        texts = [ctypes.c_char_p(one.encode()) for one in (ca, subject, str(self._path))]
        self._library.oldgaa_globus_initialize(*map(ctypes.byref, (context, rights, options, database)), *texts)
        retrieve = self._library.oldgaa_globus_policy_retrieve
        if self._library.oldgaa_get_object_policy_info(
            ctypes.byref(status), None, database, retrieve, ctypes.byref(policy)
        ):
            return "unreadable"
        found = self._library.oldgaa_check_authorization(
            ctypes.byref(status), context, policy, rights, options, ctypes.byref(details)
        )
        return _ANSWERS[found] if details.value else "other CA"


@pytest.fixture(name="globus")
def _globus(tmp_path: Path) -> Globus:
    return Globus(tmp_path / "ca.signing_policy")


def ours(text: str, ca: str, subject: str) -> str:
    """Return the answer of this collection."""
    try:
        patterns = signing_policy.patterns_of(signing_policy.parse(text), ca)
    except signing_policy.PolicyError:
        return "unreadable"
    if patterns is None:
        return "other CA"
    return "yes" if signing_policy.allows(patterns, subject) else "no"


NAMES = [
    "/O=Let's Encrypt",
    '/O="quoted"',
    "/O='\"",
    r"/O=Jos\xC3\xA9",
    r"/O=a\b",
    r"/O=a\\b",
    "/O=ends with \\",
    r"/O=\x",
    r"/O=\x4",
    "/O=# no comment",
    "/O=CH/CERN",
    "/O=a+b",
    "/O=tab",
]


@pytest.mark.parametrize("name", NAMES)
def test_globus_reads_what_was_composed(globus: Globus, name: str) -> None:
    text = signing_policy.compose(f"{name}/CN=CA", [f"{name}/OU=*", "/O=other/*"])
    for spelled in one_line_dn.spellings(name):  # of OpenSSL 1.1 and 3
        assert globus.answer(text, f"{spelled}/CN=CA", f"{spelled}/OU=a") == "yes"
        assert globus.answer(text, f"{spelled}/CN=CA", f"{spelled}/CN=a") == "no"
        assert globus.answer(text, f"{spelled}/CN=Other", f"{spelled}/OU=a") == "other CA"


RIGHTS = "pos_rights globus CA:sign\ncond_subjects globus"
POLICIES = [
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\r\n{RIGHTS} '\"/O=A/*\" \"/O=B/*\"'\r\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'",
    f"access_id_CA X509 /O=A {RIGHTS} /O=A/* # comment",
    f"access_id_CA X509 '\"/O=A\"'\n{RIGHTS} '\"/O=A/*\"'\n",
    f'access_id_CA X509 "/O=A"\n{RIGHTS} "/O=A/*"\n',
    f"access_id_CA x509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\ncond_subjects globus '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\n{RIGHTS} '\"/O=B/*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\naccess_id_CA X509 '/o=a'\n{RIGHTS} '\"/O=B/*\"'\n",
    f"access_id_CA X509 '/O=Z'\naccess_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_ANYBODY {RIGHTS} '\"/O=A/*\"'\n",
    "access_id_CA X509 '/O=A'\npos_rights globus CA:sign\n",
    f"access_id_CA X509 '/O=A'\nneg_rights globus CA:sign\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\npos_rights globus CA:sign\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\nrubbish\n",
    f"rubbish\naccess_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/*\"\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '/O=A/*'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '/O=A/* /O=B/*'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=*/CN=*\"'\n",
    f"access_id_CA X509 '/O=A'\n{RIGHTS} '\"/O=A/CN=?\"'\n",
    f"# comment\n\n access_id_CA X509 '/O=A'#b\n{RIGHTS} '\"/O=A/*\"' # comment\n# comment",
    "",
    "# comment\n",
]


@pytest.mark.parametrize("text", POLICIES)
@pytest.mark.parametrize("subject", ["/O=A/CN=b", "/O=B/CN=b", "/O=A/CN=*", "/o=a/cn=B"])
def test_a_policy_is_read_as_globus_reads_it(globus: Globus, text: str, subject: str) -> None:
    for ca in ("/O=A", '"/O=A"', "/O=Z"):
        expected = globus.answer(text, ca, subject)
        assert ours(text, ca, subject) == expected


@pytest.mark.parametrize("patterns", ['"/O=A/*"\n"/O=B/*"', r'"/O=A/\\xZZ*"'])
def test_policies_that_restrict_nothing_are_refused(globus: Globus, patterns: str) -> None:
    text = f"access_id_CA X509 '/O=A'\n{RIGHTS} '{patterns}'\n"
    assert globus.answer(text, "/O=A", "/O=Anybody") == "yes"
    with pytest.raises(signing_policy.PolicyError, match="takes any subject"):
        signing_policy.parse(text)
