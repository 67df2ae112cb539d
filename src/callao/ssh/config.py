# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders an instance's ssh.config and known_hosts. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from callao.config.names import MAX_USER_NAME, SSH_CONTROL_SUFFIX
from callao.reach import Reach
from callao.system import UNIX_PATH_MAX


@dataclass(frozen=True)
class Endpoint:
    """Where an instance's sshd is, and how its key is known."""

    alias: str
    reach: Reach
    user: str
    identity: Path
    known_hosts: Path
    control_path: Path
    """The socket of the connection that all logins of ``user`` share; other users have others beside it."""
    forward_agent: bool = False
    forward_x11: bool = False
    forward_x11_trusted: bool = False


def known_hosts(alias: str, host_key_pub: str) -> str:
    """One line, see sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT"; the key's comment is left out."""
    kind, key, *_ = host_key_pub.split()
    return f"{alias} {kind} {key}\n"


def render(endpoint: Endpoint) -> str:
    """ssh.config as Lima lays it out, see ssh_config(5), with the host key checked."""
    options = {
        "Hostname": endpoint.reach.address,
        "Port": str(endpoint.reach.port),
        **_proxy(endpoint.reach),
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
        "ForwardAgent": _yes(endpoint.forward_agent),
        "ForwardX11": _yes(endpoint.forward_x11),
        "ForwardX11Trusted": _yes(endpoint.forward_x11_trusted),
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
            f"  ControlPath {_of_others(endpoint.control_path)}",
            "",
        ]
    )


def _proxy(reach: Reach) -> dict[str, str]:
    if not reach.proxy_command:
        return {}
    return {"ProxyCommand": shlex.join(reach.proxy_command).replace("%", "%%")}


def _of_others(path: Path) -> str:
    """Shared by the logins of one user; by none where the path may be too long for a socket."""
    if len(str(path).encode()) + 1 + MAX_USER_NAME + SSH_CONTROL_SUFFIX >= UNIX_PATH_MAX:
        return "none"
    return f'"{_literal(path.with_suffix(""))}-%r{path.suffix}"'


def _quoted(path: Path) -> str:
    """ssh_config(5): arguments may be in double quotes."""
    return f'"{_literal(path)}"'


def _literal(path: Path) -> str:
    """``%`` begins a token there."""
    return str(path).replace("%", "%%")


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
