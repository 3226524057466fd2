# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which services still use files that have been replaced since the services started.

A service needs a restart if its last start began before one of its files changed. Nothing is stored from run to run, so
nothing is lost when a run is killed, or when a restart fails.

- The time of a change is the ctime of the file. Renaming, changing the owner and changing the mode set the ctime, and
  no program can set it to an older time. So a restart may be unnecessary, but no restart is left out.
- The start of a service is the time when systemd last began to start it. If a reload is asked for, the last successful
  reload counts.
- A failed service needs a restart: it may have lacked the credential, or the restart of an earlier run failed.
- A stopped service needs no restart.
"""

from __future__ import annotations

import calendar
import datetime
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["PROPERTIES", "Clock", "Unit", "Units", "ask", "describe", "judge", "refuse_unknown"]

_START, _READY, _CHANGE = "InactiveExitTimestamp", "ActiveEnterTimestamp", "StateChangeTimestamp"
PROPERTIES = (
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "ReloadResult",
    *(f"{stamp}{clock}" for stamp in (_START, _READY, _CHANGE) for clock in ("", "Monotonic")),
)
_RUNNING = {"active", "reloading", "activating", "refreshing"}

_BOOTED = "/run/systemd/system"  # exists where systemd is process 1: sd_booted(3)
_LIMIT = 30.0  # seconds for systemctl
_SECOND = 1_000_000_000  # nanoseconds
_LAST = 1 << 62  # nanoseconds; in the year 2116
_TICK = 0.02  # seconds; the ctime is the time of the kernel's last tick, 10 ms ago at most
_STEP = 2.0  # seconds; a larger difference of two clocks is not rounding: a clock was set


class Clock(NamedTuple):
    """The present time of both clocks that systemd uses, in seconds."""

    real: float
    monotonic: float


@dataclass(frozen=True)
class Unit:
    """A unit's properties, as ``systemctl show`` prints them in UTC."""

    properties: dict[str, str]

    @property
    def is_loaded(self) -> bool:
        return self.properties.get("LoadState") not in (None, "not-found")

    @property
    def state(self) -> str:
        return self.properties.get("ActiveState", "")

    def began(self, state: str, clock: Clock) -> float:
        """Return when the service last began to use its files.

        :param state: ``restarted`` or ``reloaded``: the action by which the service uses new files.
        """
        if state == "reloaded" and self.properties.get("ReloadResult") == "success":
            change = self._moment(_CHANGE, clock)
            if change > self._moment(_READY, clock):  # only a reload changes the state of a running service
                return change
        return self._moment(_START, clock)

    def _moment(self, name: str, clock: Clock) -> float:
        """Return a timestamp in the time of the present clock.

        The monotonic timestamp is exact, but the monotonic clock stops while a machine is paused. The other timestamp
        counts if it is earlier.
        """
        try:
            passed = clock.monotonic - int(self.properties.get(f"{name}Monotonic", "")) / 1e6
        except ValueError:
            return 0.0
        exact, rounded = clock.real - passed, _read_stamp(self.properties.get(name, ""))
        return rounded if rounded is not None and exact - rounded > _STEP else exact


@dataclass(frozen=True)
class Units:
    """The units of the services of a call.

    :param by_name: the units by each of their names; None without systemd.
    :param trouble: why systemd did not answer.
    """

    clock: Clock
    by_name: dict[str, Unit] | None = field(default_factory=dict)
    trouble: str = ""

    def find(self, name: str) -> Unit:
        """Return the unit of a service, by a name with or without the suffix."""
        units = self.by_name or {}
        return units.get(name) or units.get(f"{name}.service") or Unit({})


def ask(sets: Iterable[dict[str, Any]]) -> Units:
    """Ask systemd about the services of all sets, in one call."""
    names = {service["name"] for fields in sets for service in fields.get("services") or []}
    clock = Clock(time.time(), time.monotonic())
    try:
        done = _run_systemctl(sorted(names))
    except OSError:
        return Units(clock, None)
    except subprocess.TimeoutExpired:
        return Units(clock, trouble=f"systemctl show did not answer in {_LIMIT:g} s")
    units = {name: unit for unit in _read_units(done.stdout) for name in unit.properties.get("Names", "").split()}
    if done.returncode and os.path.isdir(_BOOTED):
        return Units(clock, trouble=f"systemctl show failed: {done.stderr.strip() or done.returncode}")
    return Units(clock, units or None)  # systemctl prints nothing in a chroot


def _run_systemctl(names: list[str]) -> subprocess.CompletedProcess[str]:
    # Not run_command: it is a method of a module, and the engine also runs without a module.
    # pylint: disable-next=ansible-bad-function
    return subprocess.run(
        ["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *names],
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_PAGER": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LIMIT,
        check=False,
    )


def refuse_unknown(units: Units, fields: dict[str, Any]) -> None:
    """Refuse a set with a service that systemd does not know, before anything is changed.

    :raises GridSecurityError: ``no_service``.
    """
    for service in fields["services"]:
        if units.by_name is not None and not units.trouble and not units.find(service["name"]).is_loaded:
            raise GridSecurityError(
                "no_service",
                f"there is no service {service['name']!r} on this node. Install it first, or correct the name of the"
                " service.",
            )


def describe(units: Units, fields: dict[str, Any], paths: Iterable[str], changed: Any) -> list[dict[str, str]]:
    """Return each service of a set with its status, and the reason.

    :param paths: the files that the services use.
    :param changed: the result of :func:`observed.change_times` in the process that worked for the owner. The owner may
        control that process, so only times of these files are taken from the result.
    """
    answered = changed if isinstance(changed, dict) else {}
    files = {path: answered[path] for path in paths if _is_time(answered.get(path))}
    return [{**service, **_status(units, service, files)} for service in fields["services"]]


def _is_time(moment: Any) -> bool:
    return isinstance(moment, int) and not isinstance(moment, bool) and 0 < moment < _LAST


def _status(units: Units, service: dict[str, str], files: dict[str, int]) -> dict[str, str]:
    if units.trouble:
        return {"status": "unclear", "reason": units.trouble}
    if units.by_name is None:
        return {"status": "unmanaged"}
    unit = units.find(service["name"])
    status, reason = judge(unit, service["state"], files, units.clock)
    return {"unit": unit.properties.get("Id", service["name"]), "status": status, "reason": reason}


def judge(unit: Unit, state: str, files: dict[str, int], clock: Clock) -> tuple[str, str]:
    """Return whether a service needs a restart, as a word (``owed``, ``current``, ``stopped``), and the reason.

    :param state: ``restarted`` or ``reloaded``.
    :param files: the ctime of each file in nanoseconds, by path.
    """
    if unit.state == "failed":
        return "owed", "it has failed"
    if unit.state not in _RUNNING:
        return "stopped", ""
    began = unit.began(state, clock)
    path = max(files, key=lambda name: files[name], default=None)
    if path is None or began >= _latest(files[path]):
        return "current", ""
    return "owed", f"it started at {_iso(began)}, before {path} changed at {_iso(files[path] / _SECOND)}"


def _latest(changed: int) -> float:
    """Return the latest time at which a file may have changed, by its ctime. Some file systems store seconds only."""
    return changed / _SECOND + (_TICK if changed % _SECOND else 1.0)


def _read_units(text: str) -> Iterator[Unit]:
    for block in text.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if properties:
            yield Unit(properties)


def _read_stamp(text: str) -> float | None:
    """Return the seconds since 1970 of ``Thu 2026-11-26 07:33:02 UTC``, which has no fraction; None without a time."""
    try:
        _day, date, clock = text.split()[:3]
        return float(calendar.timegm(time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S")))
    except ValueError:
        return None


def _iso(moment: float) -> str:
    return times.iso(datetime.datetime.fromtimestamp(moment, datetime.timezone.utc))
