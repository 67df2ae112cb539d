# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS proxies into a guest's network: ssh processes in the background, found and ended by their control
sockets.

Each has a connection of its own, and so ends with the machine. Imports little, for quick commands.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from callao.errors import InstanceError
from callao.ssh.target import Target

_SOCKET = "ssh-tunnel-{}.sock"
_NAME = re.compile(r"ssh-tunnel-(\d{1,5})\.sock", re.ASCII)
_PID = re.compile(r"pid=(\d+)", re.ASCII)
_LOGIN_TIMEOUT = 120.0
"""Seconds for the login; an emulated guest under load takes long."""

_CONTROL_TIMEOUT = 30.0
"""Seconds for a proxy to answer on its control socket."""

_STANDALONE_OPTIONS = (
    "-N",
    "-o", "ControlPersist=no",
    "-o", "ExitOnForwardFailure=yes",
    "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=4",
)  # fmt: skip


class Tunnel(NamedTuple):
    """An open tunnel."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The proxy's URL for curl and ``ALL_PROXY``; names are resolved in the guest."""
        return socks_url(self.port)


def socks_url(port: int) -> str:
    return f"socks5h://127.0.0.1:{port}"


def foreground_argv(target: Target, port: int) -> list[str]:
    """The command line of ssh as a proxy in the foreground, for a caller that replaces itself by it."""
    return target.argv(
        "-o", "ControlMaster=no", "-o", "ControlPath=none", *_STANDALONE_OPTIONS, "-D", f"127.0.0.1:{port}"
    )


def open_tunnel(target: Target, port: int) -> None:
    """Start a proxy in the background; returns when it listens.

    :raises InstanceError: with ssh's own message when it does not.
    """
    options = ("-f", "-o", "ControlMaster=yes", "-S", _SOCKET.format(port), *_STANDALONE_OPTIONS)
    # A relative path of the control socket: an absolute one may be too long for a socket.
    folder = target.config.parent
    # Removes the control socket of a killed ssh: ssh does not create its own where a file exists.
    _pid(target, folder / _SOCKET.format(port))
    argv = target.argv(*options, "-D", f"127.0.0.1:{port}")
    try:
        result = subprocess.run(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LOGIN_TIMEOUT,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise InstanceError(
            f"instance {folder.name!r}: ssh did not open the tunnel within {_LOGIN_TIMEOUT:.0f} s.",
            hint=f"See what the guest does: callao shell {folder.name}",
        ) from None
    if result.returncode != 0:
        message = result.stderr.decode(errors="replace").strip() or f"status {result.returncode}"
        raise InstanceError(f"instance {folder.name!r}: ssh cannot open the tunnel: {message}.")


def tunnels(target: Target) -> list[Tunnel]:
    """The open proxies into an instance. Control sockets of killed ones are removed."""
    found: list[Tunnel] = []
    for path in sorted(target.config.parent.glob(_SOCKET.format("*"))):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        pid = _pid(target, path)
        if pid is not None:
            found.append(Tunnel(int(match[1]), pid))
    return found


def close_tunnel(target: Target, port: int) -> None:
    """End a proxy and the connections through it.

    :raises InstanceError: when it does not answer.
    """
    path = target.config.parent / _SOCKET.format(port)
    if _control(target, path, "exit") is None:
        raise InstanceError(
            f"instance {path.parent.name!r}: the tunnel at port {port} did not answer in "
            f"{_CONTROL_TIMEOUT:.0f} s.",
            hint=f"End its ssh, which listens at 127.0.0.1:{port}.",
        )
    path.unlink(missing_ok=True)


def _pid(target: Target, path: Path) -> int | None:
    """The pid of the proxy with that control socket; None if it does not run, and the socket is removed
    then.
    """
    if not path.exists():
        return None
    output = _control(target, path, "check")
    match = _PID.search(output or "")
    if match is None and output is not None:
        path.unlink(missing_ok=True)
    return int(match[1]) if match is not None else None


def _control(target: Target, path: Path, command: str) -> str | None:
    """The proxy's answer; empty when there is no proxy, and None when it does not answer in time."""
    argv = target.argv("-S", path.name, "-O", command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        result = subprocess.run(
            argv, cwd=path.parent, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CONTROL_TIMEOUT
        )
        return (result.stdout + result.stderr).decode(errors="replace") if result.returncode == 0 else ""
    return None
