# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that must be issued by certain CAs: from options and sources to what is placed, and what it costs."""

from __future__ import annotations

import datetime
import io
import re
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C
from ansible.errors import AnsibleActionFail
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common import sandbox, times
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Converter, Source
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange
from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register
from ansible_collections.grid.security.plugins.module_utils._credential.issuers import SentCas
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.module_utils._x509 import chain, pem, signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._credential import credentials
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import grid_mapfile
from ansible_collections.grid.security.plugins.plugin_utils._trust import ca_material, source_stamps, trusted_cas
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True, days=1000)
OTHER = pki.issue("Other", authority=True, days=1000)
ALICE, BOB = pki.issue("Alice", issuer=ROOT), pki.issue("Bob", issuer=OTHER)
POLICY = signing_policy.compose("/DC=org/DC=example/CN=Root", ["/DC=org/DC=example/*"])
MALLORY = pki.issue("Alice")  # who calls herself Alice


class Site:
    """A controller with sources and archives, and a node, both on this machine."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.sources, self.homes = root, root / "sources", root / "homes"
        for directory in (self.sources, self.homes):
            directory.mkdir()
        self._patch, self._runs = monkeypatch, 0
        self.opened: list[str] = []  # archives
        self.checked: list[str] = []  # chains
        self.read = 0  # times that all CAs were read
        self.sent_to_node: dict[str, Any] = {}
        self._count()
        monkeypatch.setattr(C, "ANSIBLE_HOME", str(root / "ansible"))
        monkeypatch.setattr(source_stamps, "_TICK", 0)  # tests do not wait until changes are old
        self.begin_run()

    def _count(self) -> None:
        run_all, judge, collect = sandbox.run_all, chain.judge, ca_material.collect

        def counted_jobs(jobs: list[sandbox.Job]) -> Any:
            self.opened += [job.name for job in jobs]
            return run_all(jobs)

        def counted_chains(chains: list[tuple[str, list[str]]], trusted: dict[str, Any]) -> Any:
            self.checked += [name for name, _chain in chains]
            opened = list(self.opened)
            verdicts = judge(chains, trusted)
            self.opened = opened
            return verdicts

        def counted_reading(*arguments: Any) -> Any:
            self.read += 1
            return collect(*arguments)

        self._patch.setattr(sandbox, "run_all", counted_jobs)
        self._patch.setattr(chain, "judge", counted_chains)
        self._patch.setattr(ca_material, "collect", counted_reading)

    def begin_run(self) -> None:
        self._runs += 1
        local_tmp = self.root / f"run{self._runs}"
        local_tmp.mkdir()
        self._patch.setattr(C, "DEFAULT_LOCAL_TMP", str(local_tmp))
        self.opened, self.checked, self.read = [], [], 0

    def add(self, name: str, one: pki.Credential) -> None:
        (self.root / f"{name}.p12").write_bytes(one.archive())

    def item(self, name: str, **changes: Any) -> dict[str, Any]:
        own = {"src": str(self.root / f"{name}.p12"), "directory": str(self.homes / name)}
        return {**own, "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000, **changes}

    def action(self) -> Any:
        """Return a substitute for an action, with the parts of it that the tests use."""

        def find(src: str) -> str:
            path = Path(src)
            if not path.exists():
                raise AnsibleActionFail(f"could not find {src}")
            return src

        files = {"find": find, "read": lambda src: Path(src).read_bytes()}
        run = {"host": "node", "register": Register(), "check_mode": False, "diff": False}
        return SimpleNamespace(**files, **run, prepare=lambda: None, execute=self.execute)

    def execute(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Execute the module on a node that has archives."""
        assert module == "grid.security.pkcs12_pem"
        self.sent_to_node = arguments
        cas = SentCas(arguments["trusted_cas"])
        options = list(map(CredentialOptions.of, arguments["credentials"]))
        placing = CredentialExchange(options, self._source, Converter(), False, judge=cas.judge)
        results = exchange.run(placing, self.send)
        return {"credentials": [results[one] for one in options]}

    @staticmethod
    def _source(options: CredentialOptions) -> Source:
        return Source(options, Path(options.src or "").read_bytes())

    @staticmethod
    def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        return inspectors.converge(sets, contents, False, False)

    def place(self, *items: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        arguments = {"credentials": list(items), "trust_anchors": [str(self.sources)], **options}
        result = exchange.run(credentials.place(self.action(), arguments), self.send)
        found: list[dict[str, Any]] = result["credentials"]
        return found

    def placed(self) -> list[str]:
        return sorted(path.parent.name for path in self.homes.glob("*/usercert.pem"))


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path.resolve(), monkeypatch)
    (site.sources / "root.pem").write_bytes(ROOT.pem)
    (site.sources / "root.signing_policy").write_text(POLICY)
    for name, one in (("alice", ALICE), ("bob", BOB), ("mallory", MALLORY)):
        site.add(name, one)
    return site


def kinds(results: list[dict[str, Any]]) -> list[str | None]:
    return [one.get("error_code") for one in results]


# --- what is placed ---------------------------------------------------------------------------------------------------


def test_only_what_a_ca_of_the_site_issued_is_placed(site: Site) -> None:
    results = site.place(*map(site.item, ("alice", "bob", "mallory")))
    assert kinds(results) == [None, "untrusted", "untrusted"]
    assert site.placed() == ["alice"]
    bob = "bob.p12: the certificate of /DC=org/DC=example/CN=Bob is not trusted: its issuer"
    assert results[1]["msg"].startswith(f"{bob} /DC=org/DC=example/CN=Other is not among the CAs of trust_anchors. Ask")


def test_a_self_signed_namesake_does_not_take_over_an_account(site: Site) -> None:
    """Her certificate has the subject of the one in place, and is newer and valid: no other rule refuses it."""
    site.place(site.item("alice"))
    before = (site.homes / "alice/usercert.pem").read_bytes()
    site.add("alice", pki.issue("Alice", start=0))
    assert kinds(site.place(site.item("alice"), trust_anchors=[])) == [None], "without the check"
    site.add("alice", ALICE)
    site.place(site.item("alice", allow_older=True))
    assert (site.homes / "alice/usercert.pem").read_bytes() == before
    site.add("alice", pki.issue("Alice", start=0))
    assert kinds(site.place(site.item("alice"))) == ["untrusted"]
    assert (site.homes / "alice/usercert.pem").read_bytes() == before


def test_items_may_have_cas_of_their_own_or_none(site: Site) -> None:
    items = [
        site.item("alice"),
        site.item("bob", trust_anchors=[OTHER.pem.decode()]),
        site.item("mallory", check_chain=False),
    ]
    assert kinds(site.place(*items)) == [None, None, None]
    assert kinds(site.place(items[0], trust_anchors=[])) == [None]
    assert kinds(site.place(site.item("bob"), check_chain=False)) == [None]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [None, None]),
        ({"trust_anchors_exclude": ["other"]}, [None, "untrusted"]),
        ({"trust_anchors_include": ["/DC=org/*Other"]}, ["untrusted", None]),
        ({"trust_anchors_profiles": ["classic"]}, [None, "untrusted"]),
        ({"trust_anchors_include": ["nosuch"]}, ["no_such_anchor"] * 2),
    ],
)
def test_the_filters_of_trust_anchors(site: Site, filters: dict[str, Any], expected: list[Any]) -> None:
    (site.sources / "root.info").write_text("alias = root\nstatus = accredited:classic\n")
    (site.sources / "other.pem").write_bytes(OTHER.pem)
    assert kinds(site.place(site.item("alice"), site.item("bob"), **filters)) == expected


def test_excluded_expired_cas(site: Site) -> None:
    old = pki.issue("Old", authority=True, start=-100, days=50)
    (site.sources / "old.pem").write_bytes(old.pem)
    site.add("bob", pki.issue("Bob", issuer=old))
    (told,) = site.place(site.item("bob"))
    assert "CN=Old expired on " in told["msg"]
    (told,) = site.place(site.item("bob"), trust_anchors_exclude_expired=True)
    assert "CN=Old is not among the CAs" in told["msg"]


def test_signing_policy_of_the_source(site: Site) -> None:
    (site.sources / "root.signing_policy").write_text(POLICY.replace("/DC=org/DC=example/*", "/DC=org/DC=other/*"))
    (told,) = site.place(site.item("alice"))
    assert "the signing policy of root does not let it issue to /DC=org/DC=example/CN=Alice" in told["msg"]
    assert kinds(site.place(site.item("alice"), trust_anchors=[ROOT.pem.decode()])) == [None], "there is no policy"
    inline = {"content": ROOT.pem.decode(), "subjects": ["/DC=org/DC=other/*"]}
    assert kinds(site.place(site.item("alice"), trust_anchors=[inline])) == ["untrusted"]


def test_two_signing_policies_cost_only_their_ca(site: Site) -> None:
    (site.sources / "root.signing_policy").write_text(POLICY)
    (site.sources / "other.pem").write_bytes(OTHER.pem)
    second = {"content": ROOT.pem.decode(), "subjects": ["/*"]}
    alice, bob = site.place(site.item("alice"), site.item("bob"), trust_anchors=[str(site.sources), second])
    for part in ("inline PEM", "have different signing policies", "prefer: true"):
        assert part in alice["msg"]
    assert not bob.get("failed")
    preferred = [str(site.sources), {**second, "prefer": True}]
    assert kinds(site.place(site.item("alice"), trust_anchors=preferred)) == [None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trust_anchors": [7]}, r"trust_anchors\[0\]: it must be a string or a dictionary"),
        ({"trust_anchors": [{"url": "https://a"}]}, r"trust_anchors\[0\]: a url needs a checksum"),
        ({"check_chain": "perhaps"}, "check_chain"),
    ],
)
def test_options_that_are_wrong(site: Site, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        site.place(site.item("alice"), **options)
    alice, bob = site.place(site.item("alice"), site.item("bob", **options))
    assert not alice.get("failed")
    assert re.match(rf"credentials\[1\]: .*{message}", bob["msg"])


# --- sources that cannot be read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["/nonexistent/ca.pem", {"src": "/nonexistent/ca.pem"}])
def test_without_the_sources_removals_go_on(site: Site, source: Any) -> None:
    site.place(site.item("bob"), trust_anchors=[])
    gone = {"directory": str(site.homes / "bob"), "state": "absent"}
    results = site.place(site.item("alice"), gone, trust_anchors=[source])
    assert kinds(results) == ["no_source", None]
    assert results[0]["msg"].startswith("alice.p12: trust_anchors: could not find /nonexistent/ca.pem")
    assert site.placed() == []


def test_a_source_that_is_not_what_was_published(site: Site) -> None:
    source = {"src": str(site.sources / "root.pem"), "checksum": "sha256:" + 64 * "0"}
    (told,) = site.place(site.item("alice"), trust_anchors=[source])
    assert (told["error_code"], told["msg"][:26]) == ("bad_checksum", "alice.p12: trust_anchors: ")


def damaged(one: pki.Credential) -> bytes:
    """With an extension twice, which cryptography refuses."""
    data = one.certificate.public_bytes(Encoding.DER)
    return pem.encode("CERTIFICATE", data.replace(b"\x55\x1d\x13", b"\x55\x1d\x11"))


def test_one_unreadable_ca_costs_only_its_own_users(site: Site) -> None:
    host = pki.issue("Other", authority=True, key=OTHER.key, host="ca.example.org")
    (site.sources / "other.pem").write_bytes(damaged(host))
    (site.sources / "page.pem").write_bytes(b"<html>Log in</html>")
    results = site.place(site.item("alice"), site.item("bob"))
    assert kinds(results) == [None, "untrusted"]
    assert "CN=Other is among the CAs of trust_anchors, but cannot be used: " in results[1]["msg"]
    assert "other.pem cannot be read by the library cryptography (" in results[1]["msg"]


def test_one_damaged_ca_costs_only_its_own_users(site: Site) -> None:
    bad = pki.altered(OTHER, validity=pki.validity(b"", b""))
    (site.sources / "other.pem").write_bytes(pem.encode("CERTIFICATE", bad))
    results = site.place(site.item("alice"), site.item("bob"))
    assert kinds(results) == [None, "untrusted"]
    assert "other.pem is damaged (its validity has the date" in results[1]["msg"]


def test_a_ca_with_dates_that_cryptography_refuses(site: Site) -> None:
    (site.sources / "other.pem").write_bytes(pem.encode("CERTIFICATE", pki.without_seconds(OTHER)))
    results = site.place(site.item("alice"), site.item("bob"))
    assert kinds(results) == [None, "untrusted"]
    assert "the date 2001010000Z is not in the form of RFC 5280" in results[1]["msg"]


def test_an_excluded_ca_that_cannot_be_used_is_not_among_the_cas(site: Site) -> None:
    (site.sources / "other.pem").write_bytes(pem.encode("CERTIFICATE", pki.without_seconds(OTHER)))
    (site.sources / "other.signing_policy").write_text("rubbish")
    (result,) = site.place(site.item("bob"), trust_anchors_exclude=["other"])
    assert "is not among the CAs of trust_anchors" in result["msg"]


def test_one_unreadable_ca_of_a_bundle(site: Site) -> None:
    host = pki.issue("Other", authority=True, key=OTHER.key, host="ca.example.org")
    results = site.place(site.item("alice"), site.item("bob"), trust_anchors=[(ROOT.pem + damaged(host)).decode()])
    assert kinds(results) == [None, "untrusted"]
    assert "CN=Other is among the CAs" in results[1]["msg"]


# --- CRLs -------------------------------------------------------------------------------------------------------------


def crl_name(one: pki.Credential) -> str:
    return f"{one.facts.hashes[0]}.r0"


def test_crls_of_a_directory_a_tarball_and_a_pem_file(site: Site) -> None:
    revoked = pki.revoke(ROOT, [ALICE.certificate.serial_number])
    (site.sources / crl_name(ROOT)).write_bytes(revoked)
    assert "it was revoked by" in site.place(site.item("alice"))[0]["msg"]
    bundle = site.root / "bundle.tar.gz"
    with tarfile.open(bundle, "w:gz") as archive:
        for name, data in (("root.pem", ROOT.pem), ("root.crl", revoked)):
            member = tarfile.TarInfo(f"certificates/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert "it was revoked by" in site.place(site.item("alice"), trust_anchors=[str(bundle)])[0]["msg"]
    both = (ROOT.pem + revoked).decode()
    assert "it was revoked by" in site.place(site.item("alice"), trust_anchors=[both])[0]["msg"]


def test_a_large_crl_of_a_tarball(site: Site) -> None:
    """Larger than any other file of a CA may be."""
    large = pki.revoke(ROOT, [ALICE.certificate.serial_number]) + b"\n" * (1 << 20)
    bundle = site.root / "bundle.tar.gz"
    with tarfile.open(bundle, "w:gz") as archive:
        for name, data in (("root.pem", ROOT.pem), ("root.crl", large)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert "it was revoked by" in site.place(site.item("alice"), trust_anchors=[str(bundle)])[0]["msg"]


def test_a_damaged_crl_costs_only_the_users_of_its_ca(site: Site) -> None:
    (site.sources / "other.pem").write_bytes(OTHER.pem)
    (site.sources / crl_name(OTHER)).write_bytes(pki.revoke(OTHER, [])[:-60])
    results = site.place(site.item("alice"), site.item("bob"))
    assert kinds(results) == [None, "untrusted"]
    assert f"the CRL {crl_name(OTHER)} of its issuer is truncated" in results[1]["msg"]


def test_empty_crls_of_two_cas_count_for_both(site: Site) -> None:
    """A full disk leaves several empty files."""
    (site.sources / "other.pem").write_bytes(OTHER.pem)
    for one in (ROOT, OTHER):
        (site.sources / crl_name(one)).write_bytes(b"")
    results = site.place(site.item("alice"), site.item("bob"))
    for one, told in zip((ROOT, OTHER), results):
        assert f"the CRL {crl_name(one)} of its issuer is no CRL but empty" in told["msg"]


def test_the_size_of_crls_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.sources / crl_name(ROOT)).write_bytes(pki.revoke(ROOT, list(range(1, 1000))))
    assert kinds(site.place(site.item("alice"))) == [None]
    monkeypatch.setattr(
        "ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources._MOST_CRLS", 10_000
    )
    site.begin_run()
    assert kinds(site.place(site.item("alice"), trust_anchors_exclude=["x"])) == ["too_large"]
    assert kinds(site.place(site.item("alice"), check_chain=False)) == [None]


# --- what a run with nothing to do costs ------------------------------------------------------------------------------


def test_paid_once(site: Site) -> None:
    site.add("carol", pki.issue("Carol", issuer=ROOT))
    items = [site.item("alice"), site.item("carol")]
    site.place(*items)
    assert (site.checked, site.read) == (["alice.p12", "carol.p12"], 1)
    site.begin_run()
    assert kinds(site.place(*items)) == [None, None]
    assert (site.opened, site.checked, site.read) == ([], [], 0)


def test_checked_once_for_all_hosts_of_a_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_stamps, "_TICK", 10**18)  # so that nothing is known from earlier runs
    for _host in range(3):
        site.place(site.item("alice"))
    assert (site.checked, site.read) == (["alice.p12"], 1)


def test_sources_that_changed_just_now_are_not_relied_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_stamps, "_TICK", 10**18)
    for _run in range(2):
        site.begin_run()
        site.place(site.item("alice"))
        assert site.checked == ["alice.p12"]


def test_a_new_crl_is_looked_into_and_no_archive_is_opened(site: Site) -> None:
    site.place(site.item("alice"))
    site.begin_run()
    (site.sources / crl_name(ROOT)).write_bytes(pki.revoke(ROOT, [ALICE.certificate.serial_number]))
    assert kinds(site.place(site.item("alice"))) == ["untrusted"]
    assert (site.opened, site.checked) == ([], ["alice.p12"])


def test_a_ca_that_is_no_longer_there(site: Site) -> None:
    site.place(site.item("alice"))
    site.begin_run()
    (site.sources / "root.pem").write_bytes(OTHER.pem)
    assert kinds(site.place(site.item("alice"))) == ["untrusted"]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_verdict_holds_until_time_changes_it(site: Site, monkeypatch: pytest.MonkeyPatch, is_over: bool) -> None:
    (site.sources / crl_name(ROOT)).write_bytes(pki.revoke(ROOT, [], days=5))
    site.place(site.item("alice"))
    site.begin_run()
    later = times.now() + datetime.timedelta(days=4, hours=1 if is_over else -1)
    monkeypatch.setattr(times, "now", lambda: later)
    (told,) = site.place(site.item("alice"))
    if is_over:
        assert "the CRL of its issuer /DC=org/DC=example/CN=Root expired on" in told["msg"]
    else:
        assert (told.get("error_code"), site.checked) == (None, [])


def test_one_bad_credential_does_not_have_the_others_checked_again(site: Site) -> None:
    items = [site.item("alice"), site.item("mallory")]
    site.place(*items)
    site.begin_run()
    assert kinds(site.place(*items)) == [None, "untrusted"]
    assert site.checked == ["mallory.p12"]


# --- archives on nodes, and the grid-mapfile --------------------------------------------------------------------------


def test_a_node_checks_its_own_archives(site: Site) -> None:
    items = [site.item(name, remote_src=True) for name in ("alice", "bob", "mallory")]
    gone = {"directory": str(site.homes / "carol"), "state": "absent", "remote_src": True}
    assert kinds(site.place(*items, gone)) == [None, "untrusted", "untrusted", None]
    assert site.placed() == ["alice"]
    assert len(site.sent_to_node["trusted_cas"]) == 1, "the CAs travel once for all items"
    assert kinds(site.place(*items, check_chain=False)) == [None, None, None]
    assert site.sent_to_node["trusted_cas"] == {}


def test_archives_on_nodes_without_the_sources(site: Site) -> None:
    items = [site.item("alice", remote_src=True), site.item("bob", remote_src=True, check_chain=False)]
    assert kinds(site.place(*items, trust_anchors=["/nonexistent"])) == ["no_source", None]
    assert site.placed() == ["bob"]


def test_crls_that_are_too_large_for_a_node(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.sources / crl_name(ROOT)).write_bytes(pki.revoke(ROOT, []))
    monkeypatch.setattr(trusted_cas, "_LARGEST_FOR_NODE", 100)
    (told,) = site.place(site.item("alice", remote_src=True))
    assert (told["error_code"], "too much to be sent to a node" in told["msg"]) == ("too_large", True)


def test_who_is_not_trusted_is_not_mapped(site: Site) -> None:
    options = {"path": str(site.root / "grid-mapfile"), "trust_anchors": [str(site.sources)]}

    def write(*names_of_users: str, **more: Any) -> Any:
        items = [site.item(name, owner=name) for name in names_of_users]
        return exchange.run(grid_mapfile.place(site.action(), {"credentials": items, **options, **more}), site.send)

    assert write("alice")["lines"] == ['"/DC=org/DC=example/CN=Alice" alice']
    assert "it is self-signed" in str(write("mallory"))
    assert "mallory" not in (site.root / "grid-mapfile").read_text()
    assert write("mallory", check_chain=False)["lines"] == ['"/DC=org/DC=example/CN=Alice" mallory']
