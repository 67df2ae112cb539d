# SPDX-License-Identifier: GPL-3.0-or-later
"""A running distribution: it runs as long as a process of Windows uses it, so one of ours stays in it.

That process runs the boot scripts first. Its output is the log of the console. When it ends, the
distribution was terminated, by us or by another program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from callao.atomic import write_volatile
from callao.config import VMType
from callao.drivers.wsl2.carrier import Carrier
from callao.drivers.wsl2.interop import environment
from callao.drivers.wsl2.places import is_on_drive
from callao.drivers.wsl2.wsl_exe import Wsl, exec_argv
from callao.errors import DriverError
from callao.instances import InstancePaths
from callao.system import die_with_parent

if TYPE_CHECKING:
    from callao.drivers.base import Channel, DeviceShare

SEED = "/mnt/lima-cidata"
"""The seed in the guest."""

_STOP = """\
if [ -d /run/systemd/system ] && systemctl --no-block poweroff; then
  echo told
else
  sync
fi
"""


class WslMachine:
    """The contracts of :class:`callao.drivers.base.Machine` and ``ShareHotPlugger``."""

    def __init__(self, wsl: Wsl, name: str, process: asyncio.subprocess.Process) -> None:
        self._wsl = wsl
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    async def power_button(self) -> None:
        """Have the guest's systemd stop its services; where there is none, there is nobody to tell."""
        answer = await asyncio.to_thread(self._wsl.execute, self._name, ["/bin/sh", "-c", _STOP])
        if b"told" not in answer.stdout:
            await self.quit()

    async def quit(self) -> None:
        await asyncio.to_thread(self._wsl.terminate, self._name)

    async def kill(self) -> None:
        with contextlib.suppress(DriverError):
            await self.quit()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def plug_share(self, share: DeviceShare) -> None:
        """The drives of Windows are there: only what is on one can be mounted."""
        if not is_on_drive(share.location):
            raise DriverError(
                f"location: {share.location!r} is not on a drive of Windows, and a distribution sees "
                "nothing else of the host's (allowed: a path below /mnt/c or another drive)."
            )

    async def unplug_share(self, tag: str) -> None:
        """The drive stays."""

    async def channel(self) -> Channel:
        """There is no program in the guest: Windows forwards its ports, and it would take those of all other
        distributions for the guest's, because they have one network.
        """
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody sets the result of this future")


async def launch(wsl: Wsl, carrier: Carrier, name: str, paths: InstancePaths) -> WslMachine:
    """Start the process that boots the distribution and stays in it.

    :raises DriverError: when it cannot be started.
    """
    argv = carrier.wrap(exec_argv(name, ["/bin/sh", f"{SEED}/wsl-boot.sh", "wsl"]))
    try:
        with paths.serial_log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(os.environ),
                preexec_fn=die_with_parent(),
                start_new_session=True,
            )
    except OSError as error:
        raise DriverError(f"{argv[0]} cannot be started: {error.strerror or error}.") from error
    write_volatile(paths.driver_pid(VMType.WSL2), f"{process.pid}\n".encode())
    return WslMachine(wsl, name, process)
