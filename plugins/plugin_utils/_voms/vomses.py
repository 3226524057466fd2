# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that VOMS clients read: the servers of a VO (vomses), and whose signature on its attributes counts (LSC).

A line of a vomses file is ``"alias" "host" "port" "server DN" "vo"``; a sixth field, once a version of Globus, may
follow. Clients skip empty lines, and those that start with ``#``. Java ones (VOMSESLineParser of voms-api-java) stop at
any other line, C++ ones (vomsdata::loadfile0 of voms) take what has five fields. An LSC file holds the DN of the
server's certificate, and below it that of its issuer (DefaultLSCFileParser, vomsdata::check_from_file).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LAST_PORT", "Entry", "Line", "Server", "Vo", "VomsError", "lines", "parse_lsc"]

LAST_PORT = 65535
_FIELD = re.compile(r'"([^"]*)"')
_LEAST_FIELDS = 5
_PORT = re.compile("[0-9]{1,5}")


class VomsError(ValueError):
    """What is wrong with a line or file, in words that fit behind its name."""


@dataclass(frozen=True)
class Entry:
    """A line of a vomses file."""

    alias: str
    host: str
    port: int
    dn: str
    vo: str

    def __str__(self) -> str:
        return f'"{self.alias}" "{self.host}" "{self.port}" "{self.dn}" "{self.vo}"\n'


@dataclass(frozen=True)
class Server:
    """A VOMS server: how it is reached, the DN of its certificate, and that of the CA that issued it.

    :param alias: what users call the VO when they want this server; most often its name.
    """

    host: str
    port: int
    dn: str
    ca_dn: str
    alias: str

    @property
    def lsc(self) -> str:
        """The content of its LSC file. A comment would break C++ clients, a second chain Java ones."""
        return f"{self.dn}\n{self.ca_dn}\n"


@dataclass(frozen=True)
class Vo:
    """A virtual organization; without servers, one that is to be unknown."""

    name: str
    servers: list[Server]

    @property
    def vomses(self) -> str:
        """The content of its vomses file, a line for each server."""
        return "".join(
            str(Entry(server.alias, server.host, server.port, server.dn, self.name)) for server in self.servers
        )


@dataclass(frozen=True)
class Line:
    """A line of a vomses file as it is, with its end."""

    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace").rstrip("\r\n")

    @property
    def is_skipped(self) -> bool:
        """Whether clients skip it."""
        return self.text.startswith("#") or not self.text.strip()

    @property
    def fields(self) -> list[str]:
        """What stands in quotes; nothing if no client takes the line for an entry."""
        found = [] if self.is_skipped else _FIELD.findall(self.text)
        return found if len(found) >= _LEAST_FIELDS else []

    @property
    def vo(self) -> str | None:
        """The VO of the entry, if it is one."""
        return self.fields[4] if self.fields else None

    def parse(self) -> Entry | None:
        """The entry, if every client can read it; None if they skip the line.

        :raises VomsError: some client cannot read it.
        """
        if self.is_skipped:
            return None
        if self.text.count('"') % 2 or len(self.fields) not in (5, 6) or not all(self.fields):
            raise VomsError('is not of the form "alias" "host" "port" "server DN" "vo"')
        alias, host, port, dn, vo = self.fields[:5]
        if not _PORT.fullmatch(port) or not 1 <= int(port) <= LAST_PORT:
            raise VomsError(f"has {port!r} for a port")
        return Entry(alias, host, int(port), dn, vo)


def lines(data: bytes) -> list[Line]:
    """The lines of a vomses file."""
    return [Line(raw) for raw in data.splitlines(keepends=True)]


def parse_lsc(text: str) -> tuple[str, str]:
    """The DNs of a server and its issuer, from an LSC file that every client can read.

    :raises VomsError: some client cannot read it, or it says more than that.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            raise VomsError(f"has a comment in line {number}, which C++ clients take for a DN")
        if line.startswith("-"):
            raise VomsError(f"has more than one chain (line {number}), which Java clients do not tell apart")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or not all(line.startswith("/") for line in lines):
        raise VomsError("does not consist of two lines, the server's DN and that of its issuer")
    return lines[0], lines[1]
