# SPDX-License-Identifier: GPL-3.0-or-later
"""``{{.Name}}`` and its kind in lima.yaml's strings: some know the host, some the guest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callao.config.names import hostname_of
from callao.config.schema import Config
from callao.errors import Problem
from callao.host import Host

_REFERENCE = re.compile(r"\{\{\s*\.([A-Za-z]+(?:\.[A-Za-z0-9_]+)?)\s*\}\}")
_HOST_SIDE = {"mounts": ("location",), "portForwards": ("hostSocket",), "copyToHost": ("host",)}
_GUEST_SIDE = {
    "mounts": ("mountPoint",),
    "portForwards": ("guestSocket",),
    "copyToHost": ("guest",),
    "provision": ("path", "content", "owner"),
}

Document = dict[str, Any]


def expand(filled: Document, host: Host, *, name: str, instance_dir: Path) -> tuple[Document, list[Problem]]:
    """The document with its references replaced, and those that lead nowhere."""
    problems: list[Problem] = []
    parameters = {f"Param.{key}": value for key, value in filled["param"].items()}
    user = filled["user"]
    guest = {
        "Name": name,
        "Hostname": hostname_of(name),
        "UID": str(user["uid"]),
        "User": user["name"],
        **parameters,
    }
    home = _text(user["home"], guest, "user.home", problems)
    guest["Home"] = home
    here = {**_of_host(host, name, instance_dir), **parameters}
    expanded = {**filled, "user": {**user, "home": home}}
    for table, known in ((_HOST_SIDE, here), (_GUEST_SIDE, guest)):
        for key, fields in table.items():
            expanded[key] = [
                _entry(entry, fields, known, f"{key}[{index}]", problems)
                for index, entry in enumerate(expanded.get(key, []))
            ]
    return expanded, problems


def message(config: Config, host: Host, *, name: str, instance_dir: Path) -> str:
    """The template's message with its references replaced; what it does not know stays as it stands."""
    known = {
        **_of_host(host, name, instance_dir),
        "Hostname": hostname_of(name),
        "HostOS": host.os,
        "Arch": config.arch.value,
        "SSHConfigFile": str(instance_dir / "ssh.config"),
        **{f"Param.{key}": value for key, value in config.param.items()},
    }
    return _text(config.message, known, "message", [])


def _of_host(host: Host, name: str, instance_dir: Path) -> dict[str, str]:
    return {
        "Dir": str(instance_dir),
        "Home": host.user.home,
        "Name": name,
        "UID": str(host.user.uid),
        "User": host.user.name,
        "GlobalTempDir": "/tmp",  # noqa: S108 - the value that lima.yaml documents
        "TempDir": "/tmp",  # noqa: S108
    }


def _entry(
    entry: Document, fields: tuple[str, ...], known: Mapping[str, str], place: str, problems: list[Problem]
) -> Document:
    if not any(isinstance(entry.get(field), str) and "{{" in entry[field] for field in fields):
        return entry
    changed = {
        field: _text(entry[field], known, f"{place}.{field}", problems)
        for field in fields
        if isinstance(entry.get(field), str)
    }
    return {**entry, **changed}


def _text(text: str, known: Mapping[str, str], place: str, problems: list[Problem]) -> str:
    if "{{" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        reference = match.group(1)
        if reference not in known:
            allowed = ", ".join("{{." + each + "}}" for each in sorted(known))
            problems.append(Problem(place, text, f"knows no {reference}", allowed))
            return match.group(0)
        return known[reference]

    return _REFERENCE.sub(value, text)
