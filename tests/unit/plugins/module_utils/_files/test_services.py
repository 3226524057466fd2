# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services run with files that changed since they started: the decision, and systemctl's answers."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import services
from ansible_collections.grid.security.plugins.module_utils._files.observed import change_times
from ansible_collections.grid.security.plugins.module_utils._files.services import Clock, Unit

NOW = Clock(real=1_700_000_000.0, monotonic=50_000.0)
FILE = 1_699_999_000.5  # when the file changed
SECOND = 1_000_000_000


def unit(state: str = "active", **stamps: float) -> Unit:
    """Return a unit. Its stamps are given in realtime seconds, and the clock was never set."""
    properties = {"Id": "xrootd.service", "Names": "xrootd.service", "LoadState": "loaded", "ActiveState": state}
    return Unit({**properties, "ReloadResult": "success", **stamped(**stamps)})


def stamped(**stamps: float) -> dict[str, str]:
    found = {}
    for name, real in stamps.items():
        found[f"{name}Timestamp"] = services_text(real)
        found[f"{name}TimestampMonotonic"] = str(round((real - NOW.real + NOW.monotonic) * 1e6))
    return found


def services_text(real: float) -> str:
    moment = datetime.datetime.fromtimestamp(int(real), datetime.timezone.utc)
    return f"{moment:%a %Y-%m-%d %H:%M:%S} UTC"


def judge(one: Unit, state: str = "restarted", changed: float = FILE) -> str:
    return services.judge(one, state, {"/hostcert.pem": round(changed * SECOND)}, NOW)[0]


@pytest.mark.parametrize(("started", "status"), [(-100, "owed"), (-0.001, "owed"), (0.1, "current"), (100, "current")])
def test_a_service_that_started_before_its_file_changed_owes_a_restart(started: float, status: str) -> None:
    assert judge(unit(InactiveExit=FILE + started, ActiveEnter=FILE + started)) == status


def test_what_counts_is_when_the_start_began() -> None:
    """Between its start and its readiness it may have read the file that was there before."""
    assert judge(unit(InactiveExit=FILE - 1, ActiveEnter=FILE + 5, StateChange=FILE + 5)) == "owed"
    assert judge(unit(InactiveExit=FILE - 1, ActiveEnter=FILE + 5, StateChange=FILE + 5), "reloaded") == "owed"


def test_a_reload_counts_where_a_reload_is_asked_for() -> None:
    reloaded = unit(InactiveExit=FILE - 100, ActiveEnter=FILE - 99, StateChange=FILE + 1)
    assert judge(reloaded, "reloaded") == "current"
    assert judge(reloaded, "restarted") == "owed"
    assert judge(Unit({**reloaded.properties, "ReloadResult": "exit-code"}), "reloaded") == "owed"
    assert judge(unit(InactiveExit=FILE - 100, ActiveEnter=FILE - 99, StateChange=FILE - 1), "reloaded") == "owed"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("active", "owed"),
        ("reloading", "owed"),
        ("activating", "owed"),
        ("failed", "owed"),
        ("inactive", "stopped"),
        ("deactivating", "stopped"),
    ],
)
def test_what_does_not_run_owes_nothing_unless_it_failed(state: str, status: str) -> None:
    assert judge(unit(state, InactiveExit=FILE - 1)) == status


def test_a_failed_service_owes_a_restart_whatever_the_times() -> None:
    assert judge(unit("failed", InactiveExit=FILE + 100)) == "owed"
    assert services.judge(unit("failed"), "restarted", {}, NOW)[0] == "owed"


def test_without_files_nothing_is_owed() -> None:
    assert services.judge(unit(InactiveExit=FILE), "restarted", {}, NOW)[0] == "current"


def test_a_file_system_that_knows_seconds_only() -> None:
    """A time without a fraction may be up to a second older than the change."""
    assert judge(unit(InactiveExit=FILE + 0.3), changed=FILE - 0.5) == "owed"
    assert judge(unit(InactiveExit=FILE + 0.6), changed=FILE - 0.5) == "current"


def test_one_tick_of_the_clock_that_files_are_stamped_with() -> None:
    assert judge(unit(InactiveExit=FILE + 0.009)) == "owed"


def test_the_latest_file_decides_and_is_named() -> None:
    files = {"/key": round((FILE - 10) * SECOND), "/cert": round(FILE * SECOND)}
    status, reason = services.judge(unit(InactiveExit=FILE - 5), "restarted", files, NOW)
    assert status == "owed"
    assert reason == "it started at 2023-11-14T21:56:35Z, before /cert changed at 2023-11-14T21:56:40Z"


def test_the_clock_was_set_forward_since_the_start() -> None:
    """A machine that was paused: the monotonic clock stood still, so the start seems to be later than it was."""
    start = FILE - 60
    paused = stamped(InactiveExit=start + 3600)
    one = Unit({**unit(InactiveExit=start).properties, **paused, "InactiveExitTimestamp": services_text(start)})
    assert judge(one) == "owed"


def test_the_clock_was_set_back_since_the_start() -> None:
    """The start was stamped by a clock that was fast: the monotonic clock tells when it was."""
    start = FILE - 60
    one = Unit({**unit(InactiveExit=start).properties, "InactiveExitTimestamp": services_text(start + 7200)})
    assert judge(one) == "owed"


@pytest.mark.parametrize("text", ["", "n/a", "yesterday", "Thu 2026-11-26", "Thu x-y-z a:b:c UTC"])
def test_a_stamp_that_is_none(text: str) -> None:
    properties = {**unit(InactiveExit=FILE + 1).properties, "InactiveExitTimestamp": text}
    assert judge(Unit(properties)) == "current"
    assert judge(Unit({**properties, "InactiveExitTimestampMonotonic": "0"})) == "owed"
    assert judge(Unit({**properties, "InactiveExitTimestampMonotonic": "x"})) == "owed"


# --- systemctl --------------------------------------------------------------------------------------------------------

FAKE = """#!/bin/sh
echo "$*" >>"$0.calls"
cat "$0.output"
exit $(cat "$0.code")
"""
TWO = """\
Id=xrootd@clustered.service
Names=xrootd@clustered.service
LoadState=loaded
ActiveState=active

Id=globus-gridftp-server.service
Names=gridftp.service globus-gridftp-server.service
LoadState=loaded
ActiveState=inactive

Id=nosuch.service
Names=nosuch.service
LoadState=not-found
ActiveState=inactive
"""


@pytest.fixture(name="systemctl")
def _systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a systemctl that gives prepared answers and records its calls."""
    path = tmp_path / "systemctl"
    path.write_text(FAKE)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def say(output: str, code: int = 0, booted: bool = True) -> Path:
        (tmp_path / "systemctl.output").write_text(output)
        (tmp_path / "systemctl.code").write_text(str(code))
        monkeypatch.setattr(services, "_BOOTED", str(tmp_path if booted else tmp_path / "none"))
        return tmp_path / "systemctl.calls"

    return say


def wanted(*names: str, **fields: Any) -> dict[str, Any]:
    return {"name": "host", "services": [{"name": name, "state": "restarted"} for name in names], **fields}


def test_all_services_are_asked_for_in_one_call(systemctl: Any) -> None:
    calls = systemctl(TWO)
    known = services.ask([wanted("xrootd@clustered", "gridftp"), wanted("gridftp.service")])
    assert calls.read_text().splitlines() == [
        f"show --property={','.join(services.PROPERTIES)} -- gridftp gridftp.service xrootd@clustered"
    ]
    told = services.describe(known, wanted("xrootd@clustered", "gridftp", "gridftp.service"), [], {})
    assert [(one["unit"], one["status"]) for one in told] == [
        ("xrootd@clustered.service", "current"),
        ("globus-gridftp-server.service", "stopped"),
        ("globus-gridftp-server.service", "stopped"),
    ]


@pytest.mark.parametrize("name", ["nosuch", "xrootd@*", "never-told"])
def test_an_unknown_service_is_an_error_that_names_it(systemctl: Any, name: str) -> None:
    systemctl(TWO)
    known = services.ask([wanted(name)])
    with pytest.raises(GridSecurityError, match=f"there is no service '{name.replace('*', '.')}'") as caught:
        services.refuse_unknown(known, wanted(name))
    assert caught.value.error_code == "no_service"


@pytest.mark.parametrize(("output", "code"), [("", 0), ("", 1)])
def test_without_systemd(systemctl: Any, output: str, code: int) -> None:
    systemctl(output, code, booted=False)
    known = services.ask([wanted("xrootd")])
    services.refuse_unknown(known, wanted("xrootd"))
    assert [one["status"] for one in services.describe(known, wanted("xrootd"), [], {})] == ["unmanaged"]


def test_in_a_chroot_systemctl_says_nothing(systemctl: Any) -> None:
    systemctl("", 0)
    assert services.describe(services.ask([wanted("x")]), wanted("x"), [], {})[0]["status"] == "unmanaged"


def test_without_systemctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert services.describe(services.ask([wanted("x")]), wanted("x"), [], {})[0]["status"] == "unmanaged"


def test_systemd_that_does_not_answer(systemctl: Any) -> None:
    systemctl("", 1)
    known = services.ask([wanted("xrootd")])
    services.refuse_unknown(known, wanted("xrootd"))
    (told,) = services.describe(known, wanted("xrootd"), [], {})
    assert told["status"] == "unclear"
    assert "systemctl show" in told["reason"]


def test_systemd_that_hangs(systemctl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl("")

    def hang(*_arguments: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("systemctl", options["timeout"])

    monkeypatch.setattr(services.subprocess, "run", hang)
    assert services.describe(services.ask([wanted("x")]), wanted("x"), [], {})[0]["status"] == "unclear"


FUTURE = 1 << 61


@pytest.mark.parametrize(
    "times",
    ["x", None, [], {"/cert": "x"}, {"/cert": True}, {"/cert": 1e300}, {"/cert": 1 << 900}, {"/\udcff": FUTURE}],
)
def test_what_is_no_time_of_a_file_asked_for_counts_for_nothing(systemctl: Any, times: Any) -> None:
    """It comes from a process that worked for a user."""
    systemctl(TWO)
    known, one = services.ask([wanted("xrootd@clustered")]), wanted("xrootd@clustered")
    assert services.describe(known, one, ["/cert"], times)[0]["status"] == "current"
    assert services.describe(known, one, ["/cert"], {"/cert": FUTURE})[0]["status"] == "owed"


def test_times_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    times = change_times([str(tmp_path / name) for name in ("cert", "link", "none")] + ["/nowhere/at/all"])
    expected = {str(tmp_path / name): (tmp_path / name).lstat().st_ctime_ns for name in ("cert", "link")}
    assert times == expected
