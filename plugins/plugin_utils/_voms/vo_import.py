# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import VOs from the present configuration of a site: vomses files, and the LSC files of their servers."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Union

from ansible_collections.grid.security.plugins.module_utils._common import listing
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._voms import vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import (
    Entry,
    Server,
    Vo,
    VomsError,
    lines,
    parse_lsc,
)

__all__ = ["read"]

_LARGEST = 1 << 20  # bytes of a file


@dataclass(frozen=True)
class _Located:
    """An entry, and its file and line in messages."""

    entry: Entry
    where: str


_Groups = dict[str, list[Union[_Located, GridSecurityError]]]


def read(
    vomses: str,
    vomsdir: str,
    chosen: list[str] | None,
    defined: Collection[str] = (),
    mistakes: Mistakes | None = None,
) -> tuple[list[Vo], list[str]]:
    """Return the VOs in the file or directory ``vomses``, with issuers from ``vomsdir``, and warnings.

    :param chosen: the VOs that are imported; None for all. :param defined: VOs that are not imported, because the user
        defines them.
    :param mistakes: gets a message for each VO that cannot be imported. If it is None, the first error is raised.
    :raises GridSecurityError: ``bad_import`` or ``bad_vo``: a file that may be about any VO cannot be read by some
        client.
    """
    hosts, groups = _lsc_hosts(vomsdir), _groups(vomses)
    names = set(chosen if chosen is not None else [*hosts, *groups]) - set(defined)
    kept = Mistakes() if mistakes is None else mistakes
    if chosen is not None and names - set(groups):
        unknown = sorted(names - set(groups))
        message = f"it has no entry of {', '.join(unknown)}. Correct import_vos, or add the entry."
        _note(_bad(vomses, message), unknown, mistakes)
    found = list(_vos({name: groups[name] for name in sorted(names & set(groups))}, vomsdir, mistakes))
    known = {(vo.name, server.host) for vo in found for server in vo.servers}
    complete = sorted(names & set(hosts) - kept.kept)
    left = [(name, host) for name in complete for host in hosts[name] if (name, host) not in known]
    kept.kept.update(name for name, _host in left if name not in groups)  # the site still uses them
    return found, list(_left_out(left, vomses, vomsdir))


def _left_out(left: list[tuple[str, str]], vomses: str, vomsdir: str) -> Iterator[str]:
    """Yield a warning about LSC files, by VO and host, for servers that have no entry."""
    if left:
        files = listing.listed([f"{name}/{host}.lsc" for name, host in left])
        yield f"{vomsdir}: not imported, because {vomses} has no entry of the VO for the server: {files}"


def _vos(groups: _Groups, vomsdir: str, mistakes: Mistakes | None) -> Iterator[Vo]:
    for name, group in groups.items():
        try:
            yield _vo(name, group, vomsdir)
        except GridSecurityError as error:
            _note(error, [name], mistakes)


def _note(error: GridSecurityError, names: list[str], mistakes: Mistakes | None) -> None:
    if mistakes is None:
        raise error
    mistakes.add(error.message, names)


def _lsc_hosts(vomsdir: str) -> dict[str, list[str]]:
    """Return the hosts with an LSC file, by VO."""
    if not os.path.isdir(vomsdir):
        raise _bad(vomsdir, "it is no directory. Name the directory with a directory for each VO, as import_vomsdir.")
    directories = [entry for entry in os.scandir(vomsdir) if entry.is_dir()]
    return {
        directory.name: sorted(name[: -len(".lsc")] for name in os.listdir(directory.path) if name.endswith(".lsc"))
        for directory in directories
    }


def _groups(vomses: str) -> _Groups:
    """Return the entries of all files, by VO, with an error in place of an entry that some client cannot read."""
    groups: _Groups = {}
    for path in _files(vomses):
        for name, located in _entries(path):
            groups.setdefault(name, []).append(located)
    return groups


def _files(path: str) -> list[str]:
    """Return the files that all clients read. Only C++ clients read hidden files."""
    if not os.path.isdir(path):
        return [path]
    paths = [os.path.join(path, name) for name in sorted(os.listdir(path)) if not name.startswith(".")]
    return [path for path in paths if os.path.isfile(path)]


def _entries(path: str) -> Iterator[tuple[str, _Located | GridSecurityError]]:
    for number, line in enumerate(lines(_bytes(path)), 1):
        where = f"{path}, line {number}"
        try:
            entry = line.parse()
        except VomsError as error:
            refused = _bad(where, f"it {error}. Correct or remove it: Java clients stop there.")
            if not line.vo:
                raise refused from error
            yield line.vo, refused
            continue
        if entry is not None:
            yield entry.vo, _Located(entry, where)


def _bytes(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _bad(path, "it is no file. Check the path.")
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise _bad(path, f"it cannot be read: {error.strerror}. Check the path.") from error
    if len(data) > _LARGEST:
        raise _bad(path, "it is larger than 1 MiB. Check the path.")
    return data


def _vo(name: str, group: list[_Located | GridSecurityError], vomsdir: str) -> Vo:
    hosts: dict[str, _Located] = {}
    for located in group:
        if isinstance(located, GridSecurityError):
            raise located
        vos.check_name(name, located.where)
        known = hosts.setdefault(located.entry.host.lower(), located)
        if known.entry != located.entry:
            raise _bad(
                located.where,
                f"its entry of {name} for {located.entry.host} differs from {known.where}. Keep one.",
            )
    vo = Vo(name, [_server(located, vomsdir) for located in hosts.values()])
    vos.check(vo, next(iter(hosts.values())).where)
    return vo


def _server(located: _Located, vomsdir: str) -> Server:
    entry = located.entry
    vos.check_host(entry.host, located.where)  # before it becomes the name of a file
    path = os.path.join(vomsdir, entry.vo, f"{entry.host}.lsc")
    if not os.path.lexists(path):
        raise _bad(located.where, f"{entry.vo} has no LSC file {path}. Add it, or leave {entry.vo} out by import_vos.")
    try:
        dn, ca_dn = parse_lsc(_bytes(path).decode(errors="replace"))
    except VomsError as error:
        raise _bad(path, f"it {error}. Correct it, or define {entry.vo} in vos.") from error
    if one_line_dn.plain(dn) != one_line_dn.plain(entry.dn):
        raise _bad(
            path,
            f"it is for {dn}, but {located.where} has {entry.dn}. Correct one of them, or define {entry.vo} in vos.",
        )
    server = Server(entry.host, entry.port, dn, ca_dn, entry.alias)
    vos.check_server(server, f"{located.where}, and {path}")
    return server


def _bad(where: str, message: str) -> GridSecurityError:
    return GridSecurityError("bad_import", f"{where}: {message}")
