# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypt RC2 (RFC 2268) in CBC mode.

Browsers and OpenSSL before version 3 encrypted certificates by RC2 with 40 bits. cryptography opens such archives only
as a whole, and its class RC2 has 128 bits only.
"""

from __future__ import annotations

__all__ = ["decrypt_cbc"]

_BLOCK = 8  # bytes
_EXPANDED = 128  # bytes
_WORD = 0xFFFF
_ROTATIONS = (1, 2, 3, 5)
_MASHED_AFTER = (11, 5)  # in decryption, a mashing round follows these mixing rounds (counted down)
_PITABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb6266fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def decrypt_cbc(key: bytes, effective_bits: int, iv: bytes, data: bytes) -> bytes:
    """Return the plain text of all whole blocks, with the padding."""
    words, before, plain = _expand(key, effective_bits), iv, bytearray()
    for at in range(0, len(data) - _BLOCK + 1, _BLOCK):
        block = data[at : at + _BLOCK]
        plain += bytes(one ^ other for one, other in zip(_decrypt(words, block), before))
        before = block
    return bytes(plain)


def _expand(key: bytes, effective_bits: int) -> list[int]:
    expanded = bytearray(key.ljust(_EXPANDED, b"\0"))
    for at in range(len(key), _EXPANDED):
        expanded[at] = _PITABLE[(expanded[at - 1] + expanded[at - len(key)]) & 0xFF]
    size = -(-effective_bits // 8)
    expanded[_EXPANDED - size] = _PITABLE[expanded[_EXPANDED - size] & 0xFF >> (8 * size - effective_bits)]
    for at in range(_EXPANDED - size - 1, -1, -1):
        expanded[at] = _PITABLE[expanded[at + 1] ^ expanded[at + size]]
    return [expanded[at] | expanded[at + 1] << 8 for at in range(0, _EXPANDED, 2)]


def _decrypt(words: list[int], block: bytes) -> bytes:
    r = [block[at] | block[at + 1] << 8 for at in range(0, _BLOCK, 2)]
    for step in range(15, -1, -1):
        for at in (3, 2, 1, 0):
            turned = (r[at] >> _ROTATIONS[at] | r[at] << 16 - _ROTATIONS[at]) & _WORD
            mixed = words[4 * step + at] + (r[at - 1] & r[at - 2]) + (~r[at - 1] & r[at - 3])
            r[at] = (turned - mixed) & _WORD
        if step in _MASHED_AFTER:
            for at in (3, 2, 1, 0):
                r[at] = (r[at] - words[r[at - 1] & 63]) & _WORD
    return b"".join(word.to_bytes(2, "little") for word in r)
