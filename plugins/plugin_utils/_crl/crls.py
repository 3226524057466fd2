# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRLs fetched on the controller: options, fetching through the memo, what becomes of each file, and the result.

What is in place is replaced by what is newer and good, and otherwise stays: an old CRL is better than none until it
expires, and then it is for the user to say whether refusing everything or accepting what was revoked is worse.
"""

from __future__ import annotations

import base64
import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._files import manifest
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters, crl_store
from ansible_collections.grid.security.plugins.module_utils._x509 import crl
from ansible_collections.grid.security.plugins.plugin_utils._action import places, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Place
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_sources, crl_warnings
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_sources import Point
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_warnings import Trouble
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    bounded_fetch,
    trust_anchors,
)

__all__ = ["place"]

_SHARED = ("sources", "path", "profiles", "include", "exclude_expired", "on_unreadable")
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: trust_anchors.OPTIONS[name] for name in _SHARED},
    "exclude": {"type": "list", "elements": "raw", "default": []},
    "timeout": {"type": "float", "default": 30},
    "parallelism": {"type": "int", "default": 10},
    "http_proxy": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
    "allow_older": {"type": "bool", "default": False},
    "remove_expired": {"type": "bool", "default": False},
    "required": {"type": "bool", "default": False},
}
_LIMITS = ("timeout", "http_proxy", "validate_certs")


@dataclass(frozen=True)
class Slot:
    """A CRL that a CA announces, and what came of fetching it.

    :param facts: the file as a manifest has it, and ``crl``; None if no URL had a good one, which ``causes`` explain.
    """

    point: Point
    facts: dict[str, Any] | None
    url: str | None
    causes: list[tuple[str, str]]


@dataclass(frozen=True)
class Verdict:
    """What becomes of one file. :param change: in words, if it is changed. :param after: what is there then.

    :param objection: why what was fetched is not placed, in words that fit behind its URL.
    """

    name: str
    after: dict[str, Any] | None
    change: str = ""
    objection: str = ""


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Fetch the CRLs of the CAs that the sources have, place those that are newer, and return the result."""
    options = _read_options(arguments)
    slots, left_out = _fetch_all_once(action, options)
    target = _target(options["path"], slots)
    found: places.Facts = {}
    if slots:
        (outcome,) = yield Request([places.compare_set(target)])
        places.raise_failure([outcome])
        found = outcome["found"] if outcome["changed"] else target.wanted
    verdicts = [[_judge(slot, name, found, options) for name in slot.point.files] for slot in slots]
    changed = [(slot, one) for slot, both in zip(slots, verdicts) for one in both if one.change]
    if changed and not action.check_mode:
        contents = {slot.facts["sha256"]: _content(slot, options) for slot, one in changed if slot.facts and one.after}
        entries = [_entry(one) for _slot, one in changed]
        places.raise_failure((yield Request([places.update_set(target, entries)], contents)))
    troubles = [_trouble(slot, both) for slot, both in zip(slots, verdicts)]
    told = [_told(slot, both, trouble, options) for slot, both, trouble in zip(slots, verdicts, troubles)]
    result = _result(told, troubles, options, action.diff)
    return {**result, "warnings": [*left_out, *result["warnings"]]}


def _read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    options = validated(OPTIONS, arguments, module="crls")
    sources = enumerate(options["sources"])
    options["sources"] = [trust_anchors.read_source(one, f"sources[{number}]: ") for number, one in sources]
    options["exclude"] = [one.pattern for one in anchor_filters.read_exclusions(options["exclude"])]
    if not options["sources"]:
        raise AnsibleActionFail("sources is empty. Name what the trust anchors come from, as for trust_anchors.")
    if not os.path.isabs(options["path"]):
        raise AnsibleActionFail(f"path: {options['path']} must be an absolute path of the node.")
    for name in ("timeout", "parallelism"):
        if options[name] <= 0:
            raise AnsibleActionFail(f"{name}: {options[name]} must be greater than 0.")
    return options


# --- fetching ---------------------------------------------------------------------------------------------------------


def _fetch_all_once(action: GridAction, options: dict[str, Any]) -> tuple[list[Slot], list[str]]:
    """What came of fetching each CRL, once per run for all hosts with the same sources and filters; and warnings."""
    groups = trust_anchors.read_groups(action, options["sources"])
    parts = [*trust_anchors.key_parts(groups), b"crls", json.dumps(options).encode()]

    def produce() -> dict[str, Any]:
        chosen, left_out = anchor_selection.choose(anchor_reading.collect(groups), options)
        announced = crl_sources.points(chosen)
        with ThreadPoolExecutor(options["parallelism"]) as pool:
            slots = list(pool.map(functools.partial(_summary, options=options), announced))
        return {"slots": slots, "warnings": left_out}

    fetched = run_cache.memoize(parts, produce)
    return [Slot(Point(**one.pop("point")), **one) for one in fetched["slots"]], fetched["warnings"]


def _summary(point: Point, options: dict[str, Any]) -> dict[str, Any]:
    """Without the bytes, of which a run with nothing to do has no need."""
    got = _obtain_once(point, options)
    facts = None
    if got["pem"]:
        facts = {**places.file_facts(got["pem"].encode()), "crl": got["crl"]}
        del facts["content"]
    return {"point": asdict(point), "facts": facts, "url": got["url"], "causes": got["causes"]}


def _obtain_once(point: Point, options: dict[str, Any]) -> dict[str, Any]:
    """A failure is kept, too: a thousand hosts shall not wait for the same dead server one after the other."""
    limits = {name: options[name] for name in _LIMITS}
    parts = [b"crl", json.dumps([point.subject, point.urls, point.keys, limits]).encode()]
    fetch = functools.partial(bounded_fetch.fetch, largest=crl.LARGEST, **limits)
    return run_cache.memoize(parts, lambda: crl_sources.obtain(point, fetch, times.now()))


def _content(slot: Slot, options: dict[str, Any]) -> str:
    return base64.b64encode(_obtain_once(slot.point, options)["pem"].encode()).decode()


# --- what becomes of each file ----------------------------------------------------------------------------------------


def _target(path: str, slots: list[Slot]) -> Place:
    """Only files of these CAs count. Those whose CRL could not be had are among them, so that the node tells them."""
    wanted = {name: slot.facts for slot in slots if slot.facts for name in slot.point.files}
    return Place("CRLs", path, [name for slot in slots for name in slot.point.files], wanted, ["..", "."])


def _judge(slot: Slot, name: str, found: places.Facts, options: dict[str, Any]) -> Verdict:
    present = found.get(name)
    if slot.facts is None:
        return _judge_alone(slot, name, present, options)
    if present is None:
        return Verdict(name, slot.facts, "missing")
    known = present.get("crl")
    if known and _is_newer(known, slot.facts["crl"]) and not options["allow_older"]:
        cause = f"has a CRL ({_dated(slot.facts['crl'])}) older than the one in place ({_dated(known)})"
        return Verdict(name, present, objection=cause)
    same = known and known["sha256"] == slot.facts["crl"]["sha256"]
    if same and manifest.line({**present, "sha256": ""}) == manifest.line({**slot.facts, "sha256": ""}):
        return Verdict(name, present)  # perhaps as fetch-crl wrote it, with other line ends
    return Verdict(name, slot.facts, _change(present, slot.facts["crl"]))


def _judge_alone(slot: Slot, name: str, present: dict[str, Any] | None, options: dict[str, Any]) -> Verdict:
    """Without anything to put in its place."""
    if options["remove_expired"] and _state(present, slot) == "expired":
        return Verdict(name, None, "unwanted: expired, and no other to be had")
    return Verdict(name, present)


def _is_newer(known: dict[str, Any], fetched: dict[str, Any]) -> bool:
    """Whether what is in place, if it is a CRL by the same key, was issued later.

    By time, and by number only within a second: CAs that change their software may start to count anew, but a
    replayed CRL cannot have a later time. One from the future says nothing.
    """
    if any(known[name] != fetched[name] for name in ("issuer", "key_id")):
        return False
    if known["this_update"] > times.iso(times.now()):
        return False
    return _age(known) > _age(fetched)


def _age(facts: dict[str, Any]) -> tuple[str, int]:
    return facts["this_update"], -1 if facts["number"] is None else facts["number"]


def _dated(facts: dict[str, Any]) -> str:
    return f"number {facts['number']} of {facts['this_update']}"


def _change(present: dict[str, Any], fetched: dict[str, Any]) -> str:
    known = present.get("crl")
    if known is None:
        return "damaged" if present["kind"] == "file" else f"now a file, was a {present['kind']}"
    if known["sha256"] == fetched["sha256"]:
        return "other mode or owner"
    return f"{_dated(known)} → {_dated(fetched)}"


def _entry(verdict: Verdict) -> dict[str, Any]:
    return places.entry(verdict.name, verdict.after) if verdict.after else {"path": verdict.name, "state": "absent"}


# --- result -----------------------------------------------------------------------------------------------------------


def _state(present: dict[str, Any] | None, slot: Slot) -> str:
    if present is None:
        return "missing"
    known = present.get("crl")
    if known is None or known["issuer"] != slot.point.subject:
        return "damaged"
    end = known["next_update"] and times.parse_iso(known["next_update"])
    return crl_store.judge(times.parse_iso(known["this_update"]), end, 0, times.now())


def _trouble(slot: Slot, verdicts: list[Verdict]) -> Trouble | None:
    """Why no CRL could be had, or was not placed. The worse of the two files counts."""
    causes = [(one[0], one[1]) for one in slot.causes]
    causes += [(str(slot.url), words) for words in sorted({one.objection for one in verdicts if one.objection})]
    worst = _worst(slot, verdicts)
    return Trouble(slot.point.alias, causes, _state(worst.after, slot), _known(worst)) if causes else None


def _worst(slot: Slot, verdicts: list[Verdict]) -> Verdict:
    return max(verdicts, key=lambda one: crl_store.STATES.index(_state(one.after, slot)))


def _known(verdict: Verdict) -> dict[str, Any]:
    return (verdict.after or {}).get("crl") or dict.fromkeys(("number", "this_update", "next_update"))


def _told(slot: Slot, verdicts: list[Verdict], trouble: Trouble | None, options: dict[str, Any]) -> dict[str, Any]:
    """The result for one CRL."""
    worst = _worst(slot, verdicts)
    known = _known(worst)
    return {
        "alias": slot.point.alias,
        "subject_dn": slot.point.subject_dn,
        "files": [os.path.join(options["path"], one.name) for one in verdicts],
        "state": _state(worst.after, slot),
        "number": known["number"],
        "this_update": known["this_update"],
        "next_update": known["next_update"],
        "hours_left": _hours_left(known["next_update"]),
        "url": slot.url,
        "changed": any(one.change for one in verdicts),
        "changes": [f"{one.name}: {one.change}" for one in verdicts if one.change],
        "msg": trouble.message if trouble else None,
    }


def _hours_left(next_update: str | None) -> int | None:
    return int((times.parse_iso(next_update) - times.now()).total_seconds() // 3600) if next_update else None


def _result(
    crls: list[dict[str, Any]], troubles: list[Trouble | None], options: dict[str, Any], diff: bool
) -> dict[str, Any]:
    """:param troubles: of each of ``crls``."""
    changed = [one for one in crls if one["changed"]]
    result: dict[str, Any] = {"changed": bool(changed), "crls": crls}
    result["warnings"] = crl_warnings.lines([one for one in troubles if one])
    if not crls:
        result["warnings"].append("no CA of the sources says where its CRL is (.info, .crl_url), so none is placed")
    if diff and changed:
        lines = [f"{one['alias']}: {why}\n" for one in changed for why in one["changes"]]
        result["diff"] = [{"prepared": "".join(lines)}]
    bad = [one for one in troubles if one and one.state != "fresh"]
    if options["required"] and bad:
        msg = "\n".join(["CAs without a valid CRL in place:", *crl_warnings.lines(bad)])
        result.update(failed=True, error_code="crl_required", msg=msg)
    return result
