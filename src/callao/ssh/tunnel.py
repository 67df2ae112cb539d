# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS proxies into a guest's network: ssh in the background, found and ended by its control socket.

Each is a connection of its own, and so ends with the machine. Quick to import.
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
_PATIENCE = 120.0
"""Seconds for the login; an emulated guest under load needs a while."""

_CONTROL = 30.0
"""Seconds for a proxy to answer on its control socket."""

_ALONE = (
    "-N",
    "-o", "ControlPersist=no",
    "-o", "ExitOnForwardFailure=yes",
    "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=4",
)  # fmt: skip


class Tunnel(NamedTuple):
    """One that is open."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """For curl and ``ALL_PROXY``: names are resolved in the guest."""
        return socks_url(self.port)


def socks_url(port: int) -> str:
    return f"socks5h://127.0.0.1:{port}"


def foreground_argv(target: Target, port: int) -> list[str]:
    """ssh as the proxy, for who takes its place."""
    return target.argv(
        "-o", "ControlMaster=no", "-o", "ControlPath=none", *_ALONE, "-D", f"127.0.0.1:{port}"
    )


def open_tunnel(target: Target, port: int) -> None:
    """Start a proxy in the background, and return when it listens.

    :raises InstanceError: with ssh's own words when it does not.
    """
    options = ("-f", "-o", "ControlMaster=yes", "-S", _SOCKET.format(port), *_ALONE)
    # A relative path of the control socket: an absolute one may be too long for a socket.
    folder = target.config.parent
    # One that was killed leaves its socket, and ssh goes on without a control socket where there is one.
    _pid(target, folder / _SOCKET.format(port))
    argv = target.argv(*options, "-D", f"127.0.0.1:{port}")
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise InstanceError(
            f"instance {folder.name!r}: ssh did not open the tunnel within {_PATIENCE:.0f} s.",
            hint=f"See what the guest does: callao shell {folder.name}",
        ) from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        raise InstanceError(f"instance {folder.name!r}: ssh cannot open the tunnel: {words}.")


def tunnels(target: Target) -> list[Tunnel]:
    """The proxies into an instance that are open; the sockets of killed ones are removed."""
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
    """End a proxy, and with it what goes through it.

    :raises InstanceError: when it does not answer.
    """
    path = target.config.parent / _SOCKET.format(port)
    if _control(target, path, "exit") is None:
        raise InstanceError(
            f"instance {path.parent.name!r}: the tunnel at port {port} did not answer in {_CONTROL:.0f} s.",
            hint=f"End its ssh, which listens at 127.0.0.1:{port}.",
        )
    path.unlink(missing_ok=True)


def _pid(target: Target, path: Path) -> int | None:
    """The pid of the proxy with that control socket; the socket is removed where there is none."""
    if not path.exists():
        return None
    said = _control(target, path, "check")
    found = _PID.search(said or "")
    if found is None and said is not None:
        path.unlink(missing_ok=True)
    return int(found[1]) if found is not None else None


def _control(target: Target, path: Path, command: str) -> str | None:
    """What the proxy answers; nothing when there is no proxy, and None when it does not answer in time."""
    argv = target.argv("-S", path.name, "-O", command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            argv, cwd=path.parent, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CONTROL
        )
        return (done.stdout + done.stderr).decode(errors="replace") if done.returncode == 0 else ""
    return None
