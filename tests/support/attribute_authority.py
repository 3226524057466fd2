# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace a VOMS server, which needs a database, by a server that sends prepared attribute certificates.

Runs on a node, with its host credential: ``attribute_authority.py PORT HOSTCERT HOSTKEY CA ATTRIBUTES``. ATTRIBUTES is
a directory with a file ``<common name>.pem`` for each user, in the form of ``voms-proxy-fake -separate``. The
clients' request and the answer follow VOMS's ``vomsd-rest.cc`` and ``vomsdata::ContactRESTRaw``.
"""

from __future__ import annotations

import http.server
import ssl
import sys
from pathlib import Path
from typing import Any

_ALLOW_PROXY_CERTS = 0x40  # X509_V_FLAG_ALLOW_PROXY_CERTS, openssl/x509_vfy.h


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer each ``GET /generate-ac`` with the user's attributes. The parameters are ignored."""

    protocol_version = "HTTP/1.1"  # C clients accept no other answer
    attributes: Path

    def parse_request(self) -> bool:
        self.raw_requestline = self.raw_requestline.removeprefix(b"0")  # C clients refuse a delegation with this byte
        return super().parse_request()

    def do_GET(self) -> None:
        """Return the attributes of the user whom TLS has authenticated."""
        status, body = self._attributes()
        self.send_response(status)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _attributes(self) -> tuple[int, bytes]:
        for name in _common_names(self.connection.getpeercert()):
            path = self.attributes / f"{name}.pem"
            if path.is_file():
                base64 = [line for line in path.read_text().splitlines() if not line.startswith("-----")]
                return 200, _answer("<ac>" + "\n".join(base64) + "\n</ac>")
        return 403, _answer("<error><code>NoSuchUser</code><message>unknown</message></error>")


def _answer(content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<voms>{content}</voms>'.encode()


def _common_names(certificate: Any) -> list[str]:
    """Return the user's common name from a proxy certificate. The subject of a proxy has one more name at its end."""
    return [value for rdn in certificate["subject"] for key, value in rdn if key == "commonName"]


def main(port: str, certificate: str, key: str, authority: str, attributes: str) -> None:
    """Serve until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(_ALLOW_PROXY_CERTS)
    Handler.attributes = Path(attributes)
    with http.server.ThreadingHTTPServer(("", int(port)), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
