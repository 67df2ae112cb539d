# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders an instance's ssh.config and known_hosts. Pure functions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from callao.config.names import MAX_USER_NAME, SSH_CONTROL_SUFFIX
from callao.reach import Reach
from callao.system import UNIX_PATH_MAX


@dataclass(frozen=True)
class Endpoint:
    """How a client reaches and identifies an instance's sshd, and logs in."""

    alias: str
    reach: Reach
    user: str
    identity: Path
    known_hosts: Path
    control_path: Path
    """The control socket that all logins of ``user`` share; each other user has one beside it."""
    forward_agent: bool = False
    forward_x11: bool = False
    forward_x11_trusted: bool = False


def known_hosts(alias: str, host_key_pub: str) -> str:
    """The line of known_hosts, see sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; without the key's comment."""
    kind, key, *_ = host_key_pub.split()
    return f"{alias} {kind} {key}\n"


def render(endpoint: Endpoint) -> str:
    """ssh.config in Lima's layout, see ssh_config(5), with strict checking of the host key."""
    options = {
        "Hostname": endpoint.reach.address,
        "Port": str(endpoint.reach.port),
        **_proxy_command(endpoint.reach),
        "User": endpoint.user,
        "IdentityFile": _quoted(endpoint.identity),
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
        "HostKeyAlias": endpoint.alias,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(endpoint.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "GSSAPIAuthentication": "no",
        "NoHostAuthenticationForLocalhost": "no",
        "Compression": "no",
        "ControlMaster": "auto",
        "ControlPersist": "yes",
        "ForwardAgent": _yes_or_no(endpoint.forward_agent),
        "ForwardX11": _yes_or_no(endpoint.forward_x11),
        "ForwardX11Trusted": _yes_or_no(endpoint.forward_x11_trusted),
        "LogLevel": "ERROR",
    }
    lines = [f"  {key} {value}" for key, value in options.items()]
    return "\n".join(
        [
            f"# ssh -F {endpoint.control_path.parent / 'ssh.config'} {endpoint.alias}",
            f"Host {endpoint.alias}",
            *lines,
            f"Match originalhost {endpoint.alias} user {endpoint.user}",
            f"  ControlPath {_quoted(endpoint.control_path)}",
            f"Host {endpoint.alias}",
            f"  ControlPath {_per_user_control_path(endpoint.control_path)}",
            "",
        ]
    )


def _proxy_command(reach: Reach) -> dict[str, str]:
    if not reach.proxy_command:
        return {}
    return {"ProxyCommand": shlex.join(reach.proxy_command).replace("%", "%%")}


def _per_user_control_path(path: Path) -> str:
    """ControlPath for other users: one socket for each, or none where the path may be too long for a
    socket.
    """
    if len(str(path).encode()) + 1 + MAX_USER_NAME + SSH_CONTROL_SUFFIX >= UNIX_PATH_MAX:
        return "none"
    return f'"{_escape_percent(path.with_suffix(""))}-%r{path.suffix}"'


def _quoted(path: Path) -> str:
    """Quote an argument, see ssh_config(5)."""
    return f'"{_escape_percent(path)}"'


def _escape_percent(path: Path) -> str:
    """Double each ``%``, which begins a token in ssh_config(5)."""
    return str(path).replace("%", "%%")


def _yes_or_no(flag: bool) -> str:
    return "yes" if flag else "no"
