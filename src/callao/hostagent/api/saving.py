# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine saved while it runs: what it shares with the host let go first, and given back after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from callao.config import Config
from callao.disks import DiskPaths
from callao.drivers import Boot, DataDisk, DiskHotPlugger, Driver, Machine, StateSaver
from callao.errors import AgentError
from callao.hostagent.api import http, routes
from callao.hostagent.api.answers import EmptyAnswer
from callao.hostagent.api.quiescence import come_to_rest
from callao.hostagent.mounts.shares import Shares
from callao.hostagent.nics.nics import Nics
from callao.instances.process_identity import identify
from callao.snapshots import RequiredMachine, refuse_unsupported_disks, sweep_disk_layers, sweep_layers
from callao.ssh import Client

_LET_GO = """\
exec 2>/dev/null
sync
umount /mnt/lima-cidata
unmounted=$?
blockdev --flushbufs /dev/disk/by-label/cidata
if [ "$unmounted" = 0 ] && command -v systemd-mount; then
  for _ in 1 2 3 4 5; do  # systemd may not have heard yet that it was unmounted
    sleep 0.5
    systemd-mount --automount=yes --timeout-idle-sec=0 --fsck=no --type=iso9660 --options=ro \\
      /dev/disk/by-label/cidata /mnt/lima-cidata && break
  done
fi
:
"""
"""The seed is another one when a copy goes on: the guest must not remember this one. Where there is systemd,
it mounts the other when somebody looks: a mount takes an emulated guest a quarter of a second."""


class SaveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``keep_running`` is whether the machine does."""

    folder: str
    keep_running: bool = msgspec.field(name="go_on")


class SaveAnswer(msgspec.Struct, frozen=True):
    """``layer`` is what the disk was left as, in the instance's folder, ``disks`` what the additional ones
    were, in their own."""

    layer: str
    machine: RequiredMachine = msgspec.field(name="bound")
    disks: dict[str, str] = {}


@dataclass
class Saver:
    """Of one machine."""

    machine: Machine
    driver: Driver
    boot: Boot
    shares: Shares
    nics: Nics
    client: Client
    lock: asyncio.Lock
    """Held while the shares, disks or network interfaces are changed by anybody."""
    config: Callable[[], Config]
    """What the machine is to have now."""

    def routes(self) -> http.Routes:
        return {routes.SAVE: self._save, routes.SWEEP_LAYERS: self._sweep}

    async def _sweep(self, _request: http.Request) -> EmptyAnswer:
        """Remove the layers of the disk that nobody needs. While the machine runs nobody else does: a run
        that is interrupted does not know which file the machine has come to write."""
        async with self.lock:
            sweep_layers(self.boot.paths, self.driver.layers)
            home = self.boot.paths.dir.parent
            for each in self._disks():
                sweep_disk_layers(DiskPaths.of(each.name, home), home, self.driver.layers)
        return {}

    def _disks(self) -> tuple[DataDisk, ...]:
        found = self.machine.data_disks() if isinstance(self.machine, DiskHotPlugger) else ()
        return tuple(sorted(found, key=lambda each: each.slot))

    async def _save(self, request: http.Request) -> SaveAnswer:
        wanted = msgspec.convert(request.body, SaveRequest)
        if not isinstance(self.machine, StateSaver):
            raise AgentError(f"vmType: {self.boot.config.vm_type} machines cannot be saved while they run.")
        async with self.lock:
            disks = self._disks()
            refuse_unsupported_disks(self.boot.paths, [each.name for each in disks])
            shared = await self.shares.detach()
            try:
                await self.nics.detach()
                if not wanted.keep_running:
                    await self.client.run(_LET_GO, timeout=60.0, interpreter="sudo -n /bin/sh")
                    await asyncio.to_thread(come_to_rest, identify(self.machine.pid))
                try:
                    left = await self.machine.save(Path(wanted.folder))
                finally:
                    if wanted.keep_running:
                        await self.machine.resume()
            finally:
                if wanted.keep_running:
                    await self.shares.attach(shared)
                    await self.nics.become(self.config())
        words = self.driver.machine_arguments(replace(self.boot, disks=disks))
        slots = {each.name: each.slot for each in disks}
        return SaveAnswer(
            left.layer,
            RequiredMachine(arguments=words, layout=self.boot.layout, disks=slots),
            dict(left.disks),
        )
