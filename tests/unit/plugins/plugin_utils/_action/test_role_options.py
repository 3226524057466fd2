# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the table of options and variables with the roles' tasks, defaults and argument specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.grid.security.plugins.plugin_utils._action import role_options
from ansible_collections.grid.security.plugins.plugin_utils._action.role_options import ROLES
from ansible_collections.grid.security.plugins.plugin_utils._node import node

DIRECTORY = Path(role_options.__file__).resolve().parents[3] / "roles"


def read(role: str, path: str) -> Any:
    return yaml.safe_load((DIRECTORY / role / path).read_text())


def task_of(role: str) -> dict[str, Any]:
    """Return the options that the task of the role gives its module."""
    tasks = read(role, "tasks/controller.yml" if role == "crl_updates" else "tasks/main.yml")
    (options,) = [value for task in tasks for key, value in task.items() if key.startswith("grid.security.")]
    return dict(options)


def typed(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with their types, because True equals 1."""
    return {name: (type(value), value) for name, value in values.items()}


def documented(role: str) -> dict[str, Any]:
    specifications = read(role, "meta/argument_specs.yml")["argument_specs"]
    return {**specifications["verify"]["options"], **specifications["main"]["options"]}


def test_every_role_that_gives_a_module_options_is_in_the_table() -> None:
    roles = {path.name for path in DIRECTORY.iterdir()} - {"node"}
    assert set(ROLES) == roles
    assert {part.role for part in node.PARTS} <= roles


@pytest.mark.parametrize("role", ROLES)
def test_options_are_those_of_the_task(role: str) -> None:
    assert typed(ROLES[role].arguments()) == typed(task_of(role))


@pytest.mark.parametrize("role", ROLES)
def test_each_variable_stands_in_its_template(role: str) -> None:
    for option, variable in role_options.variables(role).items():
        assert variable in task_of(role)[option].split("{{")[1].strip(" }").replace("(", " ").split(), option


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_role(role: str) -> None:
    assert typed(dict(ROLES[role].defaults)) == typed(read(role, "defaults/main.yml"))


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_have_the_same_variables(role: str) -> None:
    """A default that is a template is told in words there."""
    options = documented(role)
    assert set(role_options.variables(role).values()) <= set(options)
    required = {name for name, option in options.items() if option.get("required")}
    assert set(ROLES[role].defaults) | required == set(options)
    told = set(options) - required
    plain = {name: value for name, value in ROLES[role].defaults.items() if name in told and "{{" not in str(value)}
    assert typed({name: options[name].get("default") for name in plain}) == typed(plain)


@pytest.mark.parametrize(
    ("role", "option", "variable"),
    [
        ("trust_anchors", "allow_shrink", "trust_anchors_allow_shrink"),
        ("trust_anchors", "bundle_path", "trust_anchors_bundle_path"),
        ("crl_updates", "remove_expired", "crl_updates_remove_expired"),
        ("crl_updates", "http_proxy", "crl_updates_http_proxy"),
        ("voms_client", "import_vos", "voms_client_import_vos"),
        ("host_credential", "allow_expired", "host_credential_allow_expired"),
        ("host_credential", "credentials", "host_credential_copies"),
        ("user_credentials", "credentials", "user_credentials"),
        ("user_credentials", "create_account", "user_credentials_create_accounts"),
        ("grid_mapfile", "allow_empty", "grid_mapfile_allow_empty"),
        ("user_credentials", "trust_anchors", "trust_anchors_sources"),
        ("host_credential", "trust_anchors_include", "trust_anchors_include"),
    ],
)
def test_variables(role: str, option: str, variable: str) -> None:
    assert role_options.variables(role)[option] == variable


def test_other_roles_have_no_options() -> None:
    assert role_options.variables("node") == role_options.variables("nosuch") == {}
