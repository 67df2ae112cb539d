# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads ``LIMA_HOME/_config/networks.yaml``, and writes it where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callao.config.network import NetworkMode, Networks, VmnetPaths
from callao.config.networks_fields import Fields
from callao.config.networks_rules import network_problems, read_network, read_replaced
from callao.config.positions import locate_problems
from callao.config.yamltext import load
from callao.errors import ConfigError, Problem, ignore_warning

DEFAULT_NETWORK = "user-v2"
DEFAULT_GROUP = "admin"
DEFAULT_VAR_RUN = "/private/var/run/lima"
_DEFAULT_SUDOERS = "/private/etc/sudoers.d/lima"
_SOCKET_VMNET = (
    "/opt/socket_vmnet/bin/socket_vmnet",
    "socket_vmnet",
    "/usr/local/opt/socket_vmnet/bin/socket_vmnet",
    "/opt/homebrew/opt/socket_vmnet/bin/socket_vmnet",
)
_LARGEST = 2**20
"""Bytes of the file."""

_DEFAULT_TEXT = """\
# The networks that lima.yaml may name: "networks: [{{lima: NAME}}]".

# Programs and files of socket_vmnet, which carries the modes shared, bridged and host on macOS, as a program
# of Callao's does on Linux. It runs as root, so every folder on the way to them has to be root's alone, and
# none may be a symbolic link. On Linux, /private/var/run/lima means /var/lib/lima, and /private/etc is /etc.
paths:
  socketVMNet: {socket_vmnet}
  varRun: {var_run}
  sudoers: {sudoers}

# Members of this group may start socket_vmnet by sudo and use its sockets. On a Linux without a group admin,
# this is sudo or wheel.
group: {group}

networks:
  user-v2: # needs no privileges
    mode: user-v2
    gateway: 192.168.104.1
    netmask: 255.255.255.0
  shared:
    mode: shared
    gateway: 192.168.105.1
    dhcpEnd: 192.168.105.254
    netmask: 255.255.255.0
  bridged:
    mode: bridged
    interface: en0 # its network gives the addresses; on Linux, a bridge, such as br0
  host:
    mode: host
    gateway: 192.168.106.1
    dhcpEnd: 192.168.106.254
    netmask: 255.255.255.0
"""

_BUILT_IN = {"mode": "user-v2", "gateway": "192.168.104.1", "netmask": "255.255.255.0"}
"""Stands for the network user-v2 while no network of that mode has a gateway."""


def networks_file(home: Path) -> Path:
    """Where the file is.

    :param home: ``LIMA_HOME``.
    """
    return home / "_config" / "networks.yaml"


def default_text() -> str:
    """What the file says where nobody has written one."""
    return _DEFAULT_TEXT.format(
        socket_vmnet=_installed_socket_vmnet(), var_run=DEFAULT_VAR_RUN, sudoers=_DEFAULT_SUDOERS,
        group=DEFAULT_GROUP,
    )  # fmt: skip


def _installed_socket_vmnet() -> str:
    """The path of the installed program without symbolic links; where it belongs when there is none."""
    found = next(filter(None, map(shutil.which, _SOCKET_VMNET)), None)
    return str(Path(found).resolve()) if found else _SOCKET_VMNET[0]


def ensure_networks_file(home: Path) -> Path:
    """Write the file with its defaults where there is none; one that exists is left alone."""
    from callao.atomic import create_file

    path = networks_file(home)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        create_file(path, default_text().encode())  # another process may have written and edited it by now
    return path


def read_networks(home: Path, warn: Callable[[Problem], None] = ignore_warning) -> Networks:
    """What the file says, or its defaults where there is none. Writes nothing.

    :param warn: is told each unknown key.
    :raises ConfigError: with every problem.
    """
    return parse_networks(networks_text(home), source=str(networks_file(home)), warn=warn)


def networks_text(home: Path) -> str:
    """The text of the file, or the default one.

    :raises ConfigError: when the file cannot be read.
    """
    path = networks_file(home)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ConfigError(
                [Problem(".", "", "is too large", f"at most {_LARGEST} bytes")], source=str(path)
            )
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        return default_text()
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(".", "", f"cannot be read: {error}", "readable YAML")
        raise ConfigError([problem], source=str(path)) from error


def parse_networks(
    text: str, *, source: str = "networks.yaml", warn: Callable[[Problem], None] = ignore_warning
) -> Networks:
    """What ``text`` says, with every default.

    :param source: where the text is from, for messages.
    :param warn: is told each unknown key.
    :raises ConfigError: with every problem, each with its place.
    """
    top = Fields(load(text, source))
    paths = top.inner("paths")
    group = top.text("group")
    entries = top.inner("networks")
    completed = with_built_in(entries.given)
    if DEFAULT_NETWORK in entries.given and completed[DEFAULT_NETWORK] is _BUILT_IN:
        read_replaced(entries.inner(DEFAULT_NETWORK))
    networks = {
        name: read_network(name, Fields(each, f"networks.{name}", top.problems, top.unknown))
        for name, each in completed.items()
    }
    said = VmnetPaths(
        paths.text("socketVMNet"),
        paths.text("varRun") or DEFAULT_VAR_RUN,
        paths.text("sudoers"),
    )
    paths.told_unknown()
    top.told_unknown()
    found = {name: each for name, each in sorted(networks.items()) if each is not None}
    _tell(top.unknown, text, warn)
    problems = [*top.problems, *network_problems(group, networks)]
    if problems:
        raise ConfigError(locate_problems(problems, text), source=source)
    return Networks(said, group or DEFAULT_GROUP, found)


def _tell(unknown: list[Problem], text: str, warn: Callable[[Problem], None]) -> None:
    for each in locate_problems(unknown, text) if unknown and warn is not ignore_warning else ():
        warn(each)


def with_built_in(networks: Mapping[str, Any]) -> dict[str, Any]:
    """The entries, and ``user-v2`` as it is by default where no entry of that mode has a gateway."""
    given = dict(networks)
    if not any(
        isinstance(each, Mapping) and each.get("mode") == NetworkMode.USER_V2 and each.get("gateway")
        for each in given.values()
    ):
        given[DEFAULT_NETWORK] = _BUILT_IN
    return given
