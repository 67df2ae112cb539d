# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for gvproxy 0.8.9 (cmd/gvproxy): one machine's datagrams, and QEMU's user-mode network.

It has ``-version`` and ``-config FILE``, of which it reads what Callao writes, as JSON.
"""

from __future__ import annotations

import ipaddress
import json
import os
import selectors
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.apple.qemu import die_with_parent

MAGIC = b"VFKT"
FRAME = 65550
REFUSED = "cannot add network services: listen tcp: bind: address already in use ({})"


def main(argv: list[str]) -> int:
    if argv and argv[0].lstrip("-") == "version":
        sys.stdout.write(f"gvproxy version {os.environ.get('CALLAO_STAND_IN_GVPROXY_VERSION', 'v0.8.9')}\n")
        return 0
    given = json.loads(Path(argv[argv.index("-config") + 1]).read_text())
    path = given["interfaces"]["vfkit"].removeprefix("unixgram://")
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    with theirs:
        nat = subprocess.Popen(
            user_network(given["stack"], theirs.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[theirs.fileno()],
            preexec_fn=die_with_parent(),
        )
    with nat:
        if not begun(nat):
            sys.stderr.write(f"level=error msg={json.dumps(REFUSED.format(nat.communicate()[1].strip()))}\n")
            return 1
        switch = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        switch.bind(path)
        try:
            first, peer = switch.recvfrom(FRAME)
            if first != MAGIC:
                ours.send(first)
            relay(switch, peer, ours)
        finally:
            Path(path).unlink(missing_ok=True)
            nat.kill()
    return nat.returncode


def begun(nat: subprocess.Popen[str]) -> bool:
    """Whether its ports are bound: it greets at its monitor then, and ends before that else."""
    assert nat.stdout is not None
    return nat.stdout.readline() != ""


def user_network(stack: dict[str, Any], descriptor: int) -> list[str]:
    options = [
        "user,id=user",
        f"net={stack['subnet']}",
        f"host={host_address(stack)}",
        f"dns={stack['gatewayIP']}",
        f"dhcpstart={next(iter(stack['dhcpStaticLeases']))}",
    ]
    for local, remote in stack["forwards"].items():
        options.append(f"hostfwd=tcp:{local}-{remote}")
    return [
        "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-no-user-config", "-display", "none",
        "-qmp", "stdio",
        "-netdev", ",".join(options),
        "-netdev", "hubport,id=user-port,hubid=0,netdev=user",
        "-netdev", f"dgram,id=switch,local.type=fd,local.str={descriptor}",
        "-netdev", "hubport,id=switch-port,hubid=0,netdev=switch",
    ]  # fmt: skip


def host_address(stack: dict[str, Any]) -> str:
    """What leads to the host's loopback: by default the subnet's last address. 0.8.9 ignores ``hostIP``."""
    if "nat" not in stack:
        return str(ipaddress.ip_network(stack["subnet"])[-2])
    [(address, host)] = stack["nat"].items()
    if host != "127.0.0.1" or address not in stack["gatewayVirtualIPs"]:
        raise ValueError("nobody answers to ARP for the host's address")
    return str(address)


def relay(switch: socket.socket, peer: str, nat: socket.socket) -> None:
    """Until the machine or the network has gone."""
    with selectors.DefaultSelector() as ready:
        ready.register(switch, selectors.EVENT_READ)
        ready.register(nat, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                try:
                    if key.fileobj is switch:
                        nat.send(switch.recv(FRAME))
                    else:
                        switch.sendto(nat.recv(FRAME), peer)
                except OSError:
                    return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
