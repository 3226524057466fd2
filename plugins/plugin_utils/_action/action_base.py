# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provide the base class of all actions: run modules on the node, read files of the controller, check options."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.module_utils._common import option_paths, process
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.plugin_utils._action import ansible_internals, node_python

if TYPE_CHECKING:
    from ansible.module_utils.common.arg_spec import ValidationResult

    from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register

__all__ = ["GridAction", "Options", "plain", "validated"]

_SHOW_ALL = 3  # -vvv
_ENGINE = "grid.security.file_set"
_COLLECTION = str(Path(__file__).resolve().parents[3])
_ANSIBLES_END = " on the Ansible Controller."  # the end of a list of paths
_MOST_AT_ONCE = 1 << 20  # characters of contents: a node holds several copies of them in memory


class Options:
    """The options of a task, or of the items of a list, checked by ansible against a specification.

    Ansible's check of an item takes longer than all other work on an item that does not change. The check takes many
    texts as they are. So items that differ only in such texts are checked once.

    :param module: the module of this collection that has these options; empty for the items of its lists.
    :param rules: as of ansible's ``ArgumentSpecValidator``.
    """

    def __init__(self, specification: dict[str, Any], module: str = "", **rules: Any) -> None:
        self._specification = specification
        self._module = f" for (grid.security.{module}) module" if module else ""
        self._validator = ArgumentSpecValidator(specification, **rules)
        self._known: dict[str, dict[str, Any]] = {}

    def complete(self, arguments: dict[str, Any], where: str = "", others: Iterable[str] = ()) -> dict[str, Any]:
        """Return all options, with the defaults of the options that are not given.

        :param where: the start of messages. :param others: supported options that other code checks.
        :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
        """
        given = plain(arguments)
        texts = {name: value for name, value in given.items() if self._is_taken_as_it_is(name, value)}
        alike = repr((sorted(texts), [item for item in given.items() if item[0] not in texts]))
        if alike not in self._known:
            self._known[alike] = self._validated(given, where, others)
        return {**self._known[alike], **texts}

    def _is_taken_as_it_is(self, name: str, value: Any) -> bool:
        rule = self._specification.get(name, {})
        if not isinstance(value, str) or "choices" in rule:
            return False
        return rule.get("type") == "str" or (rule.get("type") == "path" and not set(value) & {"~", "$"})

    def _validated(self, given: dict[str, Any], where: str, others: Iterable[str]) -> dict[str, Any]:
        result = self._validator.validate(given)
        if result.error_messages:  # they may quote a passphrase that is in the wrong place
            messages = [error.msg for error in result.errors.errors if not isinstance(error, UnsupportedError)]
            text = where + "; ".join([*messages, *self._unsupported(result, others)])
            secrets = ansible_internals.secret_values(result)
            quoted = {form for value in secrets for form in (value, repr(value)[1:-1])}
            raise AnsibleActionFail(str(remove_values(text, quoted)))
        options: dict[str, Any] = result.validated_parameters
        return options

    def _unsupported(self, result: ValidationResult, others: Iterable[str]) -> list[str]:
        """Return messages about unknown options, in the words of ansible's own modules.

        Ansible names the supported options of one level only. It may be another level than that of the unknown option.
        """
        levels: dict[tuple[str, ...], list[str]] = {}
        for unknown in result.unsupported_parameters:
            path = unknown if isinstance(unknown, tuple) else (unknown,)
            levels.setdefault(path[:-1], []).append(".".join(map(str, path)))
        return [self._told(level, unknown, others if not level else ()) for level, unknown in sorted(levels.items())]

    def _told(self, level: tuple[str, ...], unknown: list[str], others: Iterable[str]) -> str:
        supported = ", ".join(sorted({*self._supported(level), *others}))
        listed = ", ".join(sorted(unknown))
        return f"Unsupported parameters{self._module}: {listed}. Supported parameters include: {supported}."

    def _supported(self, level: tuple[str, ...]) -> Iterable[str]:
        specification = self._specification
        for name in level:
            specification = specification[name]["options"]
        return specification


def validated(
    specification: dict[str, Any], arguments: dict[str, Any], where: str = "", module: str = "", **rules: Any
) -> dict[str, Any]:
    """Return the complete options of a single task or item; see :class:`Options`."""
    return Options(specification, module, **rules).complete(arguments, where)


def plain(value: Any) -> Any:
    """Return the value without ansible's tags. They name the origin of each string, and copying them is slow."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    # Inline vault strings of ansible-core before 2.19 have __ENCRYPTED__, and are decrypted by str().
    return str(value) if isinstance(value, str) or hasattr(value, "__ENCRYPTED__") else value


def _not_found(src: str, searched: Iterable[str]) -> str:
    """Return the message about a file that is not found. :param searched: the paths where it may be."""
    if os.path.isabs(src) or src.startswith("~"):
        return f"{src} does not exist on the controller. Correct its path."
    paths = [os.path.normpath(path.removesuffix(_ANSIBLES_END)) for path in searched]
    # Users put no files into an installed collection.
    places = dict.fromkeys(path.removesuffix(src) for path in paths if not path.startswith(f"{_COLLECTION}{os.sep}"))
    directories = ", ".join(place.rstrip("/") or "/" for place in places)
    return f"{src} was not found on the controller in {directories}. Put it into one of these, or correct its path."


def _printable(result: dict[str, Any]) -> dict[str, Any]:
    """Make the message and the warnings printable: they may quote files that other people wrote."""
    if "warnings" in result:
        result["warnings"] = [readable(warning) for warning in result["warnings"]]
    if "msg" in result:
        result["msg"] = "\n".join(map(readable, result["msg"].splitlines()))
    return result


class GridAction(ActionBase):
    """The base class of all actions. It runs one exchange with the node, and returns errors as the task's result."""

    TRANSFERS_FILES = False
    engine_options: dict[str, Any] = {}  # further options of the module file_set
    _is_prepared = False
    filled_variables: dict[str, Any] = {}  # they replace variables of the inventory; see templates.fill_lists

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result; see :meth:`perform`."""
        super().run(tmp, task_vars)
        process.hide_memory()  # of ansible's worker process, which ends with the task
        self.task_vars: dict[str, Any] = task_vars or {}
        if self._is_mitogen:  # it executes many modules in one process, and their secrets would stay in its memory
            self.task_vars = {**self.task_vars, "mitogen_task_isolation": "fork"}
        return self._translated(self._run())

    @property
    def _is_mitogen(self) -> bool:
        """Return whether Mitogen executes the modules. Mitogen adds a base class to each action."""
        return any(base.__module__.startswith("ansible_mitogen.") for base in type(self).__mro__)

    def _translated(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the result. In a role, its messages name variables of the role in place of options."""
        told = any(result.get(name) for name in ("msg", "warnings", "crls"))
        if not told or not getattr(self._task, "_role", None):
            return result
        # Most runs have no message.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.plugin_utils._action import option_names

        return option_names.translated(option_names.role_of(self._task), result)

    def _run(self) -> dict[str, Any]:
        try:
            return self._shortened(_printable(self.perform()))
        except GridSecurityError as error:
            return exchange.failure(error)
        except AnsibleConnectionFailure:
            raise  # ansible reports the host as unreachable, and skips it in later tasks
        except AnsibleActionFail as error:
            return {**error.result, "failed": True, "msg": str(error)}
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}

    def _shortened(self, result: dict[str, Any]) -> dict[str, Any]:
        """Let -v show only the summary of the result: with hundreds of users, the whole result is very long."""
        if "summary" in result and not result.get("failed") and self._display.verbosity < _SHOW_ALL:
            result["_ansible_verbose_override"] = True  # ansible does the same for facts
            for line in result["summary"]:
                self._display.v(line, host=self.host)
        return result

    def perform(self) -> dict[str, Any]:
        """Do the task's work and return its result.

        :raises AnsibleError: the task fails with this message. :raises GridSecurityError: also with an error code.
        """
        raise NotImplementedError

    def run_exchange(self, made: exchange.Exchange) -> dict[str, Any]:
        """Run one exchange with the node and return its result."""
        result: dict[str, Any] = exchange.run(made, self.send)
        return result

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the task's options as the user wrote them."""
        arguments: dict[str, Any] = self._task.args
        return arguments

    @property
    def host(self) -> str:
        """Return the node's name in the inventory."""
        return str(self.task_vars["inventory_hostname"])

    @functools.cached_property
    def register(self) -> Register:
        """Return what this run knows about the owners of credentials."""
        # Only credentials have run_as.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.plugin_utils._action import run_register

        return run_register.load(self.host)

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    def change_nothing(self) -> None:
        """Continue in check mode, whether or not the task is in check mode."""
        self._task.check_mode = True  # ansible passes it to the modules on the node

    @property
    def diff(self) -> bool:
        return bool(self._task.diff)

    def execute(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Execute a module on the node and return ansible's result of it, also if the module failed.

        :raises AnsibleActionFail: the Python of the node is too old.
        """
        result: dict[str, Any] = self._execute_module(
            module_name=module, module_args=arguments, task_vars=self.task_vars
        )
        message = node_python.complaint(self, result, self.task_vars)
        if message:
            raise AnsibleActionFail(message, result={"error_code": "old_python"})
        return result

    def prepare(self) -> None:
        """Make the temporary directory and build the engine's module, once. Its first execution uses both.

        Call this while another processor derives a key. Mitogen needs neither the directory nor the built module.
        """
        if self._is_prepared or self._is_mitogen:
            return
        self._is_prepared = True
        ansible_internals.make_directory(self)
        ansible_internals.build_module(self, _ENGINE, self.task_vars)

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        """Run the engine on the node and return the outcome of each set. Each execution takes one MiB of contents.

        :raises AnsibleActionFail: the engine did not start (no Python, no sudo, ...).
        """
        parts = exchange.Request(sets, contents).in_parts(_MOST_AT_ONCE)
        return [outcome for part in parts for outcome in self._converge(part)]

    def _converge(self, request: exchange.Request) -> list[dict[str, Any]]:
        arguments = {"request": json.dumps(request.sets), "contents": request.contents, **self.engine_options}
        result = self.execute(_ENGINE, arguments)
        if "sets" not in result:
            raise AnsibleActionFail(result.get("msg", "the module file_set gave no result"), result=result)
        outcomes: list[dict[str, Any]] = result["sets"]
        return outcomes

    def template(self, value: Any, defaults: dict[str, Any] | None = None) -> Any:
        """Return a value with its templates filled. Omitted keys of a dictionary are left out.

        :param defaults: the values of variables that are not set.
        """
        variables = {**(defaults or {}), **self.task_vars, **self.filled_variables}
        templar = self._templar.copy_with_new_env(available_variables=variables)
        filled = templar.template(value)
        if isinstance(filled, dict):  # ansible-core before 2.19 leaves omitted keys in the dictionary
            omit = self.task_vars.get("omit")
            return {key: item for key, item in filled.items() if omit is None or item != omit}
        return filled

    def find(self, src: str) -> str:
        """Return the path of a file or directory of the controller.

        Search the directories that ``copy`` searches, then those beside the inventory. Users of the playbooks of this
        collection put files there.

        :raises AnsibleError: the file is not found. :raises GridSecurityError: ``bad_path``.
        """
        option_paths.check(src, "src", errors="surrogateescape")
        try:
            return str(self._loader.path_dwim_relative_stack(self._task.get_search_path(), "files", src))
        except AnsibleError as error:
            searched = [line.strip() for line in str(error).splitlines() if line.startswith("\t")]
        inventory = self.task_vars.get("inventory_dir")
        beside = [os.path.join(inventory, place, "files", src) for place in (".", "..")] if inventory else []
        for path in map(os.path.normpath, beside):
            if os.path.exists(path):
                return path
        # Raised without the error of ansible as its cause: ansible-core 2.19 and newer would append many lines.
        raise AnsibleActionFail(_not_found(src, [*searched, *beside]))

    def read(self, src: str) -> bytes:
        """Return the content of a file of the controller. A vaulted file is decrypted in memory only.

        :raises AnsibleError: the file is not found or not readable, or no vault secret of the run opens it.
        """
        path = self.find(src)
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise AnsibleActionFail(f"{src} cannot be read on the controller: {error.strerror}.") from error
        if not data.startswith(b"$ANSIBLE_VAULT"):
            return data
        try:
            return ansible_internals.decrypt(self._loader, data)
        except AnsibleError as error:
            raise AnsibleActionFail(f"{src} cannot be decrypted on the controller: {error}") from error
