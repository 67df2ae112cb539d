# SPDX-License-Identifier: GPL-3.0-or-later
"""Expands Go templates in lima.yaml's strings, with variables of the host or of the guest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.config.names import hostname_of
from callao.errors import ExpressionError, Problem
from callao.host import Host

_HOST_FIELDS = {"mounts": ("location",), "portForwards": ("hostSocket",), "copyToHost": ("host",)}
_GUEST_FIELDS = {
    "mounts": ("mountPoint",),
    "portForwards": ("guestSocket",),
    "copyToHost": ("guest",),
    "probes": ("script",),
}
_PROVISION = ("script",)
_PROVISION_OF_MODE = {"data": ("content", "owner", "path"), "yq": ("expression", "owner", "path")}
"""Fields that are templates in every mode of ``provision``, and in these modes."""

_SOCKETS = ("guestSocket", "hostSocket")
_FREE_TEXT_FIELDS = frozenset({"script", "content", "expression"})
"""They may contain braces of other languages: text that is no Go template stays unchanged, with a
warning."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Expanded:
    """``problems`` are mistakes in templates; ``warnings`` are mistakes in free text, which stays
    unchanged."""

    document: Document
    problems: list[Problem]
    warnings: list[Problem]


def expand(filled: Document, host: Host, *, name: str, instance_dir: Path) -> Expanded:
    """The document with its templates expanded."""
    expander = _Expander([], [])
    user = filled["user"]
    hostname = hostname_of(name, filled.get("hostname") or "")
    guest = {"Name": name, "Hostname": hostname, "UID": user["uid"], "User": user["name"]}
    host_variables = {
        "Dir": str(instance_dir),
        "Name": name,
        "UID": str(host.user.uid),
        "User": host.user.name,
        "Home": host.user.home,
        "GlobalTempDir": "/tmp",  # noqa: S108 - the value that lima.yaml documents
        "TempDir": host.temporary,
        "Instance": name,
        "LimaHome": str(instance_dir.parent),
    }
    parameters = filled["param"]
    home = expander.text(user["home"], {**guest, "Param": parameters}, "user.home", "home")
    guest_variables = {**guest, "Home": home, "Param": parameters}
    host_variables["Param"] = parameters
    expanded = {**filled, "user": {**user, "home": home}}
    for table, variables in ((_HOST_FIELDS, host_variables), (_GUEST_FIELDS, guest_variables)):
        for key, fields in table.items():
            expanded[key] = [
                expander.entry(entry, fields, variables, f"{key}[{index}]")
                for index, entry in enumerate(expanded.get(key, []))
            ]
    expanded["provision"] = [
        expander.entry(entry, _provision_fields(entry), guest_variables, f"provision[{index}]")
        for index, entry in enumerate(expanded.get("provision", []))
    ]
    return Expanded(expanded, expander.problems, expander.warnings)


def _provision_fields(entry: Document) -> tuple[str, ...]:
    return (*_PROVISION, *_PROVISION_OF_MODE.get(entry.get("mode", "system"), ()))


@dataclass
class _Expander:
    problems: list[Problem]
    warnings: list[Problem]

    def entry(
        self, entry: Document, fields: tuple[str, ...], variables: Mapping[str, Any], place: str
    ) -> Document:
        changed = {
            field: self.text(entry[field], variables, f"{place}.{field}", field)
            for field in fields
            if isinstance(entry.get(field), str) and "{{" in entry[field]
        }
        return {**entry, **changed} if changed else entry

    def text(self, text: str, variables: Mapping[str, Any], place: str, field: str) -> str:
        """``text`` expanded; unchanged where that fails."""
        if "{{" not in text:
            return text
        from callao.gotemplate import MissingValue, execute, to_go_values

        missing = MissingValue.PRINTED if field in _FREE_TEXT_FIELDS else MissingValue.REFUSED
        try:
            result = execute(text, to_go_values(variables), missing=missing)
        except ExpressionError as error:
            stays = ", and stays as it is" if field in _FREE_TEXT_FIELDS else ""
            allowed = ", ".join("{{." + each + "}}" for each in sorted(variables))
            problem = Problem(place, _shortened(text), f"is no Go template{stays}: {error}", allowed)
            (self.warnings if field in _FREE_TEXT_FIELDS else self.problems).append(problem)
            return text
        if field in _SOCKETS and not result.strip():
            self.problems.append(Problem(place, _shortened(text), "has no value", "a socket's path"))
        return result


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
