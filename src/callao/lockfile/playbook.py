# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the templates that a playbook or an inventory references, without running it.

The values of Jinja expressions are only known when the playbook runs: they are returned separately, so that
the user can name the templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from callao.errors import LockError

DEFAULT = "default"
"""The engine's default template."""

_MODULES = frozenset({"callao.lima.instance", "callao.lima.image"})
_VARIABLE = "lima_template"
_INCLUDES = frozenset(
    prefix + name
    for prefix in ("", "ansible.builtin.")
    for name in ("import_playbook", "import_tasks", "include_tasks")
)
_FOLDERS = re.compile(r"\{\{\s*(?:playbook_dir|inventory_dir)\s*\}\}")
_SHORT = re.compile(r"\btemplate=(\S+)")


@dataclass(frozen=True)
class ReferencedTemplates:
    """``references`` in order, without duplicates; ``unknown`` are expressions that only a run evaluates."""

    references: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class _Loader(yaml.SafeLoader):
    """Ignores Ansible's tags (``!vault``, ``!unsafe``), which do not matter here."""


_Loader.add_multi_constructor("!", lambda *_: None)


def is_playbook(reference: str) -> bool:
    """Whether ``reference`` is a YAML file that contains a list; a template contains a mapping."""
    if not reference.endswith((".yml", ".yaml")) or not Path(reference).is_file():
        return False
    return isinstance(_load(Path(reference)), list)


def templates_in_playbook(path: Path) -> ReferencedTemplates:
    """The templates that the playbook and the files that it includes by name use for instances.

    :raises LockError: when one of the files cannot be read.
    """
    return _references(_in_file(path, path.absolute().parent, ()))


def templates_in_inventory(inventory: Mapping[str, Any], folder: Path) -> ReferencedTemplates:
    """The template of each host in the output of ``ansible-inventory --list``.

    Hosts with another connection plugin and without ``lima_template`` are not instances.
    """
    hosts: Mapping[str, Mapping[str, Any]] = inventory.get("_meta", {}).get("hostvars", {})
    found = []
    for variables in hosts.values():
        if variables.get(_VARIABLE):
            found.append(str(variables[_VARIABLE]))
        elif variables.get("ansible_connection") == "callao.lima.instance":
            found.append(DEFAULT)
    return _references(_resolve_path(each, folder) for each in found)


def _references(found: Iterator[str]) -> ReferencedTemplates:
    every = list(dict.fromkeys(found))
    return ReferencedTemplates(
        tuple(each for each in every if "{{" not in each), tuple(each for each in every if "{{" in each)
    )


def _in_file(path: Path, folder: Path, above: tuple[Path, ...]) -> Iterator[str]:
    if path.resolve() in above:
        return
    for value in _in_value(_load(path), path.parent, (*above, path.resolve()), folder):
        yield _resolve_path(value, folder)


def _in_value(value: Any, beside: Path, above: tuple[Path, ...], folder: Path) -> Iterator[str]:
    """Searches blocks, roles and lists of tasks alike, by their keys."""
    if isinstance(value, list):
        for item in value:
            yield from _in_value(item, beside, above, folder)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key == _VARIABLE and isinstance(item, str):
            yield item
        elif key in _MODULES or (key in ("action", "local_action") and _is_ours(item)):
            yield from _argument(item)
        elif key in _INCLUDES:
            file = item.get("file") if isinstance(item, Mapping) else item
            other = beside / str(file)
            if other.is_file():
                yield from _in_file(other, folder, above)
        else:
            yield from _in_value(item, beside, above, folder)


def _is_ours(action: Any) -> bool:
    name = action.get("module") if isinstance(action, Mapping) else str(action).partition(" ")[0]
    return name in _MODULES


def _argument(arguments: Any) -> Iterator[str]:
    if isinstance(arguments, Mapping) and isinstance(arguments.get("template"), str):
        yield arguments["template"]
    elif isinstance(arguments, str):
        yield from _SHORT.findall(arguments)


def _resolve_path(reference: str, folder: Path) -> str:
    """The reference; a path is relative to the playbook, not to the current folder."""
    reference = _FOLDERS.sub(lambda _: str(folder), reference)
    if "{{" in reference or "://" in reference or reference.startswith(("/", "~", "github:")):
        return reference
    path = reference.endswith((".yml", ".yaml")) or reference.startswith(".")
    return str(folder / reference) if path else reference


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - safe, but for tags
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        words = str(error).replace("\n", " ")
        raise LockError(f"{path} cannot be read: {words}.") from error
