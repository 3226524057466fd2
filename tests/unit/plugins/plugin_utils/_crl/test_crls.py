# SPDX-License-Identifier: GPL-3.0-or-later
"""Test fetching CRLs on the controller: which are refused, which are placed, which stay."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C
from ansible.errors import AnsibleActionFail
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, pem
from ansible_collections.grid.security.plugins.plugin_utils._crl import crls
from ansible_collections.grid.security.plugins.plugin_utils._trust import bounded_fetch
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
OTHER = pki.issue("Other", authority=True)
NEW, OLD = ROOT.facts.hashes
GOOD = pki.revoke(ROOT, [7], number=5)
URL = "http://example.org/root.crl"


class Site:
    """A controller's sources and its web servers, and a node."""

    def __init__(self, root: Path) -> None:
        self.sources, self.store = root / "sources", root / "certificates"
        self.sources.mkdir()
        self.web: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.calls = 0

    def announce(self, alias: str, one: pki.Credential, *urls: str) -> None:
        (self.sources / f"{alias}.pem").write_bytes(one.pem)
        (self.sources / f"{alias}.crl_url").write_text("\n".join(urls))

    def fetch(self, url: str, **_limits: Any) -> bytes:
        self.fetched.append(url)
        if url not in self.web:
            raise bounded_fetch.FetchError("cannot be fetched: HTTP Error 404: Not Found")
        return self.web[url]

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls += 1
        return inspectors.converge(sets, contents, False, False)

    def place(self, check: bool = False, **options: Any) -> dict[str, Any]:
        action = SimpleNamespace(check_mode=check, diff=True, find=str)
        arguments = {"sources": [str(self.sources)], "path": str(self.store), **options}
        self.calls = 0
        result = exchange.run(crls.place(action, arguments), self.send)  # type: ignore[arg-type]
        return dict(result)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.store.iterdir()}


@pytest.fixture(name="new_run")
def _new_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Of ansible, which remembers nothing of the one before."""
    runs = iter(range(100))

    def start() -> None:
        local_tmp = tmp_path / f"run{next(runs)}"
        local_tmp.mkdir()
        monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(local_tmp))

    start()
    return start


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_run: Callable[[], None]) -> Site:
    site = Site(tmp_path.resolve())
    monkeypatch.setattr(bounded_fetch, "fetch", site.fetch)
    site.announce("root", ROOT, URL)
    site.web[URL] = GOOD
    return site


def only(result: dict[str, Any]) -> dict[str, Any]:
    (one,) = result["crls"]
    return dict(one)


def test_first_placement_and_nothing_to_do(site: Site, new_run: Callable[[], None]) -> None:
    first = site.place()
    assert (first["changed"], first["warnings"], site.calls) == (True, [], 2)
    assert site.files() == {f"{NEW}.r0": GOOD, f"{OLD}.r0": GOOD}
    assert (site.store / f"{NEW}.r0").stat().st_mode & 0o777 == 0o644
    told = only(first)
    assert (told["state"], told["number"], told["url"], told["changed"]) == ("fresh", 5, URL, True)
    assert told["hours_left"] in (695, 696)  # 29 days
    assert first["diff"][0]["prepared"] == f"root: {NEW}.r0: missing\nroot: {OLD}.r0: missing\n"
    new_run()
    second = site.place()
    assert (second["changed"], site.calls, only(second)["changes"]) == (False, 1, [])


def test_check_mode_says_the_same_and_changes_nothing(site: Site) -> None:
    checked = site.place(check=True)
    assert not site.store.exists()
    assert checked == site.place()


def test_fetched_once_for_all_hosts(site: Site) -> None:
    site.announce("gone", OTHER, "http://example.org/gone.crl")
    for number in range(3):
        site.store = site.store.with_name(f"node{number}")
        assert site.place()["changed"]
    assert sorted(site.fetched) == ["http://example.org/gone.crl", URL]


def test_der_becomes_pem(site: Site) -> None:
    site.web[URL] = crl.read(GOOD).der
    site.place()
    assert site.files()[f"{NEW}.r0"] == GOOD


def test_renewed(site: Site, new_run: Callable[[], None]) -> None:
    site.place()
    site.web[URL] = pki.revoke(ROOT, [7, 8], number=6, start=0)
    new_run()
    told = only(site.place())
    assert site.files()[f"{OLD}.r0"] == site.web[URL]
    assert told["changes"][0].startswith(f"{NEW}.r0: number 5 of ")
    assert " → number 6 of " in told["changes"][0]


def test_older_is_not_placed(site: Site, new_run: Callable[[], None]) -> None:
    site.place()
    for replayed in (pki.revoke(ROOT, [], number=4), pki.revoke(ROOT, [], number=9, start=-2)):
        site.web[URL] = replayed
        new_run()
        result = site.place()
        assert (result["changed"], only(result)["state"]) == (False, "fresh")
        assert "older than the CRL in place (number 5" in result["warnings"][0]
    assert only(site.place(allow_older=True))["changed"]
    assert site.files()[f"{NEW}.r0"] == replayed


def test_counting_may_start_anew(site: Site, new_run: Callable[[], None]) -> None:
    site.place()
    site.web[URL] = pki.revoke(ROOT, [], number=1, start=0)
    new_run()
    assert only(site.place())["number"] == 1


def test_what_says_nothing_about_age_is_replaced(site: Site) -> None:
    """By another key, as after a change of the numbers; from the future; damaged; a link; with a wrong mode."""
    twin = pki.issue("Root", authority=True)
    site.store.mkdir()
    for present in (pki.revoke(twin, [], start=0), pki.revoke(ROOT, [], start=3), b"damaged", b""):
        for name in (f"{NEW}.r0", f"{OLD}.r0"):
            (site.store / name).write_bytes(present)
        assert only(site.place())["state"] == "fresh"
        assert site.files() == {f"{NEW}.r0": GOOD, f"{OLD}.r0": GOOD}
    (site.store / f"{OLD}.r0").unlink()
    (site.store / f"{OLD}.r0").symlink_to(f"{NEW}.r0")
    (site.store / f"{NEW}.r0").chmod(0o600)
    assert only(site.place())["changes"] == [f"{NEW}.r0: other mode or owner", f"{OLD}.r0: now a file, was a link"]


def test_the_same_in_another_form_stays(site: Site) -> None:
    site.store.mkdir(mode=0o755)
    for name in (f"{NEW}.r0", f"{OLD}.r0"):
        (site.store / name).write_bytes(GOOD.rstrip())
        (site.store / name).chmod(0o644)
    assert not site.place()["changed"]


def test_lists_of_others_are_left_alone(site: Site) -> None:
    site.store.mkdir()
    for name in ("01234567.r0", f"{NEW}.r1"):
        (site.store / name).write_bytes(b"of somebody")
    site.place(remove_expired=True)
    assert {"01234567.r0", f"{NEW}.r1"} <= set(site.files())


@pytest.mark.parametrize(
    ("in_place", "state", "words"),
    [
        (None, "missing", "certificates that this CA revoked are accepted"),
        (pki.revoke(ROOT, [], number=3), "fresh", "The CRL in place stays; it is valid until"),
        (pki.revoke(ROOT, [], start=-20, days=10), "expired", "EXPIRED on .* refuse all certificates"),
        (pki.revoke(ROOT, [], start=3), "not_yet_valid", "is not valid before .* refuse all certificates"),
        (pki.revoke(OTHER, []), "damaged", "no CRL of this CA"),
    ],
)
def test_unreachable(site: Site, in_place: bytes | None, state: str, words: str) -> None:
    site.announce("other", OTHER, "http://example.org/other.crl")
    site.web["http://example.org/other.crl"] = pki.revoke(OTHER, [])
    del site.web[URL]
    site.store.mkdir()
    if in_place:
        (site.store / f"{NEW}.r0").write_bytes(in_place)
        (site.store / f"{OLD}.r0").write_bytes(in_place)
    result = site.place()
    assert [one["state"] for one in result["crls"]] == ["fresh", state]
    assert "failed" not in result
    (warning,) = result["warnings"]
    assert warning.startswith(f"CRL of root: {URL} cannot be fetched: HTTP Error 404: Not Found. ")
    assert re.search(words, warning)
    assert site.files().get(f"{NEW}.r0") == in_place
    required = site.place(required=True)
    assert required.get("failed", False) is (state != "fresh")
    assert required.get("error_code") == (None if state == "fresh" else "crl_required")


def test_expired_goes_only_on_request(site: Site) -> None:
    expired = pki.revoke(ROOT, [], start=-20, days=10)
    del site.web[URL]
    site.store.mkdir()
    (site.store / f"{NEW}.r0").write_bytes(expired)
    (site.store / f"{OLD}.r0").write_bytes(pki.revoke(ROOT, []))
    assert not site.place()["changed"]
    told = only(site.place(remove_expired=True))
    assert told["changes"] == [f"{NEW}.r0: unwanted: expired, and no other CRL could be fetched"]
    assert told["state"] == "missing"
    assert set(site.files()) == {f"{OLD}.r0"}


def delta() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    builder = builder.last_update(pki.NOW - pki.DAY).next_update(pki.NOW + pki.DAY)
    builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"<html>Log in</html>", "is no CRL but a web page"),
        (GOOD[:-40], "is truncated"),
        (pki.revoke(OTHER, []), "is a CRL of /DC=org/DC=example/CN=Other, which is another CA"),
        (pki.revoke(ROOT, [], signed_by=OTHER), "signature that is not by this CA's key"),
        (pki.revoke(ROOT, [], start=-20, days=10), "expired on"),
        (pki.revoke(ROOT, [], start=2), "is not valid before"),
        (delta(), "is a delta CRL"),
        (
            pem.encode("X509 CRL", crl.read(GOOD).der.replace(b"\x02\x01\x01", b"\x02\x01\x21", 1)),
            # Of what old ones cannot read, they say this. The difference is of no use to anybody but us.
            "signature that cannot be checked" if pki.CRYPTOGRAPHY >= 38 else "signature that is not by this CA's key",
        ),
    ],
)
def test_what_may_not_be_placed(site: Site, data: bytes, cause: str) -> None:
    site.web[URL] = data
    result = site.place()
    assert not site.store.exists()
    assert cause in result["warnings"][0]


def test_further_urls_are_tried(site: Site) -> None:
    urls = ["http://example.org/gone", "ftp://example.org/crl", "http://example.org/page", "https://example.org/crl"]
    site.announce("root", ROOT, *urls, URL)
    site.web = {urls[2]: b"<html>", urls[3]: GOOD, URL: b"never asked for"}
    result = site.place()
    assert (only(result)["url"], result["warnings"]) == (urls[3], [])
    assert site.fetched == urls


def test_authorities_of_one_name(site: Site) -> None:
    """Each has its own list in its own number; one that only renewed its certificate has one list."""
    twins = sorted(
        (pki.issue("Root", authority=True) for _twin in range(3)),
        key=lambda one: one.certificate.fingerprint(hashes.SHA256()),
    )
    for alias, number in (("root", 2), ("third", 0), ("second", 1)):
        url = f"http://example.org/{number}"
        site.announce(alias, twins[number], url)
        site.announce(f"renewed-{alias}", pki.issue("Root", authority=True, key=twins[number].key), url)
        site.web[url] = pki.revoke(twins[number], [], number=number)
    site.place(exclude=["renewed-*"])
    expected = {
        f"{digest}.r{number}": site.web[f"http://example.org/{number}"] for digest in (NEW, OLD) for number in range(3)
    }
    assert site.files() == expected
    site.place()
    assert sorted(site.files()) == sorted(expected)
    assert set(site.files().values()) == set(expected.values())


def test_filters_and_sources_without_urls(site: Site) -> None:
    site.announce("other", OTHER, "http://example.org/other.crl")
    assert [one["alias"] for one in site.place(include=["root"])["crls"]] == ["root"]
    for path in site.sources.glob("*.crl_url"):
        path.unlink()
    result = site.place()
    assert (result["changed"], result["crls"], site.calls) == (False, [], 0)
    assert "no CA of the sources has a CRL URL" in result["warnings"][0]


def test_files_that_cannot_be_used_are_skipped_with_a_warning(site: Site, new_run: Callable[[], None]) -> None:
    (site.sources / "page.pem").write_bytes(b"<html>")
    failed = site.place()
    assert failed["error_code"] == "not_pem"
    assert "page.pem is a web page" in failed["msg"]
    new_run()
    warnings = site.place(on_unreadable="skip")["warnings"]
    assert "page.pem is a web page" in warnings[0]
    assert (site.store / f"{NEW}.r0").exists()


def test_threads_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        site.announce(f"ca{number}", pki.issue(f"CA {number}", authority=True), f"http://example.org/{number}")
    together = threading.Barrier(3, timeout=10)
    present: list[str] = []

    def fetch(url: str, **_limits: Any) -> bytes:
        present.append(url)
        together.wait()
        time.sleep(0.2)  # so that others would come in
        assert len(present) <= 3
        together.wait()
        present.remove(url)
        raise bounded_fetch.FetchError("cannot be fetched")

    monkeypatch.setattr(bounded_fetch, "fetch", fetch)
    assert len(site.place(parallelism=3, exclude=["root"])["crls"]) == 6
    assert not present


@pytest.mark.parametrize(
    "item",
    ["root", "ro*", "/DC=org/*/CN=Root", {"alias": "root", "reason": "gone"}, {"dn": "/*=Root", "reason": "gone"}],
)
def test_exceptions(site: Site, item: Any) -> None:
    """Neither fetched nor missed; what is in place stays."""
    site.announce("other", OTHER, "http://example.org/other.crl")
    site.web["http://example.org/other.crl"] = pki.revoke(OTHER, [])
    del site.web[URL]
    site.store.mkdir()
    (site.store / f"{NEW}.r0").write_bytes(b"of somebody")
    result = site.place(exclude=[item], required=True)
    assert ([one["alias"] for one in result["crls"]], result["warnings"]) == (["other"], [])
    assert site.fetched == ["http://example.org/other.crl"]
    assert site.files()[f"{NEW}.r0"] == b"of somebody"


@pytest.mark.parametrize(
    "item",
    ["", 7, None, [], {}, {"alias": "root"}, {"reason": "gone"}, {"alias": "root", "dn": "/CN=Root", "reason": "gone"}]
    + [{"dn": "root", "reason": "gone"}, {"alias": "/CN=Root", "reason": "gone"}, {"alias": "root", "reason": ""}],
)
def test_what_is_no_exception(site: Site, item: Any) -> None:
    result = site.place(exclude=["other", item])
    assert result["error_code"] == "bad_exclusion"
    assert "exclude[1]: " in result["msg"]


def many(site: Site, number: int, url: str) -> None:
    for one in range(number):
        site.announce(f"ca{one:03}", pki.issue(f"CA {one}", authority=True), url.format(one))


def test_many_dead_urls_of_one_server_are_one_line(site: Site) -> None:
    many(site, 200, "http://dead.example.org/{}.crl")
    result = site.place()
    (warning,) = result["warnings"]
    assert warning == (
        "CRLs of 200 CAs (ca000, ca001, ca002, ca003, ca004, ca005, ca006, ca007, ca008, ca009 and 190 more): 200 URLs"
        " of http://dead.example.org: cannot be fetched: HTTP Error 404: Not Found. There are no CRLs in place, so"
        " certificates that these CAs revoked are accepted."
    )
    assert len([one for one in result["crls"] if one["msg"]]) == 200
    required = site.place(required=True)
    assert required["msg"].splitlines() == ["CAs without a valid CRL in place:", warning]


def test_urls_that_cannot_be_read_are_told(site: Site) -> None:
    many(site, 4, "http://[::1/{}.crl")
    (warning,) = site.place()["warnings"]
    assert ": 4 URLs of http://[::1: cannot be fetched: " in warning


def test_causes_and_consequences_apart_are_lines_apart(site: Site) -> None:
    many(site, 6, "http://example.org/{}.crl")
    site.web.update({f"http://example.org/{one}.crl": b"<html>" for one in range(2)})
    del site.web[URL]
    site.store.mkdir()
    for name in (f"{NEW}.r0", f"{OLD}.r0"):
        (site.store / name).write_bytes(GOOD)
    first, second, third = sorted(site.place()["warnings"])
    assert first.startswith(f"CRL of root: {URL} cannot be fetched: HTTP Error 404: Not Found. The CRL in place stays")
    assert second.startswith(
        "CRLs of 2 CAs (ca000, ca001): http://example.org/0.crl, http://example.org/1.crl: is no CRL but a web page. "
    )
    assert third.startswith("CRLs of 4 CAs (ca002, ca003, ca004, ca005): 4 URLs of http://example.org: cannot be")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "certificates"}, "absolute path"),
        ({"timeout": 0}, "timeout: 0.0 must be greater"),
        ({"parallelism": 0}, "parallelism: 0 must be greater"),
        ({"sources": []}, "sources is empty"),
        ({"sources": [{}]}, "give one of src, content and url"),
        ({"bundle_path": "/etc/ca.pem"}, "bundle_path"),
    ],
)
def test_options(site: Site, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        site.place(**options)


def test_failure_on_the_node_is_told(site: Site) -> None:
    site.store.write_text("no directory")
    assert site.place()["error_code"] == "not_a_directory"
