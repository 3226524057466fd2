# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work done with a user's own rights, by processes that hold that user's bytes and nobody else's.

A home directory is its user's territory. So the engine never touches it as root: for each owner a *worker* process
drops to that user for good and does the work there. The worker is in the user's hands too (they may stop it, kill it,
let a file system hang), so it is given a time limit, and it is forked from a *steward* that never saw anybody's bytes.

Most runs find nothing to do, and starting a process costs ten times as much as the check. So one process, the
*looker*, first looks for all owners: it takes on the rights of one after the other, and gives them back. It can do so
because it stays root's (real and saved user): nobody else may signal or trace it. It changes nothing; a worker does.

Looker and engine talk over a Unix socket pair, and so do steward and engine. For each job the engine hands one end of a
fresh socket pair to the steward (``SCM_RIGHTS``), the steward forks the worker and answers with its process id; job and
result then travel between engine and worker only. When the engine's memory holds anything that is for one owner only,
contents or passphrases, the steward is a freshly executed interpreter: a fork would inherit that memory. The new
interpreter finds the code by :mod:`import_path`.

Each result passes :mod:`answers`, which makes it printable, and refuses results that are too large or malformed.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import grp
import json
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import answers, import_path, secure_fs

__all__ = ["UNFINISHED", "Account", "Job", "expand_home", "find_account", "find_ids", "guarded", "run_job", "run_jobs"]

Handler = Callable[[dict[str, Any]], dict[str, Any]]

UNFINISHED = "unfinished"

_PID_BYTES = 8
_NONE = 0  # in place of a process id
_START = 30.0  # seconds for a steward, at most


@dataclass(frozen=True)
class Account:
    """A user of this node, as the password database has it."""

    name: str
    uid: int
    gid: int
    home: str

    @property
    def is_caller(self) -> bool:
        """Whether this process already runs with exactly this user's rights."""
        return os.geteuid() == self.uid


@dataclass(frozen=True)
class Job:
    """One piece of work for one owner: a JSON-serializable argument for the handler.

    :param limit: seconds the worker may take.
    :param apart: in a process of its own even if this one has the rights, because it may hang.
    :param most: characters of the result, at most.
    :param shape: of the values that the result may have; see :func:`answers.checked`.
    :param look: an argument with which the handler changes nothing. If it then returns :data:`UNFINISHED`, or fails, a
        worker does the job; otherwise that is the result.
    """

    account: Account
    argument: dict[str, Any]
    limit: float
    apart: bool = False
    most: int = answers.USUAL
    shape: dict[str, answers.Shape] | None = None
    look: dict[str, Any] | None = None


def find_account(owner: str | None) -> Account:
    """The account named ``owner``, or the one this process runs as.

    :raises GridSecurityError: ``no_account`` if there is none; ``bad_owner`` if no account can have this name.
    """
    try:
        entry = pwd.getpwuid(os.geteuid()) if owner is None else pwd.getpwnam(owner)
    except ValueError:
        raise GridSecurityError(
            "bad_owner", f"{owner!r} is no name of an account: it has a NUL byte, or is no text. Correct the owner."
        ) from None
    except KeyError:
        raise GridSecurityError(
            "no_account",
            f"there is no account {owner or os.geteuid()!r} on this node. Create it first, or correct the owner.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def find_ids(fields: dict[str, Any]) -> tuple[int, int]:
    """Return the user and group id that a file should have, by the fields ``owner`` and ``group``; -1 without a name.

    :raises GridSecurityError: ``no_account``, ``bad_owner`` or ``no_group``.
    """
    owner, group = fields.get("owner"), fields.get("group")
    if fields.get("state", "file") != "file":
        return -1, -1
    return -1 if owner is None else find_account(owner).uid, -1 if group is None else _find_group(group)


def _find_group(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):  # ValueError for a NUL byte
        raise GridSecurityError(
            "no_group", f"there is no group {group!r} on this node. Create it first, or correct the group."
        ) from None


def expand_home(path: str, account: Account) -> str:
    """``~`` and ``~owner`` at the start of ``path`` replaced by that account's home; a string operation only."""
    if not path.startswith("~"):
        return path
    name, slash, rest = path[1:].partition("/")
    home = account.home if name in ("", account.name) else find_account(name).home
    return home + slash + rest


def run_job(handler: Handler, job: Job, secret: bool) -> dict[str, Any]:
    """Run one job; see :func:`run_jobs`."""
    return next(run_jobs(handler, [job], secret))


def run_jobs(handler: Handler, jobs: list[Job], secret: bool) -> Iterator[dict[str, Any]]:
    """Run each job with its owner's rights and yield the results in order.

    A result is what ``handler`` returned, or ``{"failed": True, "error_code": …, "msg": …}``. A job that fails, is
    killed or exceeds its limit does not stop the others.

    :param secret: this process's memory holds what is for one owner only, so workers must not descend from it.
    """
    stewards: dict[Handler, _Steward] = _fresh if secret else {}
    lookers: dict[Handler, _Steward] = {}
    try:
        for job in jobs:
            if job.account.is_caller and not job.apart:
                yield _admit(job, guarded(handler, job.argument))
            elif os.geteuid() != 0:
                yield _failure("not_root", f"only root can act as {job.account.name}: run the task with become: true.")
            else:
                yield _look(handler, job, lookers) or _run_apart(handler, job, stewards, _Steward)
    finally:
        for steward in [*lookers.values(), *([] if secret else stewards.values())]:
            steward.dismiss()


def _look(handler: Handler, job: Job, lookers: dict[Handler, _Steward]) -> dict[str, Any] | None:
    """The result, if a look is enough for it. If it fails, a worker tries; but not to wait as long once more."""
    if job.look is None:
        return None
    result = _run_apart(handler, dataclasses.replace(job, argument=job.look), lookers, _Looker)
    failed = result.get("failed") and result["error_code"] != "timeout"
    return None if failed or result.get(UNFINISHED) else result


def _run_apart(handler: Handler, job: Job, stewards: dict[Handler, _Steward], kind: type[_Steward]) -> dict[str, Any]:
    """Have the steward for the handler do it; if that one is lost, the next job gets another."""
    try:
        if handler not in stewards:
            stewards[handler] = kind(handler, fresh=stewards is _fresh)
        result = stewards[handler].run(job)
        if not stewards[handler].is_lost:
            return result
    except (EOFError, ConnectionError):
        result = _failure("killed", _KILLED.format(job.account.name))
    except OSError as error:
        result = _failure("no_process", _NO_PROCESS.format(job.account.name, error.strerror or error))
    except MemoryError:
        result = _failure("no_memory", _NO_MEMORY)
    except GridSecurityError as error:
        result = _failure(error.error_code, error.message)
    if handler in stewards:
        stewards.pop(handler).dismiss()
    return result


def _admit(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    """Return the checked result of work in this process, or a failure."""
    try:
        return answers.checked(result, job.most, job.shape)
    except answers.AnswerError as error:
        return _bad_answer(job, error)


def _bad_answer(job: Job, error: answers.AnswerError) -> dict[str, Any]:
    return _failure("bad_answer", _BAD_ANSWER.format(job.account.name, error))


def guarded(handler: Handler, argument: dict[str, Any]) -> dict[str, Any]:
    """What the handler returns, or a failure."""
    try:
        return handler(argument)
    except GridSecurityError as error:
        return _failure(error.error_code, error.message)
    except OSError as error:
        return _failure("os_error", f"{error.filename or 'a file'}: {error.strerror}. Fix the cause, then run again.")
    except MemoryError:
        return _failure("no_memory", _NO_MEMORY)


def _failure(error_code: str, message: str) -> dict[str, Any]:
    return {"failed": True, "error_code": error_code, "msg": message}


class _Steward:
    """The process that forks workers, and the engine's side of the talk with it. It is started when it is needed."""

    is_lost = False

    def __init__(self, handler: Handler, fresh: bool) -> None:
        self._handler = handler
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._pid = self._execute(theirs) if fresh else self._fork(theirs)
            except BaseException:
                self._socket.close()
                raise

    def dismiss(self) -> None:
        """Let it end, which it does when nobody can ask it for anything any more."""
        self._socket.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _fork(self, theirs: socket.socket) -> int:
        pid = os.fork()
        if pid == 0:
            _run_and_exit(lambda: self._serve(theirs))
        return pid

    def _serve(self, control: socket.socket) -> None:
        _serve(control, self._handler)

    def _execute(self, theirs: socket.socket) -> int:
        os.set_inheritable(theirs.fileno(), True)
        no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        with import_path.for_new_interpreter() as path:
            code = f"import sys; sys.path[:] = {path!r}; from {__name__} import serve_forever; serve_forever()"
            arguments = [sys.executable, "-I", "-c", code, str(theirs.fileno())]
            arguments += [self._handler.__module__, self._handler.__name__]
            # Not run_command: it waits for the end, and closes the socket.
            # pylint: disable-next=ansible-bad-function
            return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=[no_input])

    def run(self, job: Job) -> dict[str, Any]:
        """One job, from handing over the socket to the answer.

        :raises OSError, EOFError, MemoryError: there is no process to be had, or the steward itself is lost.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._socket, [b"+"], [theirs.fileno()])
            pid = int.from_bytes(_receive(self._socket, _PID_BYTES, time.monotonic() + _START), "big")
            if pid == _NONE:
                return _failure("no_process", _NO_PROCESS.format(job.account.name, "it cannot be started"))
            try:
                return self._ask(ours, job)
            finally:
                # The steward reaps nothing before it ends, so the id cannot have passed to another process.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _ask(self, channel: socket.socket, job: Job) -> dict[str, Any]:
        """The job's result, or why there is none within its time."""
        deadline = time.monotonic() + job.limit
        try:
            _send(channel, {"account": vars(job.account), "argument": job.argument}, deadline)
            return answers.decode(_read(channel, deadline, job.most), job.most, job.shape)
        except answers.AnswerError as error:
            return _bad_answer(job, error)
        except TimeoutError:
            return _failure("timeout", _OVERRUN.format(job.account.name, job.limit))
        except (EOFError, ConnectionError):
            return _failure("killed", _KILLED.format(job.account.name))


class _Looker(_Steward):
    """Forks nobody, but looks itself, with the rights of one owner after the other."""

    def _serve(self, control: socket.socket) -> None:
        _prepare(control)
        while True:  # until nobody asks any more, which ends it with EOFError
            _work(control, self._handler, _for_now)

    def run(self, job: Job) -> dict[str, Any]:
        """One look, over the only channel there is."""
        result = self._ask(self._socket, job)
        self.is_lost = bool(result.get("failed"))  # it may hang; whatever it is, another one is without it
        return result

    def dismiss(self) -> None:
        """It may hang in somebody's file system: do not wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._socket.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)


_fresh: dict[Handler, _Steward] = {}  # kept until this process ends: to start one takes longer than most jobs


@atexit.register
def _dismiss_fresh() -> None:
    for steward in _fresh.values():
        steward.dismiss()


_OVERRUN = (
    "the process working as {0} did not finish in {1:g} s and was stopped. A file system that hangs, or somebody"
    " stopping the process, does that. Look at the processes and mounts of {0}, then run again."
)
_KILLED = f"the process working as {{0}} was killed before it finished. {secure_fs.WHOLE}; run again."
_NO_PROCESS = (
    f"no process can work as {{0}}: {{1}}. {secure_fs.WHOLE}."
    " Look at memory and at the limits on processes and open files, then run again."
)
_BAD_ANSWER = (
    "the process working as {0} answered with {1}. Look for odd files in the directories that the task handles, and"
    " remove them; then run again."
)
_NO_MEMORY = f"the node has not enough memory. {secure_fs.WHOLE}. Free some, or raise the limit on it, then run again."


def serve_forever() -> None:
    """Entry point of a freshly executed steward: ``argv`` is socket number, handler's module, handler's name."""
    module, name = sys.argv[2:4]
    handler = getattr(__import__(module, fromlist=[name]), name)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        _run_and_exit(lambda: _serve(control, handler))


def _run_and_exit(work: Callable[[], None]) -> None:
    """Run and leave without the parent's exit handlers; a traceback would only confuse ansible's output."""
    try:
        work()
    except BaseException:  # pylint: disable=broad-except
        os._exit(1)
    os._exit(0)


def _prepare(control: socket.socket) -> None:
    _let_go_of_descriptors(control.fileno())
    os.getgrouplist("root", 0)  # loads what the system looks groups up with, which otherwise each worker does
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would free process ids at once


def _next_channel(control: socket.socket) -> socket.socket | None:
    """The engine's next job comes through it; None when nobody can ask for anything any more."""
    message, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=descriptors[0]) if message else None


def _answer_pid(control: socket.socket, pid: int) -> None:
    control.sendall(pid.to_bytes(_PID_BYTES, "big"))


def _serve(control: socket.socket, handler: Handler) -> None:
    _prepare(control)
    while (channel := _next_channel(control)) is not None:
        with channel:
            try:
                pid = os.fork()
            except OSError:
                _answer_pid(control, _NONE)
                continue
            if pid == 0:
                control.close()
                _work(channel, handler, _for_good)
                channel.close()
                os._exit(0)
        _answer_pid(control, pid)


def _let_go_of_descriptors(kept: int) -> None:
    """Let all but one lead nowhere. A worker that hangs in a file system cannot be killed: it must not keep the pipes
    that ansible waits for. Nor is the rest a worker's business, other stewards least of all.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    inherited = {int(name) for name in os.listdir("/dev/fd")} if os.path.isdir("/dev/fd") else set()
    for descriptor in (inherited | {0, 1, 2}) - {kept, nowhere}:
        os.dup2(nowhere, descriptor)  # not closed: what still thinks it has this one might close its successor


def _work(channel: socket.socket, handler: Handler, become: Callable[[Account], Any]) -> None:
    """One job: become the owner first, do the work, answer. :param become: a context manager."""
    message = json.loads(_read(channel, None))
    account = Account(**message["account"])
    try:
        with become(account):
            result = guarded(handler, message["argument"])
    except OSError as error:
        result = _failure("os_error", _NO_PROCESS.format(account.name, error.strerror))
    except Exception as error:  # pylint: disable=broad-except  # the engine must get an answer
        result = _failure("internal", f"{type(error).__name__}: {error}")
    _send(channel, result, None)


@contextlib.contextmanager
def _for_now(account: Account) -> Iterator[None]:
    """Have ``account``'s rights and no others. Who cannot give them back must not look for anybody else."""
    groups, gid, uid = os.getgroups(), os.getegid(), os.geteuid()
    try:
        os.setgroups(os.getgrouplist(account.name, account.gid))
        os.setegid(account.gid)
        os.seteuid(account.uid)
        yield
    finally:
        try:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)
        except OSError:
            os._exit(1)


@contextlib.contextmanager
def _for_good(account: Account) -> Iterator[None]:
    """Give up every right but ``account``'s, and stay unreadable for their other processes."""
    if not account.is_caller:
        _drop_to(account)
    yield


def _drop_to(account: Account) -> None:
    os.setgroups(os.getgrouplist(account.name, account.gid))
    os.setgid(account.gid)
    os.setuid(account.uid)
    process.hide_memory()  # setuid did that already, unless the sysctl fs.suid_dumpable says otherwise
    os.umask(0o077)
    os.chdir("/")


def _send(channel: socket.socket, value: dict[str, Any], deadline: float | None) -> None:
    data = json.dumps(value).encode()
    _set_limit(channel, deadline)
    channel.sendall(len(data).to_bytes(_PID_BYTES, "big") + data)


def _read(channel: socket.socket, deadline: float | None, most: int | None = None) -> bytes:
    """Return one message.

    :param most: bytes. A user may control the process at the other end.
    :raises AnswerError: the message is larger.
    """
    size = int.from_bytes(_receive(channel, _PID_BYTES, deadline), "big")
    if most is not None and size > most:
        raise answers.AnswerError(f"more than {most} characters")
    return _receive(channel, size, deadline)


def _receive(channel: socket.socket, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        _set_limit(channel, deadline)
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _set_limit(channel: socket.socket, deadline: float | None) -> None:
    """:raises TimeoutError: the deadline has passed."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise TimeoutError
    channel.settimeout(left)
