# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in the processes that the engine starts: take on the rights of an owner, do a job, send the result."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Callable

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._files import failures
from ansible_collections.grid.security.plugins.module_utils._files.accounts import Account
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Handler, guarded

__all__ = ["do_job", "owner_for_good", "owner_for_now", "prepare", "run_and_exit"]

Rights = Callable[[Account], contextlib.AbstractContextManager[None]]


def run_and_exit(work: Callable[[], None]) -> None:
    """Run ``work`` and exit without the exit handlers of the parent. A traceback would confuse Ansible's output."""
    try:
        work()
    except BaseException:  # pylint: disable=broad-except
        os._exit(1)
    os._exit(0)


def prepare(control: Channel) -> None:
    """Make a new process independent of the engine's process, except for its channel."""
    _redirect_descriptors(control.fileno())
    os.getgrouplist("root", 0)  # loads the libraries for groups, which otherwise each worker does
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it were ignored, process ids would be free at once


def _redirect_descriptors(kept: int) -> None:
    """Redirect all descriptors but one to /dev/null.

    A worker that hangs in a file system cannot be killed. It must not keep the pipes open that Ansible waits for, and
    must not have channels of other fork servers.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    inherited = {int(name) for name in os.listdir("/dev/fd")} if os.path.isdir("/dev/fd") else set()
    for descriptor in (inherited | {0, 1, 2}) - {kept, nowhere}:
        os.dup2(nowhere, descriptor)  # a closed number would be used again, and its former user might close it


def do_job(channel: Channel, handler: Handler, rights: Rights) -> None:
    """Receive one job, do it with the rights of its owner, and send the result."""
    message = json.loads(channel.receive())
    account = Account(**message["account"])
    try:
        with rights(account):
            result = guarded(handler, message["argument"])
    except OSError as error:
        result = failures.no_rights(account, error)
    except Exception as error:  # pylint: disable=broad-except  # the engine must get an answer
        result = failures.failure("internal", f"{type(error).__name__}: {error}")
    channel.send(result)


@contextlib.contextmanager
def owner_for_now(account: Account) -> Iterator[None]:
    """Take on the account's rights and no others. Exit if the former rights cannot be restored."""
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
def owner_for_good(account: Account) -> Iterator[None]:
    """Give up all rights but the account's. The account's other processes cannot read this process."""
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
