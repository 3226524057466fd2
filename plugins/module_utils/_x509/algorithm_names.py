# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name algorithms in messages by object identifier.

Sources: RFC 7292 and 8018 (encryption by passphrase), RFC 8017 (RSA), RFC 8410 (Edwards curves), SEC 2, ANSI X9.62 and
RFC 5639 (elliptic curves), RFC 9215 and 4357 (GOST), NIST's Computer Security Objects Register (AES, SHA-2, SHA-3,
ML-KEM, ML-DSA, SLH-DSA), GM/T 0006 (SM2, SM3, SM4), RFC 3657 (Camellia), RFC 4269 (SEED), RFC 5794 (ARIA).
"""

from __future__ import annotations

__all__ = ["name"]

_AES_MODES = ("ECB", "CBC", "OFB", "CFB", "wrap", "GCM", "CCM")
_SLH_DSA = [
    f"{family}-{size}" for family in ("SHA2", "SHAKE") for size in ("128s", "128f", "192s", "192f", "256s", "256f")
]
_BRAINPOOL = [f"brainpoolP{bits}{kind}1" for bits in (160, 192, 224, 256, 320, 384, 512) for kind in "rt"]
_SEC_2 = {
    1: "sect163k1",
    2: "sect163r1",
    3: "sect239k1",
    4: "sect113r1",
    5: "sect113r2",
    6: "secp112r1",
    7: "secp112r2",
    8: "secp160r1",
    9: "secp160k1",
    10: "secp256k1",
    15: "sect163r2",
    16: "sect283k1",
    17: "sect283r1",
    22: "sect131r1",
    23: "sect131r2",
    24: "sect193r1",
    25: "sect193r2",
    26: "sect233k1",
    27: "sect233r1",
    28: "secp128r1",
    29: "secp128r2",
    30: "secp160r2",
    31: "secp192k1",
    32: "secp224k1",
    33: "secp224r1",
    34: "secp384r1",
    35: "secp521r1",
    36: "sect409k1",
    37: "sect409r1",
    38: "sect571k1",
    39: "sect571r1",
}
_X9_62 = {
    **{number: f"c2pnb163v{number}" for number in (1, 2, 3)},
    4: "c2pnb176v1",
    **{4 + number: f"c2tnb191v{number}" for number in (1, 2, 3)},
    10: "c2pnb208w1",
    **{10 + number: f"c2tnb239v{number}" for number in (1, 2, 3)},
    16: "c2pnb272w1",
    17: "c2pnb304w1",
    18: "c2tnb359v1",
    19: "c2pnb368w1",
    20: "c2tnb431r1",
}
_X9_62_PRIMES = ["prime192v2", "prime192v3", "prime239v1", "prime239v2", "prime239v3"]
_NAMES = {
    # Encryption by passphrase, RFC 7292 appendix C and RFC 8018
    "1.2.840.113549.1.12.1.1": "RC4-128",
    "1.2.840.113549.1.12.1.2": "RC4-40",
    "1.2.840.113549.1.12.1.3": "3DES",
    "1.2.840.113549.1.12.1.4": "2-key 3DES",
    "1.2.840.113549.1.12.1.5": "RC2-128",
    "1.2.840.113549.1.12.1.6": "RC2-40",
    "1.2.840.113549.1.5.1": "DES with MD2",
    "1.2.840.113549.1.5.3": "DES with MD5",
    "1.2.840.113549.1.5.4": "RC2 with MD2",
    "1.2.840.113549.1.5.6": "RC2 with MD5",
    "1.2.840.113549.1.5.10": "DES with SHA-1",
    "1.2.840.113549.1.5.11": "RC2 with SHA-1",
    "1.2.840.113549.1.5.12": "PBKDF2",
    "1.2.840.113549.1.5.13": "PBES2",
    "1.2.840.113549.1.5.14": "PBMAC1",
    "1.3.6.1.4.1.11591.4.11": "scrypt",
    # Ciphers
    "1.2.840.113549.3.2": "RC2",
    "1.2.840.113549.3.4": "RC4",
    "1.2.840.113549.3.7": "3DES",
    "1.2.840.113549.3.9": "RC5",
    "1.2.840.113549.1.9.16.3.18": "ChaCha20-Poly1305",
    "1.2.840.113533.7.66.10": "CAST5",
    "1.3.14.3.2.7": "DES",
    "1.3.6.1.4.1.188.7.1.1.2": "IDEA",
    "1.3.6.1.4.1.3029.1.2": "Blowfish",
    "1.2.156.10197.1.104.2": "SM4-CBC",
    "1.2.410.200004.1.4": "SEED-CBC",
    "1.2.643.2.2.21": "GOST 28147-89",
    "1.2.643.7.1.1.5.1.1": "GOST R 34.12-2015 Magma",
    "1.2.643.7.1.1.5.1.2": "GOST R 34.12-2015 Magma",
    "1.2.643.7.1.1.5.2.1": "GOST R 34.12-2015 Kuznyechik",
    "1.2.643.7.1.1.5.2.2": "GOST R 34.12-2015 Kuznyechik",
    **{f"1.2.392.200011.61.1.1.1.{2 + one}": f"Camellia-{bits}-CBC" for one, bits in enumerate((128, 192, 256))},
    **{f"1.2.410.200046.1.1.{2 + 5 * one}": f"ARIA-{bits}-CBC" for one, bits in enumerate((128, 192, 256))},
    **{
        f"2.16.840.1.101.3.4.1.{20 * one + number}": f"AES-{bits}-{mode}"
        for one, bits in enumerate((128, 192, 256))
        for number, mode in enumerate(_AES_MODES, 1)
    },
    # Hashes, and HMACs with them
    "1.2.840.113549.2.2": "MD2",
    "1.2.840.113549.2.4": "MD4",
    "1.2.840.113549.2.5": "MD5",
    "1.3.14.3.2.26": "SHA-1",
    "1.3.36.3.2.1": "RIPEMD-160",
    "1.2.156.10197.1.401": "SM3",
    "1.2.643.2.2.9": "GOST R 34.11-94",
    "1.2.643.7.1.1.2.2": "GOST R 34.11-2012 (256 bits)",
    "1.2.643.7.1.1.2.3": "GOST R 34.11-2012 (512 bits)",
    "1.2.643.7.1.1.4.1": "HMAC with GOST R 34.11-2012 (256 bits)",
    "1.2.643.7.1.1.4.2": "HMAC with GOST R 34.11-2012 (512 bits)",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.5": "SHA-512/224",
    "2.16.840.1.101.3.4.2.6": "SHA-512/256",
    "2.16.840.1.101.3.4.2.7": "SHA3-224",
    "2.16.840.1.101.3.4.2.8": "SHA3-256",
    "2.16.840.1.101.3.4.2.9": "SHA3-384",
    "2.16.840.1.101.3.4.2.10": "SHA3-512",
    # Keys
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.7": "RSA-OAEP",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.3.1": "DH",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": "EC",
    "1.2.840.10046.2.1": "DH",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "1.2.643.2.2.19": "GOST R 34.10-2001",
    "1.2.643.2.2.20": "GOST R 34.10-94",
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012 (256 bits)",
    "1.2.643.7.1.1.1.2": "GOST R 34.10-2012 (512 bits)",
    **{f"2.16.840.1.101.3.4.4.{1 + one}": f"ML-KEM-{size}" for one, size in enumerate((512, 768, 1024))},
    **{f"2.16.840.1.101.3.4.3.{17 + one}": f"ML-DSA-{size}" for one, size in enumerate((44, 65, 87))},
    **{f"2.16.840.1.101.3.4.3.{20 + one}": f"SLH-DSA-{form}" for one, form in enumerate(_SLH_DSA)},
    # Elliptic curves
    "1.2.156.10197.1.301": "SM2",
    "1.2.250.1.223.101.256.1": "FRP256v1",
    "1.2.840.10045.3.1.1": "secp192r1",
    **{f"1.2.840.10045.3.0.{number}": curve for number, curve in _X9_62.items()},
    **{f"1.2.840.10045.3.1.{2 + one}": curve for one, curve in enumerate(_X9_62_PRIMES)},
    "1.2.840.10045.3.1.7": "secp256r1",
    **{f"1.3.132.0.{number}": curve for number, curve in _SEC_2.items()},
    **{f"1.3.36.3.3.2.8.1.1.{1 + one}": curve for one, curve in enumerate(_BRAINPOOL)},
}
_LONGEST = 64  # characters of an object identifier in a message


def name(oid: str) -> str:
    """Return the name of an algorithm; its object identifier if the name is unknown."""
    return _NAMES.get(oid, oid if len(oid) <= _LONGEST else f"{oid[:_LONGEST]}…")
