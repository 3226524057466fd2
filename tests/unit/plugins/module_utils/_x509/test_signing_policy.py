# SPDX-License-Identifier: GPL-3.0-or-later
"""Test signing policies in the forms of IGTF's files."""

from __future__ import annotations

import time

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import signing_policy

DN = "/DC=org/DC=example/CN=Example CA"


def test_what_is_composed_is_parsed() -> None:
    patterns = ["/DC=org/DC=example/*", "/O=Example/*"]
    assert signing_policy.parse(signing_policy.compose(DN, patterns)) == {DN: patterns}


def test_comments_tabs_and_several_authorities() -> None:
    text = (
        "# of two\n access_id_CA\tX509   '/CN=A'\n\tpos_rights\tglobus CA:sign\n cond_subjects globus  '\"/O=A/*\"'\n\n"
        "access_id_CA X509 '/CN=B'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=B/*\" \"/O=C/*\"'\n"
    )
    assert signing_policy.parse(text) == {"/CN=A": ["/O=A/*"], "/CN=B": ["/O=B/*", "/O=C/*"]}


LETS_ENCRYPT = r"""
access_id_CA   X509    '/C=US/O=Let\'s Encrypt/CN=Let\'s Encrypt Authority X3'
pos_rights     globus  CA:sign
cond_subjects  globus  '"/C=US/O=Let\'s Encrypt/*" "/CN=\\x22a\\x22"'
"""
RIGHTS = "pos_rights globus CA:sign\ncond_subjects globus "


def test_quotation_marks_have_a_backslash() -> None:
    dn = "/C=US/O=Let's Encrypt/CN=Let's Encrypt Authority X3"
    assert signing_policy.parse(LETS_ENCRYPT) == {dn: ["/C=US/O=Let's Encrypt/*", '/CN="a"']}


@pytest.mark.parametrize(
    "pattern", ["/O=Let's Encrypt/*", '/O="quoted"/*', '/O=it\'s "both"', r"/CN=Jos\xC3\xA9 \x", "/CN=ends with \\"]
)
def test_marks_are_composed_as_globus_reads_them(pattern: str) -> None:
    dn = pattern.replace("/*", "")
    assert signing_policy.parse(signing_policy.compose(dn, [pattern])) == {dn: [pattern]}


def test_both_spellings_of_a_dn_are_composed() -> None:
    text = signing_policy.compose("/O=A/B/CN=CA", ["/O=A/B/*", r"/O=A\/B/CN=host\/*"])
    patterns = ["/O=A/B/*", r"/O=A\/B/*", "/O=A/B/CN=host/*", r"/O=A\/B/CN=host/*", r"/O=A\/B/CN=host\/*"]
    assert signing_policy.parse(text) == {"/O=A/B/CN=CA": patterns, r"/O=A\/B/CN=CA": patterns}
    assert signing_policy.patterns_of(signing_policy.parse(text), "/O=A/B/CN=CA") == patterns


@pytest.mark.parametrize(
    "pattern", ["DC = org, O = Example, CN = *", "DC=org, O=Example, CN=*", "CN=*,O=Example,DC=org"]
)
def test_other_forms_of_patterns(pattern: str) -> None:
    assert signing_policy.parse(signing_policy.compose(DN, [pattern])) == {DN: ["/DC=org/O=Example/CN=*"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "access_id_CA X509 /CN=A pos_rights globus CA:sign cond_subjects globus /O=A/* # comment",
            {"/CN=A": ["/O=A/*"]},
        ),
        (f"access_id_CA X509 '/CN=A'\n{RIGHTS}'\"/O=A/*\"\t \"/O=B/*\" '\n", {"/CN=A": ["/O=A/*", "/O=B/*"]}),
        (f"access_id_CA X509 '/CN=A' {RIGHTS}/O=A/* {RIGHTS}/O=B/*\n", {"/CN=A": ["/O=A/*", "/O=B/*"]}),
        (
            f"access_id_CA X509 /CN=A\n{RIGHTS}/O=A/*\naccess_id_CA X509 /cn=a\n{RIGHTS}/O=B/*",
            {"/CN=A": ["/O=A/*", "/O=B/*"]},
        ),
        ("access_id_CA X509 '/CN=A'\r\npos_rights globus CA:sign\r\n", {"/CN=A": ["*"]}),
        (f"access_id_ANYBODY {RIGHTS}/O=A/*", {"*": ["/O=A/*"]}),
        (f"access_id_CA X509 /CN=A access_id_CA X509 /CN=B {RIGHTS}/O=B/*", {"/CN=A": [], "/CN=B": ["/O=B/*"]}),
        (f"access_id_CA X509 '\"/CN=A\"' {RIGHTS}/O=A/*", {'"/CN=A"': ["/O=A/*"]}),
    ],
)
def test_words_are_read_as_globus_reads_them(text: str, expected: dict[str, list[str]]) -> None:
    assert signing_policy.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends before access_id_CA"),
        ("access_id_CA X509 '/CN=A'\n", "ends before pos_rights"),
        ("pos_rights globus CA:sign\n", "line 1 should be access_id_CA"),
        ("# comment\naccess_id_CA X509 '/CN=A'\ncond_subjects globus /*", "line 3 should be pos_rights"),
        ("access_id_CA X509 '/CN=A'\npos_rights globus CA:all\n", "lets the CA sign nothing"),
        (f"access_id_CA X509 /CN=A\n{RIGHTS}/* cond_time globus 12", "lets the CA sign nothing"),
        (f"access_id_CA X509 '\"/CN=A\"' {RIGHTS}/O=A/*", "does not name its CA, /CN=A"),
        (f"access_id_CA X509 /CN=A\n{RIGHTS}/O=A/* cond_subjects globus /O=B/*", "two cond_subjects"),
        (f"access_id_CA X509 /CN=A\n{RIGHTS}/* rubbish", "line 3 should be pos_rights"),
        (f"access_id_CA X509 '/CN=A\n{RIGHTS}/*", "line 1 has a quotation mark ' that is not closed"),
        (f"access_id_CA X509 '/CN=A'\n{RIGHTS}'/*'", "no line break at its end"),
        (f'access_id_CA X509 /CN=A\n{RIGHTS}\'"/O=A/*"\n"/O=B/*"\'\n', "holds a line break"),
        (f"access_id_CA X509 /CN=A\n{RIGHTS}'\"/O=A\\\\xZZ/*\"'\n", "takes any subject"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(signing_policy.PolicyError, match=message):
        signing_policy.check(text.encode(), "/CN=A")


FIRST = f"access_id_CA X509 '/CN=A'\n{RIGHTS}'\"/O=A/*\"'\n"
SECOND = [
    "access_id_CA",
    "X509",
    "'/CN=B'",
    "pos_rights",
    "globus",
    "CA:sign",
    "cond_subjects",
    "globus",
    "'\"/O=B/*\"'",
]


@pytest.mark.parametrize("number", range(1, len(SECOND)))
def test_a_policy_that_is_cut_off_in_a_later_block(number: int) -> None:
    """Globus reads a right without conditions as one to sign everything."""
    text = FIRST + " ".join(SECOND[:number]) + "\n"
    if SECOND[number - 1] == "CA:sign":
        assert signing_policy.parse(text) == {"/CN=A": ["/O=A/*"], "/CN=B": ["*"]}
    else:
        with pytest.raises(signing_policy.PolicyError, match="it ends before"):
            signing_policy.check(text.encode(), "/CN=A")


@pytest.mark.parametrize("cut", [-1, -2, -5])
def test_a_policy_that_is_cut_off_in_a_pattern_of_a_later_block(cut: int) -> None:
    text = (FIRST + " ".join(SECOND))[:cut]
    with pytest.raises(signing_policy.PolicyError, match="line 4 has a quotation mark"):
        signing_policy.check(text.encode(), "/CN=A")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("access_id_USER X509 /CN=A", {"access_id_USER X509 /CN=A": ["/*"]}),
        ("access_id_CA KERBEROS /CN=A", {"access_id_CA KERBEROS /CN=A": ["/*"]}),
    ],
)
def test_rights_of_others_are_not_those_of_the_ca(text: str, expected: dict[str, list[str]]) -> None:
    assert signing_policy.parse(f"{text} {RIGHTS}/*\n") == expected


@pytest.mark.parametrize(
    "rights",
    [
        "neg_rights globus CA:sign cond_subjects globus /*",
        "pos_rights other CA:sign cond_subjects globus /*",
        "pos_rights globus CA:other cond_subjects globus /*",
        "pos_rights globus CA:sign cond_subjects other /*",
        "pos_rights globus CA:sign cond_other globus /*",
        "pos_rights globus CA:sign cond_subjects globus /* cond_other globus /*",
    ],
)
def test_only_the_right_to_sign_subjects_counts(rights: str) -> None:
    assert signing_policy.parse(f"access_id_CA X509 /CN=A {rights}\n") == {"/CN=A": []}


def test_conditions_belong_to_the_first_of_several_rights() -> None:
    text = "access_id_CA X509 /CN=A pos_rights globus CA:sign pos_rights globus CA:sign cond_subjects globus /O=A/*\n"
    assert signing_policy.parse(text) == {"/CN=A": ["/O=A/*", "*"]}
    assert signing_policy.parse(text.replace("pos_rights", "neg_rights", 1)) == {"/CN=A": ["*"]}


def test_the_same_condition_twice_is_one() -> None:
    text = f"access_id_CA X509 /CN=A {RIGHTS}/O=A/* cond_subjects globus /O=A/*\n"
    assert signing_policy.parse(text) == {"/CN=A": ["/O=A/*"]}


def test_the_line_of_a_mistake_and_the_start_of_a_long_pattern_are_told() -> None:
    with pytest.raises(signing_policy.PolicyError, match="line 3 should be"):
        signing_policy.parse(f"access_id_CA X509 /CN=A\n{RIGHTS.splitlines()[0]}\nrubbish\n")
    pattern = "/O=" + "a" * 300 + "\\\\x"
    with pytest.raises(signing_policy.PolicyError, match="takes any subject") as caught:
        signing_policy.parse(f"access_id_CA X509 /CN=A\n{RIGHTS}'\"{pattern}\"'\n")
    assert "a" * 197 in str(caught.value)
    assert "a" * 198 not in str(caught.value)


@pytest.mark.parametrize("pattern", ["O=example/*", "/O=two\nlines", "no slash"])
def test_what_the_format_cannot_say_is_refused(pattern: str) -> None:
    with pytest.raises(signing_policy.PolicyError):
        signing_policy.compose(DN, [pattern])


def test_a_policy_is_completed() -> None:
    assert signing_policy.complete(b"a\n") == signing_policy.complete(b"a") == b"a\n"


@pytest.mark.parametrize(
    ("known", "dn", "is_known"),
    [
        ("/O=A/Email=a@b", "/O=A/emailAddress=A@b", True),
        (r"/O=A\/B", "/O=A/B", True),
        ("*", "/O=A", True),
        ("/O=A", "/O=B", False),
    ],
)
def test_policy_of_a_ca(known: str, dn: str, is_known: bool) -> None:
    assert (signing_policy.patterns_of({known: ["/*"]}, dn) is not None) is is_known


@pytest.mark.parametrize(
    ("pattern", "dn", "expected"),
    [
        ("/O=A/*", "/o=a/CN=b", True),
        ("/O=A/*", "/O=A/", False),
        ("/O=*/CN=*", "/O=A/CN=b", False),
        ("*", "/O=A", True),
        (r"/CN=host\/*", "/CN=host/se.example.org", True),
        ("/CN=host/*", "/CN=host/se.example.org", True),
    ],
)
def test_what_a_pattern_allows(pattern: str, dn: str, expected: bool) -> None:
    assert signing_policy.allows([pattern], dn) is expected


@pytest.mark.parametrize(
    "line", ["access_id_CA X509 x" + " " * 500_000 + "y", " " * 500_000 + "x", "x" * 500_000, "# " * 500_000]
)
def test_time_grows_with_the_size_only(line: str) -> None:
    start = time.process_time()
    with pytest.raises(signing_policy.PolicyError):
        signing_policy.parse(f"{line}\n")
    assert time.process_time() - start < 1
