# SPDX-License-Identifier: GPL-3.0-or-later
"""The valid names of ``networks[].lima``: those in ``_config/networks.yaml`` that this host supports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callao.config.yamltext import load
from callao.errors import ConfigError, Problem
from callao.host import Host

_USER = "user-v2"
_WRITTEN = frozenset({_USER, "shared", "bridged", "host"})
"""The names in the file that Lima writes where there is none."""


def network_names(home: Path, host: Host) -> frozenset[str]:
    """The networks' names; without macOS only those of mode ``user-v2``.

    :param home: ``LIMA_HOME``.
    :raises ConfigError: when the file is there and cannot be read.
    """
    networks = _networks(home / "_config" / "networks.yaml")
    if networks is None:
        return _WRITTEN if host.os == "darwin" else frozenset({_USER})
    users = {name for name, each in networks.items() if each.get("mode") == _USER and each.get("gateway")}
    every = (
        set(networks)
        if host.os == "darwin"
        else {name for name, each in networks.items() if each.get("mode") == _USER}
    )
    return frozenset(every if users else every | {_USER})


def _networks(path: Path) -> dict[str, Mapping[str, object]] | None:
    try:
        document = load(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(".", "", f"cannot be read: {error}", "readable YAML")
        raise ConfigError([problem], source=str(path)) from error
    networks = document.get("networks")
    if not isinstance(networks, Mapping):
        return {}
    return {name: each if isinstance(each, Mapping) else {} for name, each in networks.items()}
