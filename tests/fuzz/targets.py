# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the fuzz targets: each reader of untrusted data, with all further steps of its result.

To add a target, write a function that reads an input and returns the texts for users, and add a line in
:data:`TARGETS`.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import (
    convert,
    file_kinds,
    kdf,
    key_files,
    pkcs12,
    pkcs12_causes,
    pkcs12_contents,
    pkcs12_opened,
    pkcs12_passphrase,
    policy,
    reasons,
)
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._credential.inspectors import INSPECTORS
from ansible_collections.grid.security.plugins.module_utils._files import (
    answers,
    entries,
    manifest,
    observed,
    report,
    scan,
)
from ansible_collections.grid.security.plugins.module_utils._trust import crl_store
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    ca_certificate,
    certificates,
    chain,
    crl,
    der,
    one_line_dn,
    pem,
    safe_x509,
    signing_policy,
)
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._credential import guessing, placed_record
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_sources
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_rendering,
    anchor_selection,
    anchor_sources,
    anchor_warnings,
    anchors,
    ca_material,
    certificate_files,
    source_files,
    source_groups,
    source_options,
    source_stamps,
    trust_anchors,
    trust_report,
    trust_store,
)
from ansible_collections.grid.security.plugins.plugin_utils._voms import (
    vo_import,
    vo_purge,
    voms_comparison,
    voms_files,
    vomses,
)
from ansible_collections.grid.security.tests.fuzz import documented, mutations, seeds
from ansible_collections.grid.security.tests.fuzz.harness import Target
from ansible_collections.grid.security.tests.support import conversions, sandboxed
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer

__all__ = ["TARGETS"]

_MOST_ITERATIONS = 20_000  # the most for one input
_MOST_FILES = 20


# --- credentials ------------------------------------------------------------------------------------------------------

_OPTIONS = {
    **conversions.DEFAULTS,
    "kdf_iterations": 1000,
    "max_kdf_iterations": _MOST_ITERATIONS,
    "check_privatekey": True,
}
_FORMS: list[dict[str, Any]] = [
    {"privatekey_passphrase": seeds.STORE, "include_chain": True},
    {"encrypt_privatekey": False, "dns_name": "alice.example.org"},
    {"encrypt_privatekey": False, "privatekey_format": "traditional"},
]
_FACTS = certificates.describe(seeds.ALICE.certificate)


def _pkcs12(data: bytes) -> Iterator[str]:
    """Open an archive with each passphrase of the seeds, and write the result in every form."""
    for passphrase in (seeds.IMPORT, "password", "cryptography"):
        for form in _FORMS:
            try:
                yield from _render(data, {**form, "passphrase": passphrase}, None)
            except GridSecurityError as error:
                if error.error_code not in ("wrong_passphrase", "passphrase_required"):
                    raise
                break


def _pkcs12_parts(data: bytes) -> Iterator[str]:
    """Read an archive that cryptography does not open, and the same contents with a correct MAC."""
    yield file_kinds.describe(data)
    pfx = der.read(data)
    kdf.refuse_bombs(structure.derivations(pfx), _MOST_ITERATIONS, "alice.p12")
    cut = structure.without_mac(data)
    assert der.read(cut).children == pfx.children[:2]
    content = structure.content_of(pfx.child(1))
    if content is None:
        return
    sealed = writer.sealed(content.octets(), seeds.IMPORT.encode(), writer.Pbmac1(65))
    for one in (pfx, der.read(cut), der.read(sealed)):
        yield from _causes(one)
    pkcs12.load(sealed, seeds.IMPORT, name="alice.p12", max_kdf_iterations=_MOST_ITERATIONS)


def _causes(pfx: der.Element) -> Iterator[str]:
    for passphrase in (seeds.IMPORT, "cryptography", None):
        encodings = pkcs12_passphrase.encodings(passphrase)
        archive = pkcs12_causes.Archive(pfx, encodings, _MOST_ITERATIONS, "alice.p12")
        contents = pkcs12_contents.read(pfx, encodings, _MOST_ITERATIONS, "alice.p12")
        with contextlib.suppress(GridSecurityError):
            yield f"{pkcs12_causes.check_mac(archive)}"
        for mac_fits in (True, False, None):
            yield pkcs12_causes.find(archive, contents, mac_fits).message
        opened = pkcs12_opened.from_contents(contents)
        yield from opened.warnings
        yield f"{opened.fault_of_a_pair()}"


def _pem_pair(data: bytes) -> Iterator[str]:
    files = mutations.split(data)
    for form in _FORMS:
        options = {**form, "passphrase": seeds.IMPORT}
        yield from _render(files.get("certificate", b""), options, files.get("privatekey", b""))


def _render(data: bytes, options: dict[str, Any], privatekey: bytes | None) -> list[str]:
    """Convert in this process, so that coverage is measured and unexpected exceptions are not hidden."""
    given = {**_OPTIONS, **options}
    source = conversions.source(data, given, "alice.p12", privatekey)
    guessing.iterations(source)
    conversion = convert.convert(source)
    facts, texts = conversion.facts, conversion.warnings
    policy.days_left(facts)
    with contextlib.suppress(GridSecurityError):  # of documented kinds, see _certificate_in_place
        policy.review(facts, _FACTS, source.options)
    return [*texts, reasons.of_certificate(facts, _FACTS, check=False)]


def _certificate_in_place(data: bytes) -> Iterator[str]:
    """Read a certificate file in a home. No content may disturb the run."""
    before = certificates.present(data)
    yield reasons.of_certificate(_FACTS, before, check=True)
    policy.review(_FACTS, before, conversions.options(**_OPTIONS))


def _file_in_place(data: bytes) -> Iterator[str]:
    """Read the parts of a replaced file that leave the worker, and the facts of a file in a directory of root."""
    entry = entries.Entry("/home/alice/.globus/usercert.pem", observe=True)
    step = entries.Step(entry, observed.Observed("file", content=data), ["content replaced"], rewrite=True)
    yield report.diff(step, {}, for_other_user=True, inspectors=INSPECTORS)["prepared"]
    yield f"observed: {INSPECTORS.public_part(data).decode()}"
    yield f"{INSPECTORS.describe_linked(data)}"


def _lines_in_place(data: bytes) -> list[str]:
    return [*_planted(data), *seeds.private_key().decode().splitlines()[1:3]]  # the others hold the public key


def _answer(data: bytes) -> Iterator[str]:
    """Check that a cleaned answer is the same after a second cleaning, and that Ansible accepts it."""
    passed = answers.decode(data, answers.USUAL)
    if answers.checked(passed, answers.LARGEST) != passed:
        raise ValueError("it is changed once more")
    yield json.dumps(passed, ensure_ascii=False).encode().decode()[:1000]


def _key_in_place(data: bytes) -> Iterator[str]:
    """Read a key file in place, whose protection a run reports."""
    found = key_files.describe(data)
    for wanted in ({"kind": "plain"}, {"kind": "encrypted", "salt": "00" * 16, "iterations": 600_000}):
        yield reasons.of_privatekey(wanted, found, same_certificate=True, check=False)
    yield str(found)


def _placed_record(data: bytes) -> Iterator[str]:
    """Read a node's record of placed credentials. A valid record can be written and read again."""
    record = placed_record.decode(data)
    assert placed_record.decode(placed_record.encode(record)) == record
    for placement, fingerprints in record.items():
        yield from (placement.owner, *fingerprints)


def _planted(_data: bytes) -> list[str]:
    return [seeds.IMPORT, seeds.STORE, seeds.SECRET_NUMBER.decode(), seeds.SECRET_NUMBER.hex()]


def _lines_of_key(data: bytes) -> list[str]:
    key = mutations.split(data).get("privatekey", b"")
    return [*_planted(data), *(line.decode("latin-1") for line in key.splitlines() if len(line) > 40)]


# --- trust anchors ----------------------------------------------------------------------------------------------------

_ANCHOR_KINDS = documented.kinds(
    anchor_sources.read,
    anchor_reading.collect,
    anchor_selection.refuse,
    anchor_selection.select,
    anchor_selection.check,
)
_SOURCE = {name: spec.get("default") for name, spec in source_options.SOURCE.items()}
_ANCHOR = anchors.Anchor("ca", seeds.AUTHORITY.facts, b"", {"crl_url": b"http://x"}, set(), "ca")
(_POINT,) = crl_sources.distribution_points([_ANCHOR])
_FILTERS = {
    **{name: spec.get("default") for name, spec in trust_anchors.OPTIONS.items()},
    "exclude": ["0*", "/CN=[x]*"],
    "exclude_expired": True,
    "bundle_path": "/etc/pki/bundle.pem",
    "java_truststore_path": "/etc/pki/java.p12",
}
_ANY = {**_FILTERS, "exclude": [], "exclude_expired": False}


def _anchors(data: bytes) -> list[str]:
    files = mutations.split(data)
    own = {name: content for name, content in files.items() if name.startswith("b")}
    rest = {name: content for name, content in files.items() if name not in own}
    return _placed(
        [anchor_sources.Group("bundle", "classic", rest), anchor_sources.Group("own", "", own, ["/DC=org/*"])]
    )


def _certificate_file(data: bytes) -> Iterator[str]:
    """Read a file that is a source of CAs."""
    for one in certificate_files.complete(data):
        if one.der:
            (again,) = certificate_files.read(one.text)
            assert again.der == one.der
    yield from certificate_files.orphans(mutations.split(data))
    source = {**_SOURCE, "url": "https://example.org/ca"}
    yield from _placed(anchor_sources.read(source, str, lambda _url: data))


def _directory(root: Path) -> list[str]:
    """Read a tree of files, and its stamp."""
    source = {**_SOURCE, "src": str(root)}
    source_stamps.take(SimpleNamespace(find=str), [source])
    return _placed(anchor_sources.read(source, str, lambda _url: b"", crls=True))


def _tarball(data: bytes) -> list[str]:
    source = {**_SOURCE, "url": "https://example.org/bundle.tar.gz"}
    return _placed(anchor_sources.read(source, str, lambda _url: data))


def _placed(groups: list[anchor_sources.Group]) -> list[str]:
    action = SimpleNamespace(find=str)
    with mock.patch.object(anchor_sources, "read", lambda *_arguments: groups):
        source_groups.key_parts(source_groups.read(action, [_SOURCE]))  # type: ignore[arg-type]
    found = anchor_reading.collect(groups)
    crl_sources.distribution_points(anchor_selection.select(found.anchors, _FILTERS, found.unusable))
    skipping = {**_FILTERS, "on_unreadable": "skip"}
    warnings: list[str] = anchor_rendering.render(groups, skipping, "Debian")["warnings"]
    return warnings + list(anchor_rendering.render(groups, _FILTERS, "Debian")["warnings"])


def _ca_certificate(data: bytes) -> list[str]:
    found = ca_certificate.read(data)
    assert ca_certificate.subject(data) == found.subject
    anchor = anchors.Anchor("ca", found, found.pem, {}, set(), "ca")
    return [*anchor_warnings.lines([anchor]), *trust_store.layout([anchor])]


def _chain(data: bytes) -> Iterator[str]:
    """Check the certificates of an archive with the CAs of a site."""
    files = mutations.split(data)
    blocks = [block for block in pem.blocks(files.pop("chain", b"")) if block.label == "CERTIFICATE"]
    crls = {name: content for name, content in files.items() if source_files.is_crl(name)}
    rest = {name: content for name, content in files.items() if name not in crls}
    trusted = ca_material.from_groups([anchor_sources.Group("bundle", "classic", rest, crls=crls)], _ANY)
    try:
        leaf, *others = [safe_x509.load(block.data) for block in blocks]
    except (safe_x509.CertificateError, ValueError):  # such an archive is refused before
        return
    chain.verify("alice", [leaf, *convert._possible_issuers(leaf, tuple(others))], trusted, times.now())
    yield from (one["problem"] for one in [*trusted["cas"], *trusted["crls"]] if one["problem"])


def _trust_directory(root: Path) -> Iterable[str]:
    """Read a node's answer about its trust directory, as the controller does."""
    found = scan.scan(str(root), trust_store.PATTERNS, INSPECTORS, observe=True)
    manifest.digest(found)
    scan.missing(found, str(root / "bundle"), INSPECTORS)
    directory = ManagedDirectory("trust anchors", "/etc/certificates", trust_store.PATTERNS, {})
    update = trust_store.update(directory, {"changed": True, "found": found})
    trust_report.result([update], [], diff=True)
    return crl_store.warnings(crl_store.survey(str(root), 24, times.now()))


def _crl(data: bytes) -> list[str]:
    found = crl.read(data)
    facts = crl.facts(found)
    times.parse_iso(facts["this_update"])
    times.parse_iso(facts["next_update"] or facts["this_update"])
    crl_sources.check(data, _POINT, times.now())
    return [str(facts)]


# --- text files -------------------------------------------------------------------------------------------------------


def _signing_policy(data: bytes) -> Iterable[str]:
    for dn, patterns in signing_policy.parse(data.decode(errors="replace")).items():
        signing_policy.parse(signing_policy.compose(dn, patterns))
    return ()


def _dn(data: bytes) -> Iterable[str]:
    dn = one_line_dn.read(data.decode(errors="replace"))
    assert dn.startswith("/")
    # A backslash before a slash in a value looks like a backslash that OpenSSL 3 prints.
    assert "\\" in dn or one_line_dn.plain(one_line_dn.spellings(dn)[-1]) == dn
    return ()


def _gridmap(data: bytes) -> Iterable[str]:
    mappings = [gridmap.parse(line) for line in data.decode(errors="replace").split("\n") if line]
    written = gridmap.read(gridmap.render(mappings))
    assert {one_line_dn.comparable(one.dn) for one in written} == {one_line_dn.comparable(one.dn) for one in mappings}
    return ()


def _vomses(data: bytes) -> Iterator[str]:
    """Search other files on a node for managed VOs, and read the lines as clients do."""
    vo = vomses.Vo("vo", [vomses.Server("voms.example.org", 443, "/CN=voms", "/CN=CA", "vo")])
    files = {name: file_facts.of_file(content) for name, content in mutations.split(data).items()}
    found = Compared(voms_files.vomses_directory([vo], "/etc/vomses"), {"seen": "digest", "found": files})
    lsc = voms_files.lsc_directory(vo, "/etc/grid-security/vomsdir")
    named = voms_comparison.ComparedVo(vo, Compared(lsc, {"seen": "digest", "found": {}}))
    comparison = voms_comparison.Comparison(found, [named])
    yield from map(str, comparison.file_sets)
    for change in comparison.changes:
        yield from change.diff.splitlines()
    vomses_files = vo_purge.VomsesFiles("/etc/vomses", files)
    seen = Compared(lsc, {"found": {f"{name}.lsc": facts for name, facts in files.items()}})
    for name in vomses_files.by_vo:
        yield from vo_purge._foreign_files(name, seen, vomses_files)
    yield from (complaint for name, facts in files.items() for complaint in voms_comparison._complaints(name, facts))


def _vo_import(root: Path) -> list[str]:
    if not (root / "vomsdir").exists():
        (root / "vomsdir").mkdir()
    return vo_import.read(str(root / "vomses"), str(root / "vomsdir"), None)[1]


def _in_directory(read: Callable[[Path], Iterable[str]]) -> Callable[[bytes], Iterable[str]]:
    """Wrap a reader of files: write the files of an input to a new directory, and read this directory."""

    def run(data: bytes) -> Iterable[str]:
        fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=fast) as directory:
            for name, content in list(mutations.split(data).items())[:_MOST_FILES]:
                _write(Path(directory), name, content)
            return read(Path(directory))

    return run


def _write(root: Path, name: str, content: bytes) -> None:
    path = Path(os.path.normpath(root / name.lstrip("/")))
    if root not in path.parents:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError:  # the name is too long, or is a directory already
        return


_ALL = (
    Target(
        "pkcs12",
        _pkcs12,
        seeds.archives,
        mutations.asn1,
        documented.kinds(convert.convert, sandboxed.run),
        secrets=_planted,
    ),
    Target(
        "pkcs12_parts",
        _pkcs12_parts,
        seeds.unusual_archives,
        mutations.asn1,
        documented.kinds(pkcs12.load),
        errors=(der.DerError,),
        secrets=_planted,
    ),
    Target(
        "pem_pair",
        _pem_pair,
        seeds.key_pairs,
        mutations.sections(mutations.pem_text),
        documented.kinds(convert.convert, sandboxed.run),
        secrets=_lines_of_key,
    ),
    Target(
        "certificate_in_place",
        _certificate_in_place,
        seeds.certificates,
        mutations.pem_text,
        documented.kinds(policy.review),
    ),
    Target("file_in_place", _file_in_place, seeds.files_in_place, mutations.pem_text, secrets=_lines_in_place),
    Target("answer", _answer, seeds.answers, mutations.text, errors=(answers.AnswerError,)),
    Target("key_in_place", _key_in_place, seeds.stored_keys, mutations.either(mutations.pem_text, mutations.text)),
    Target("placed_record", _placed_record, seeds.records, mutations.text, errors=(ValueError,)),
    Target("anchors", _anchors, seeds.anchors, mutations.sections(mutations.pem_text), _ANCHOR_KINDS),
    Target(
        "ca_certificate",
        _ca_certificate,
        seeds.ca_certificates,
        mutations.asn1,
        errors=(ca_certificate.UnreadableError,),
    ),
    Target(
        "chain",
        _chain,
        seeds.chains,
        mutations.sections(mutations.pem_text),
        documented.kinds(chain.verify, ca_material.from_groups),
    ),
    Target(
        "certificate_file",
        _certificate_file,
        seeds.certificate_files,
        mutations.either(mutations.asn1, mutations.pem_text),
        _ANCHOR_KINDS,
    ),
    Target(
        "directory",
        _in_directory(_directory),
        seeds.directories,
        mutations.sections(mutations.pem_text),
        _ANCHOR_KINDS,
    ),
    Target("tarball", _tarball, seeds.tarballs, mutations.tarball, _ANCHOR_KINDS),
    Target(
        "trust_directory",
        _in_directory(_trust_directory),
        seeds.trust_directories,
        mutations.sections(mutations.pem_text),
        documented.kinds(crl_store.survey),
    ),
    Target("crl", _crl, seeds.crls, mutations.either(mutations.asn1, mutations.pem_text), errors=(crl.CrlError,)),
    Target("signing_policy", _signing_policy, seeds.policies, mutations.text, errors=(signing_policy.PolicyError,)),
    Target("dn", _dn, seeds.dns, mutations.text, errors=(one_line_dn.DnError,)),
    Target("vomses", _vomses, seeds.vomses_files, mutations.sections(mutations.text)),
    Target(
        "vo_import",
        _in_directory(_vo_import),
        seeds.vo_directories,
        mutations.sections(mutations.text),
        documented.kinds(vo_import.read),
    ),
    Target("gridmap", _gridmap, seeds.gridmaps, mutations.text, documented.kinds(gridmap.parse)),
)
TARGETS = {target.name: target for target in _ALL}
