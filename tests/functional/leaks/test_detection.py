# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the search: it finds each planted leak, in every place and form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.functional.leaks import places, planted, test_leaks, traces

FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "of archives": lambda text: text.encode("utf-16-be"),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "in JSON": lambda text: json.dumps({"a": text}).encode(),
    "as Python prints it": lambda text: repr([text]).encode(),
    "numbers": lambda text: str(list(text.encode())).encode(),
    "Base64": lambda text: base64.b64encode(text.encode()),
    "Base64, somewhere": lambda text: base64.b64encode(b"12" + text.encode() + b"3"),
    "Base64, in lines": lambda text: base64.encodebytes(b"1" * 40 + text.encode()),
    "Base64 in JSON, in Base64": lambda text: base64.b64encode(b'["' + base64.b64encode(text.encode()) + b'"]'),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_passphrase_is_found(form: str) -> None:
    needles = planted.Needles(["run-one", "run-two"])
    assert needles.found_in(b"before" + FORMS[form](planted.passphrase("run-one")) + b"after") == {"run-one"}
    assert needles.found_in(FORMS[form](planted.passphrase("run-three"))) == set()


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_every_form_of_a_key_is_found(encoding: Encoding, form: PrivateFormat) -> None:
    key = planted.credential("run-key").key.private_bytes(encoding, form, NoEncryption())
    number = str(planted.credential("run-key").key.private_numbers().private_value).encode()
    needles = planted.Needles(["run-key"])
    for text in (key, base64.b64encode(key), json.dumps(key.decode("latin-1")).encode(), number):
        assert needles.found_in(text) == {"run-key"}


def test_lines_of_an_encrypted_key_are_found() -> None:
    text = b"-----BEGIN X-----\n" + base64.encodebytes(bytes(range(200))).replace(b"\n", b"")[:192] + b"\n"
    key = b"\n".join(text.splitlines()[1][at : at + 64] for at in (0, 64, 128))
    needles = planted.Needles([])
    needles.add_lines("stored-key", key)
    for leaked in (key[:65], base64.b64encode(b"1" + key), json.dumps(key.decode()).encode()):
        assert needles.found_in(leaked) == {"stored-key"}


def leaking(root: str) -> dict[str, tuple[dict[str, Any], set[str]]]:
    """Return tasks that leak, by the leaked secret, and the places in which the search must find it."""
    said = {"output", "left/ansible.log", "written/ansible.log"}
    debug = {"ansible.builtin.debug": {"msg": "{{ secret }}"}}
    fact = {"ansible.builtin.set_fact": {"kept": "{{ secret }}", "cacheable": True}}
    copy = {"content": "{{ secret }}", "dest": f"{root}/home/copy"}
    encoded = {**copy, "content": "{{ secret | b64encode | b64encode }}"}
    gone = {"cmd": f"sh -c 'cat >{root}/home/gone; rm {root}/home/gone'", "stdin": "{{ secret }}"}
    directory = {"path": f"{root}/home/{{{{ secret }}}}", "state": "directory"}
    copied = {"written/controller-tmp", "written/node-tmp"}  # and renamed from there
    return {
        "run-said": (debug, said | {"left/junit"}),
        "run-cached": (fact, said | {"left/facts"}),
        "run-argument": ({"ansible.builtin.command": "true {{ secret }}"}, said | {"arguments", "journal"}),
        "run-environment": ({"ansible.builtin.command": "true", "environment": {"A": "{{ secret }}"}}, {"environment"}),
        "run-encoded": ({"ansible.builtin.copy": encoded}, copied),
        "run-copied": ({"ansible.builtin.copy": copy}, said | copied | {"left/home/copy"}),
        "run-gone": ({"ansible.builtin.command": gone}, {"written/home/gone", "written/node-tmp"}),
        "run-named": ({"ansible.builtin.file": directory}, {"names of files"}),
        "run-last": (debug, said | {"left/tree", "left/junit"}),
    }


def test_every_place_is_searched(site: Any, journal: list[bytes] | None) -> None:
    planned = leaking(str(site.root))
    tasks = [{**task, "vars": {"secret": planted.word(name)}} for name, (task, _where) in planned.items()]
    play = {"tasks": tasks}
    done = site.run_play(play, "--diff", **test_leaks.settings(site.root, pipelining=False))
    assert done.returncode == 0, done.stdout
    trace = traces.Trace.read(site.root / "given/trace")
    found = places.gather(site, (done.stdout + done.stderr).encode(), journal, trace)
    found = {place: data for place, data in found.items() if not place.endswith("/play.json")}
    reported = places.leaks(found, planted.Needles(planned), pipelining=False)
    short = [one.replace(f"{site.root}/", "/") for one in reported]
    expected = [f"{name} in {where}" for name, (_task, wheres) in planned.items() for where in sorted(wheres)]
    missed = [one for one in expected if not any(text.startswith(one) for text in short)]
    assert [one for one in missed if journal is not None or not one.endswith("journal")] == []
