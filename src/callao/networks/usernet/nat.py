# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT to the host and beyond: QEMU's user-mode network stack, in a QEMU without a machine.

A hub joins ``-netdev user`` to the stream socket of the switch. The stack is QEMU's own, in a process of its
own: nothing has to be installed, and a fault of it that a guest finds ends that process, not the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from callao.cancellation import cancel_and_wait
from callao.system import die_with_parent

_PAUSE = 1.0
"""Seconds before one that ended is started again."""


def argv(program: str, subnet: IPv4Network, gateway: IPv4Address, descriptor: int) -> list[str]:
    """The command line. QEMU's own name server gets an address that no guest has."""
    dns = subnet.broadcast_address - 1
    user = f"user,id=user,ipv6=off,net={subnet},host={gateway},dns={dns},dhcpstart={dns - 1}"
    return [
        program,
        "-machine", "none",
        "-nodefaults",
        "-no-user-config",
        "-display", "none",
        "-netdev", user,
        "-netdev", "hubport,id=user-port,hubid=0,netdev=user",
        "-netdev", f"socket,id=switch,fd={descriptor}",
        "-netdev", "hubport,id=switch-port,hubid=0,netdev=switch",
    ]  # fmt: skip


def gateway_mac(gateway: IPv4Address) -> bytes:
    """What QEMU's stack has for its address, see libslirp's ``slirp.c``."""
    return b"\x52\x55" + gateway.packed


class Nat:
    """Runs QEMU as long as it is not closed."""

    def __init__(
        self,
        program: str,
        subnet: IPv4Network,
        gateway: IPv4Address,
        connect: Callable[[socket.socket], object],
    ) -> None:
        """:param connect: takes the switch's end of each new connection."""
        self._program = program
        self._network = subnet, gateway
        self._connect = connect
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """:raises OSError: when the program cannot be started."""
        await self._launch()
        self._task = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """End it; a second time, does nothing."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv(self._program, *self._network, theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                preexec_fn=die_with_parent(),
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connect(ours)

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            sys.stderr.write(f"The NAT process ended with status {status}; it is started again.\n")
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(OSError):
                await self._launch()
