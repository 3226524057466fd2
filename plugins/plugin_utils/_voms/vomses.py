# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the files of VOMS clients: servers of VOs (vomses), and the DNs of trusted servers (LSC).

A line of a vomses file is ``"alias" "host" "port" "server DN" "vo"``. A sixth field may follow, which was a version of
Globus. Clients skip empty lines and lines that start with ``#``. Java clients (VOMSESLineParser of voms-api-java) stop
at any other line. C++ clients (vomsdata::loadfile0 of voms) accept lines with five fields. An LSC file has two lines:
the DN of the server's certificate and the DN of its issuer (DefaultLSCFileParser, vomsdata::check_from_file).
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
    """The mistake in a line or file, in words that follow its name."""


@dataclass(frozen=True)
class Entry:
    """An entry of a vomses file."""

    alias: str
    host: str
    port: int
    dn: str
    vo: str

    def __str__(self) -> str:
        return f'"{self.alias}" "{self.host}" "{self.port}" "{self.dn}" "{self.vo}"\n'


@dataclass(frozen=True)
class Server:
    """A VOMS server: its host and port, the DN of its certificate, and the DN of the CA that issued the certificate.

    :param alias: the name by which users select this server, most often the name of the VO.
    """

    host: str
    port: int
    dn: str
    ca_dn: str
    alias: str

    @property
    def lsc(self) -> str:
        """The content of the LSC file. C++ clients cannot read comments, and Java clients cannot read two chains."""
        return f"{self.dn}\n{self.ca_dn}\n"


@dataclass(frozen=True)
class Vo:
    """A virtual organization. The files of a VO without servers are removed."""

    name: str
    servers: list[Server]

    @property
    def vomses(self) -> str:
        """The content of the vomses file, with a line for each server."""
        return "".join(
            str(Entry(server.alias, server.host, server.port, server.dn, self.name)) for server in self.servers
        )


@dataclass(frozen=True)
class Line:
    """A line of a vomses file, with its line end."""

    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace").rstrip("\r\n")

    @property
    def is_skipped(self) -> bool:
        """Whether clients skip the line."""
        return self.text.startswith("#") or not self.text.strip()

    @property
    def fields(self) -> list[str]:
        """The texts in quotes; empty if no client reads the line as an entry."""
        found = [] if self.is_skipped else _FIELD.findall(self.text)
        return found if len(found) >= _LEAST_FIELDS else []

    @property
    def vo(self) -> str | None:
        """The VO of the entry; None if the line is no entry."""
        return self.fields[4] if self.fields else None

    def parse(self) -> Entry | None:
        """Return the entry; None if clients skip the line.

        :raises VomsError: some client cannot read the line.
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
    """Return the lines of a vomses file."""
    return [Line(raw) for raw in data.splitlines(keepends=True)]


def parse_lsc(text: str) -> tuple[str, str]:
    """Return the DNs of a server and its issuer from an LSC file.

    :raises VomsError: some client cannot read the file, or the file has more than these DNs.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            raise VomsError(f"has a comment in line {number}, which C++ clients read as a DN")
        if line.startswith("-"):
            raise VomsError(f"has more than one chain (line {number}), which Java clients mix up")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or not all(line.startswith("/") for line in lines):
        raise VomsError("must have two lines, the DN of the server and the DN of its issuer")
    return lines[0], lines[1]
