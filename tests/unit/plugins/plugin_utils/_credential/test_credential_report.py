# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the result of a task with many credentials."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._credential.credential_report import combine, shortened

FIRST = ", ".join(f"user{number}" for number in range(10))


def good(owner: str, **fields: Any) -> dict[str, Any]:
    home = f"/home/{owner}/.globus"
    paths = {"cert_path": f"{home}/usercert.pem", "privatekey_path": f"{home}/userkey.pem"}
    return {"owner": owner, "changed": False, "changes": [], "differences": [], "days_left": 9, **paths, **fields}


def changed(owner: str) -> dict[str, Any]:
    why = ["certificate renewed: 2027-01-02 → 2028-01-02", "private key replaced"]
    paths = (f"/home/{owner}/.globus/{name}.pem" for name in ("usercert", "userkey"))
    differences = [f"{owner}: {path}: {reason}" for path, reason in zip(paths, why)]
    return good(owner, changed=True, changes=why, differences=differences)


def failed(owner: str) -> dict[str, Any]:
    return good(owner, failed=True, error_code="wrong_passphrase", msg=f"{owner}.p12: the import passphrase is wrong.")


def test_one_change_among_many_is_told_in_one_line() -> None:
    result = combine([good("alice"), changed("bob"), good("carol")], True, True)
    renewed = "certificate renewed: 2027-01-02 → 2028-01-02"
    assert result["summary"] == [f"3 credentials, 1 changed: bob: {renewed}; private key replaced"]
    lines = [
        f"bob: /home/bob/.globus/usercert.pem: {renewed}\n",
        "bob: /home/bob/.globus/userkey.pem: private key replaced\n",
    ]
    assert result["diff"] == [{"prepared": "".join(lines)}]
    assert len(result["credentials"]) == 3


def test_many_changes_are_counted() -> None:
    result = combine([changed(f"user{number}") for number in range(200)], True, False)
    assert result["summary"] == [
        f"200 credentials, 200 changed: {FIRST} and 190 more",
    ]
    assert combine([good("alice")], True, False)["summary"] == ["1 credential, none changed"]


def test_a_failure_shows_who_failed_and_nobody_else() -> None:
    result = shortened(combine([good("alice"), failed("bob"), changed("carol")], True, False))
    assert "differences" not in result
    assert [one["owner"] for one in result["credentials"]] == ["bob"]
    assert result["msg"] == (
        "1 of 3 credentials failed; 1 of the other 2 changed.\n- bob.p12: the import passphrase is wrong."
    )
    assert (result["changed"], result["failed"]) == (True, True)


def test_nothing_is_said_about_others_if_there_are_none() -> None:
    result = combine([failed("bob"), failed("carol")], True, False)
    assert result["msg"].splitlines()[0] == "2 of 2 credentials failed."


def test_a_single_credential_has_its_own_result() -> None:
    assert combine([failed("bob")], False, False)["msg"] == "bob.p12: the import passphrase is wrong."
    assert "summary" not in combine([good("alice")], False, False)


def test_one_warning_has_one_line() -> None:
    names = [f"user{number}" for number in range(15)]
    results = [good(name, warnings=[f"{name}.p12: the key is weak.", f"{name}.p12: and short."]) for name in names]
    results += [good("old", days_left=-1, not_after="2020-01-02T03:04:05Z")]
    result = combine(results, True, False)
    assert result["warnings"] == [
        f"{', '.join(f'{name}.p12' for name in names[:10])} and 5 more: {text}"
        for text in ("the key is weak.", "and short.")
    ] + ["the certificate has expired: old (2020-01-02)"]
    assert not any("warnings" in one for one in result["credentials"])
