# SPDX-License-Identifier: GPL-3.0-or-later
"""A user-mode network by gvproxy (https://github.com/containers/gvisor-tap-vsock), one for each machine.

It has the addresses of QEMU's, on which templates rely: the guest's own, the host's, which leads to its
127.0.0.1, and the name server's, which is the router too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from callao.drivers.apple.files import Sockets
from callao.errors import DriverError, PortTaken
from callao.file_end import read_end
from callao.guest_network import USER_MODE
from callao.printable import printable
from callao.reach import Reach
from callao.system import die_with_parent

_PATIENCE = 20.0
"""Seconds for it to listen."""
_POLL = 0.02
_LONGEST = 4096
"""Bytes of its log that are shown."""
_TAKEN = re.compile(r"address already in use", re.IGNORECASE)
_MTU = 1500


def configuration(sockets: Sockets, mac_address: str, reach: Reach | None) -> str:
    """What ``-config`` reads: JSON, which is YAML too.

    Releases up to 0.8.9 ignore ``hostIP`` and ``deviceIP``: there the host's address is one of the gateway's
    own, which is translated, and by default the last one of the subnet.
    """
    network = USER_MODE
    forwards = {f"{reach.address}:{reach.port}": f"{network.guest}:22"} if reach is not None else {}
    return json.dumps(
        {
            "listen": [f"unix://{sockets.services}"],
            "interfaces": {"vfkit": f"unixgram://{sockets.switch}"},
            "stack": {
                "mtu": _MTU,
                "subnet": network.subnet,
                "gatewayIP": network.dns,
                "hostIP": network.gateway,
                "deviceIP": network.guest,
                "nat": {network.gateway: "127.0.0.1"},
                "gatewayVirtualIPs": [network.gateway],
                "dhcpStaticLeases": {network.guest: mac_address},
                "forwards": forwards,
            },
        }
    )


class Gvproxy:
    """A running one, which dies with the calling process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, program: str, sockets: Sockets, mac_address: str, reach: Reach | None, log: Path
    ) -> Gvproxy:
        """Returns when it takes frames.

        :raises PortTaken: when ssh's port of the host cannot be bound.
        :raises DriverError: with its own words when it ends or hangs.
        """
        file = sockets.folder / "gvproxy.json"
        file.write_text(configuration(sockets, mac_address, reach), encoding="ascii")
        log.unlink(missing_ok=True)
        try:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    program,
                    "-config",
                    str(file),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    preexec_fn=die_with_parent(),
                    start_new_session=True,
                )
        except OSError as error:
            raise DriverError(f"{program} cannot be started: {error.strerror}.") from error
        self = cls(process)
        try:
            await self._listening(sockets, reach, log)
        except BaseException:
            await self.end()
            raise
        return self

    def watch(self, tell: Callable[[str], None], log: Path) -> None:
        """Have an end that nobody asked for told: the machine's socket leads to no other gvproxy."""

        async def wait() -> None:
            status = await self._process.wait()
            tell(
                f"gvproxy ended with status {status}: the guest has no network until the instance is "
                f"restarted. It wrote: {_end_of(log)}"
            )

        self._watch = asyncio.create_task(wait())

    async def end(self) -> None:
        """Returns when it is gone."""
        if self._watch is not None:
            self._watch.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _listening(self, sockets: Sockets, reach: Reach | None, log: Path) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not sockets.switch.exists():
            if self._process.returncode is not None:
                words = _end_of(log)
                if reach is not None and _TAKEN.search(words):
                    raise PortTaken(f"ssh.localPort: port {reach.port} is taken: {words}", port=reach.port)
                raise DriverError(f"gvproxy ended with status {self._process.returncode}: {words}")
            if asyncio.get_running_loop().time() > deadline:
                raise DriverError(f"gvproxy did not listen within {_PATIENCE:.0f} s: {_end_of(log)}")
            await asyncio.sleep(_POLL)


def _end_of(log: Path) -> str:
    return printable(read_end(log, _LONGEST).decode(errors="replace")).strip() or "it said nothing"
