# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and check the definitions of VOs. Clients are strict, and their messages about mistakes are short."""

from __future__ import annotations

import re
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._action import templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import validated
from ansible_collections.grid.security.plugins.plugin_utils._voms import known_vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import LAST_PORT, Server, Vo

__all__ = ["check", "check_host", "check_name", "check_server", "define", "is_name"]

VO: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "alias": {"type": "str"},
    "servers": {"type": "list", "elements": "dict", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
SERVER: dict[str, dict[str, Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "dn": {"type": "str", "required": True},
    "ca_dn": {"type": "str", "required": True},
    "alias": {"type": "str"},
}

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
_ALIAS = re.compile("[!#-9;-~]+")  # no space, quote or colon, because users write ALIAS:/group
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?!.{{254}})({_LABEL}\.)*(?![0-9]+$){_LABEL}")  # RFC 1035, 2.3.4
_DN = re.compile("/[A-Za-z0-9.]+=[ !#-~]*[!#-~]")


def define(given: list[Any], mistakes: Mistakes | None = None) -> list[Vo]:
    """Return the VOs of the option ``vos``.

    :param mistakes: gets a message for each wrong VO. If it is None, the first error is raised.
    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    :raises GridSecurityError: ``bad_vo``: a client or this module cannot use the definition.
    """
    vos: dict[str, Vo] = {}
    for number, item in enumerate(given):
        try:
            vo = _define(item, f"vos[{number}]")
            if vo.name in vos:
                raise _bad(f"vos[{number}]", f"{vo.name} is defined twice. Merge both into one, with all servers.")
        except (AnsibleActionFail, GridSecurityError) as error:
            if mistakes is None:
                raise
            mistakes.add(str(error), _names_of(item))
        else:
            vos[vo.name] = vo
    return list(vos.values())


def _names_of(given: Any) -> list[str]:
    """Return the name of a VO with a wrong definition; empty if the name cannot be read."""
    name = given.get("name") if isinstance(given, dict) else given
    return [name] if isinstance(name, str) and name else []


def _define(given: Any, where: str) -> Vo:
    if isinstance(given, str):
        return _ready(given, where)
    if not isinstance(given, dict):
        raise AnsibleActionFail(f"{where}: it must be a name or a dictionary.")
    named = f"{where} ({given['name']})" if is_name(str(given.get("name", ""))) else where
    if templates.UNREADABLE in given:
        raise AnsibleActionFail(f"{named}: {given[templates.UNREADABLE]}")
    options = validated(VO, given, f"{named}: ")
    check_name(options["name"], where)
    where = f"{where} ({options['name']})"
    if options["state"] == "absent":
        return Vo(options["name"], [])
    servers = [_server(server, options, f"{where}: servers[{i}]") for i, server in enumerate(options["servers"])]
    check(Vo(options["name"], servers), where)
    return Vo(options["name"], servers)


def _ready(name: str, where: str) -> Vo:
    known = known_vos.find(name)
    if known is None:
        server = "{host: voms.example.org, port: 15000, dn: /DC=org/.../CN=voms.example.org, ca_dn: /DC=org/.../CN=CA}"
        raise _bad(
            where,
            f"{name!r} is none of the VOs that this collection knows. {known_vos.closest(name)}. For another VO, give"
            f" its servers: {{name: {name}, servers: [{server}]}}.",
        )
    return known


def _server(given: dict[str, Any], vo: dict[str, Any], where: str) -> Server:
    options = validated(SERVER, given, f"{where}: ")
    alias = options["alias"] or vo["alias"] or vo["name"]
    dn, ca_dn = (_read_dn(options[name], f"{where}: {name}") for name in ("dn", "ca_dn"))
    server = Server(options["host"], options["port"], dn, ca_dn, alias)
    check_server(server, where)
    return server


def check(vo: Vo, where: str) -> None:
    """Check a VO whose name and servers have been checked.

    :param where: the start of messages.
    :raises GridSecurityError: ``bad_vo``: the VO has no servers, or has a server twice.
    """
    if not vo.servers:
        ready = f" This collection knows them: write just {vo.name}." if known_vos.find(vo.name) else ""
        raise _bad(where, f"it has no servers. Name them, or set state: absent.{ready}")
    hosts: set[str] = set()
    for server in vo.servers:
        if server.host.lower() in hosts:
            raise _bad(where, f"server {server.host} is given twice, but it can have only one LSC file. Leave one out.")
        hosts.add(server.host.lower())


def is_name(name: str) -> bool:
    """Return whether this can be the name of a VO and of a file."""
    return bool(_NAME.fullmatch(name))


def check_name(name: str, where: str) -> None:
    """Refuse a text that cannot be the name of a VO and of a file.

    :raises GridSecurityError: ``bad_vo``.
    """
    if not is_name(name):
        raise _bad(where, f"{name!r} is no name of a VO. It has only letters, digits, dots, hyphens and underscores.")


def check_host(host: str, where: str) -> None:
    """Refuse a text that cannot be the name of a host and of a file.

    :raises GridSecurityError: ``bad_vo``.
    """
    if not _HOST.fullmatch(host):
        raise _bad(where, f"{host!r} is no host name. Write the name alone: no URL, no address, and the port in port.")


def check_server(server: Server, where: str) -> None:
    """Refuse a server that some client could not reach, or whose files it could not read.

    :raises GridSecurityError: ``bad_vo``.
    """
    check_host(server.host, where)
    if not 1 <= server.port <= LAST_PORT:
        raise _bad(where, f"{server.port} is no port. Give a number between 1 and {LAST_PORT}.")
    if not _ALIAS.fullmatch(server.alias):
        raise _bad(where, f"{server.alias!r} is no alias. Leave out spaces, quotes and colons.")
    _check_dn(server.dn, f"{where}: dn")
    _check_dn(server.ca_dn, f"{where}: ca_dn")


def _read_dn(text: str, where: str) -> str:
    try:
        return one_line_dn.read(text)
    except one_line_dn.DnError as error:
        raise _bad(where, f"{error}.") from None


def _check_dn(dn: str, where: str) -> None:
    if not _DN.fullmatch(dn):
        raise _bad(
            where,
            f"{dn!r} is no OpenSSL one-line DN, such as /DC=org/DC=example/CN=voms.example.org. It has no quotes, line"
            r" breaks or space at the end. Characters other than ASCII are written as \xNN.",
        )


def _bad(where: str, message: str) -> GridSecurityError:
    return GridSecurityError("bad_vo", f"{where}: {message}")
