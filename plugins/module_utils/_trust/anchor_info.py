# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the files beside a CA's certificate in a trust directory: IGTF's ``.info`` and ``.crl_url`` files.

fetch-crl(8) describes the formats.
"""

from __future__ import annotations

import itertools
import re

__all__ = ["crl_urls", "parse"]


def parse(data: bytes) -> dict[str, str]:
    """Return the values of an ``.info`` file by key. A backslash at the end continues a line."""
    lines = data.decode(errors="replace").replace("\\\n", " ").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, _equals, value in pairs}


def crl_urls(info: bytes, crl_url: bytes) -> list[list[str]]:
    """Return the URLs of each CRL of a CA. All URLs of a CRL have the same CRL.

    :param info: the ``.info`` file, which is preferred: ``crl_url``, or ``crl_url.0``, ``crl_url.1`` and so on, each
        with its URLs between semicolons or spaces. :param crl_url: the ``.crl_url`` file: a URL on each line.
    """
    stated = parse(info)
    stated.setdefault("crl_url.0", stated.get("crl_url", ""))
    numbered = itertools.takewhile(bool, (stated.get(f"crl_url.{number}") for number in itertools.count()))
    found = [[url for url in re.split(r"[;\s]+", str(urls)) if url] for urls in numbered]
    return found or [urls for urls in [_lines(crl_url)] if urls]


def _lines(data: bytes) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in data.decode(errors="replace").splitlines())
    return [line for line in lines if line]
