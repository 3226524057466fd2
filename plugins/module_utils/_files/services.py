# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which services still use files that have been replaced since the services started.

A service owes a restart if its last start began before one of its files changed. Nothing has to be remembered from run
to run, so nothing is lost when a run is killed, or when a restart fails.

- A file changed at its ctime. Renaming, changing the owner and changing the mode all set it, and no program can set it
  to an older time. So a restart is sometimes made that is not needed, and never left out.
- A service started when systemd last began to start it. Where a reload is asked for, the last successful reload counts.
- A failed service owes a restart: the credential may be what it lacked, or the restart of an earlier run failed.
- A service that somebody stopped owes nothing.
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

__all__ = ["PROPERTIES", "Clock", "Known", "Unit", "ask", "describe", "judge", "refuse_unknown"]

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
_TICK = 0.02  # seconds; the kernel stamps files with the time of its last tick, 10 ms ago at most
_STEP = 2.0  # seconds between two clocks that are no rounding: one of them was set


class Clock(NamedTuple):
    """The present time by both clocks that systemd stamps with, in seconds."""

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
        """When the service last began to use its files.

        :param state: ``restarted`` or ``reloaded``: what makes the service use new files.
        """
        if state == "reloaded" and self.properties.get("ReloadResult") == "success":
            change = self._moment(_CHANGE, clock)
            if change > self._moment(_READY, clock):  # nothing but a reload changes the state of a service that is up
                return change
        return self._moment(_START, clock)

    def _moment(self, name: str, clock: Clock) -> float:
        """A stamp in the time of the present clock.

        The monotonic stamp is exact, but stands still while a machine is paused. The other one counts if it is earlier.
        """
        try:
            passed = clock.monotonic - int(self.properties.get(f"{name}Monotonic", "")) / 1e6
        except ValueError:
            return 0.0
        exact, told = clock.real - passed, _read_stamp(self.properties.get(name, ""))
        return told if told is not None and exact - told > _STEP else exact


@dataclass(frozen=True)
class Known:
    """What systemd says of the services of a request.

    :param units: by each of their names; None where there is no systemd. :param trouble: why systemd did not answer.
    """

    clock: Clock
    units: dict[str, Unit] | None = field(default_factory=dict)
    trouble: str = ""


def ask(sets: Iterable[dict[str, Any]]) -> Known:
    """Ask systemd about the services of all sets, in one call."""
    names = {service["name"] for one in sets for service in one.get("services") or []}
    command = ["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *sorted(names)]
    clock = Clock(time.time(), time.monotonic())
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_PAGER": ""}
    try:
        # Not run_command: that is a method of a module, and the engine also runs without one.
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
    except OSError:
        return Known(clock, None)
    except subprocess.TimeoutExpired:
        return Known(clock, trouble=f"systemctl show did not answer in {_LIMIT:g} s")
    units = {name: unit for unit in _read_units(done.stdout) for name in unit.properties.get("Names", "").split()}
    if done.returncode and os.path.isdir(_BOOTED):
        return Known(clock, trouble=f"systemctl show failed: {done.stderr.strip() or done.returncode}")
    return Known(clock, units or None)  # systemctl prints nothing in a chroot


def refuse_unknown(known: Known, one: dict[str, Any]) -> None:
    """Stop before anything is changed if a set names a service that systemd does not know.

    :raises GridSecurityError: ``no_service``.
    """
    for service in one["services"]:
        if known.units is not None and not known.trouble and not _find(known, service["name"]).is_loaded:
            raise GridSecurityError(
                "no_service",
                f"there is no service {service['name']!r} on this node. Install it first, or correct the name of the"
                " service.",
            )


def describe(known: Known, one: dict[str, Any], paths: Iterable[str], changed: Any) -> list[dict[str, str]]:
    """Tell of each service of a set whether it owes a restart, and why.

    :param paths: the files that count.
    :param changed: the result of :func:`observed.change_times` in the process that worked for the owner. The owner may
        control that process, so nothing but times of these files is taken from the result.
    """
    told = changed if isinstance(changed, dict) else {}
    files = {path: told[path] for path in paths if _is_time(told.get(path))}
    return [{**service, **_status(known, service, files)} for service in one["services"]]


def _is_time(moment: Any) -> bool:
    return isinstance(moment, int) and not isinstance(moment, bool) and 0 < moment < _LAST


def _status(known: Known, service: dict[str, str], files: dict[str, int]) -> dict[str, str]:
    if known.trouble:
        return {"status": "unclear", "reason": known.trouble}
    if known.units is None:
        return {"status": "unmanaged"}
    unit = _find(known, service["name"])
    status, reason = judge(unit, service["state"], files, known.clock)
    return {"unit": unit.properties.get("Id", service["name"]), "status": status, "reason": reason}


def judge(unit: Unit, state: str, files: dict[str, int], clock: Clock) -> tuple[str, str]:
    """Whether a service owes a restart, in one word (``owed``, ``current``, ``stopped``) and in a sentence.

    :param state: ``restarted`` or ``reloaded``. :param files: the ctime of each, in nanoseconds.
    """
    if unit.state == "failed":
        return "owed", "it has failed"
    if unit.state not in _RUNNING:
        return "stopped", ""
    began = unit.began(state, clock)
    path = max(files, key=lambda one: files[one], default=None)
    if path is None or began >= _latest(files[path]):
        return "current", ""
    return "owed", f"it started at {_iso(began)}, before {path} changed at {_iso(files[path] / _SECOND)}"


def _latest(changed: int) -> float:
    """The latest moment at which a file may have changed, by its ctime: some file systems store seconds only."""
    return changed / _SECOND + (_TICK if changed % _SECOND else 1.0)


def _find(known: Known, name: str) -> Unit:
    """The unit of a service, by a name with or without the suffix."""
    units = known.units or {}
    return units.get(name) or units.get(f"{name}.service") or Unit({})


def _read_units(text: str) -> Iterator[Unit]:
    for block in text.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if properties:
            yield Unit(properties)


def _read_stamp(text: str) -> float | None:
    """Seconds since 1970 of ``Thu 2026-11-26 07:33:02 UTC``, which has no fraction."""
    try:
        _day, date, clock = text.split()[:3]
        return float(calendar.timegm(time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S")))
    except ValueError:
        return None


def _iso(moment: float) -> str:
    return times.iso(datetime.datetime.fromtimestamp(moment, datetime.timezone.utc))
