# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check detached signatures with gpg and its status lines.

The exit status of gpg is 0 for a good signature by a key that is revoked or has expired. Only status lines report that.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import subprocess
import tempfile
import time

__all__ = ["NoGpgError", "SignatureError", "verify"]

_TIMEOUT = 60  # seconds
_MOST_MEMORY = 1 << 30  # bytes
_MOST_OUTPUT = 4 << 20  # bytes of status lines and messages: some hundreds for a signature, two hundred for a key
_LARGEST_SIGNATURE = 1 << 20  # bytes
_LARGEST_KEYRING = 64 << 20  # bytes; that of all of Debian has 30 MB
_MOST_SAID = 500  # characters of gpg's messages that are quoted
_STATUS = "[GNUPG:] "
_NO_KEY = "9"  # the reason in ERRSIG
_REMEDY = "Fetch both files again, or check keyring."
_BAD = {
    "REVKEYSIG": "is by the revoked key {key}, which others may have. Ask the publisher for a signature by the new key,"
    " and update keyring.",
    "EXPKEYSIG": "is by the key {key}, which has expired. Ask the publisher for the renewed key, and update keyring.",
    "EXPSIG": "by the key {key} has expired. Ask the publisher for a new one.",
    "BADSIG": f"by the key {{key}} does not fit: the file was changed or damaged. {_REMEDY}",
}


class NoGpgError(Exception):
    """There is no gpg on this machine."""


class SignatureError(Exception):
    """The reason why a signature is not valid, in words that follow its name, and the remedy."""


def verify(data: bytes, signature: str, keyring: str) -> None:
    """Check that all signatures in a file are good, by keys in the keyring that are valid now.

    gpg gets an empty home directory, so that no other keys count.

    :param signature: path of the detached signature. :param keyring: path of the public keys, armoured or not.
    :raises NoGpgError: gpg is not installed. :raises SignatureError: the signature is not valid.
    """
    _check_size(keyring, _LARGEST_KEYRING, "keyring")
    _check_size(signature, _LARGEST_SIGNATURE, "signature")
    with tempfile.TemporaryDirectory(prefix="grid-security-") as home:
        path = os.path.join(home, "signed")
        with open(path, "wb") as stream:
            stream.write(data)
        imported = _Gpg(home, ["--import", "--", os.path.abspath(keyring)])
        verified = _Gpg(home, ["--trust-model", "always", "--verify", "--", os.path.abspath(signature), path])
    _judge(verified, imported, keyring)


def _check_size(path: str, largest: int, option: str) -> None:
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise SignatureError(f"cannot be checked: {path} cannot be read: {error.strerror}. Check {option}.") from error
    if size > largest:
        raise SignatureError(f"cannot be checked: {path} is larger than {largest >> 20} MiB. Check {option}.")


def _judge(verified: _Gpg, imported: _Gpg, keyring: str) -> None:
    """Refuse signatures that are not all good.

    :raises SignatureError: a signature is not good, or there is none.
    """
    statuses = verified.statuses
    for keyword, *rest in statuses:
        if keyword in _BAD:
            raise SignatureError(_BAD[keyword].format(key=rest[0] if rest else "?"))
    for keyword, *rest in statuses:
        if keyword == "ERRSIG":
            raise SignatureError(_unknown(rest, imported, keyring))
    keywords = [words[0] for words in statuses]
    good = keywords.count("GOODSIG")
    if verified.status != 0 or not good or keywords.count("VALIDSIG") != good:
        said = (imported if imported.status else verified).said
        raise SignatureError(f"is not good by the keys in {keyring}. {_REMEDY} gpg says: {said}")


def _unknown(rest: list[str], imported: _Gpg, keyring: str) -> str:
    """:param rest: of ERRSIG: key, algorithms, class, time, reason, fingerprint."""
    key, reason = rest[0] if rest else "?", rest[5] if len(rest) > 5 else ""
    if reason != _NO_KEY:
        return f"by the key {key} cannot be checked: gpg knows no such algorithm, or refuses it. {_REMEDY}"
    said = f" gpg says: {imported.said}" if imported.status else ""
    return f"is by the key {key}, which is not in {keyring}. {_REMEDY}{said}"


class _Gpg:
    """A finished run of gpg. :ivar status: its exit status. :ivar statuses: the words of each status line.

    :ivar said: the end of its standard error.
    """

    def __init__(self, home: str, arguments: list[str]) -> None:
        options = ["--batch", "--no-options", "--no-autostart", "--disable-dirmngr", "--no-auto-key-retrieve"]
        command = ["gpg", *options, "--status-fd", "1", "--homedir", home, *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
        try:
            with subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                try:
                    _limit_memory(process.pid)
                    out, err = _read(process)
                finally:
                    process.kill()  # if it is still there
        except FileNotFoundError:
            raise NoGpgError from None
        self.status = process.returncode
        lines = out.decode(errors="replace").split("\n")
        self.statuses = [line[len(_STATUS) :].split() for line in lines if line.startswith(_STATUS)]
        self.statuses = [words for words in self.statuses if words]
        self.said = err.decode(errors="replace").strip()[-_MOST_SAID:]


def _limit_memory(pid: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or it has ended
        resource.prlimit(pid, resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


def _read(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return the standard output and the standard error of the process.

    :raises SignatureError: it takes too long, or writes too much.
    """
    deadline = time.monotonic() + _TIMEOUT
    output = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting:
        for stream in output:
            waiting.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
        while waiting.get_map():
            events = waiting.select(max(0.0, deadline - time.monotonic()))
            if not events:
                raise SignatureError(f"cannot be checked: gpg took longer than {_TIMEOUT} s. {_REMEDY}")
            for key, _events in events:
                chunk = os.read(key.fd, 1 << 16)
                output[key.fileobj] += chunk  # type: ignore[index]
                if not chunk:
                    waiting.unregister(key.fileobj)
            if sum(map(len, output.values())) > _MOST_OUTPUT:
                raise SignatureError(f"cannot be checked: gpg printed more than {_MOST_OUTPUT >> 20} MiB. {_REMEDY}")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(1.0, deadline - time.monotonic()))
    out, err = output.values()
    return bytes(out), bytes(err)
