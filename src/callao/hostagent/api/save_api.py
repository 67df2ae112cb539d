# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves the machine while it runs: devices shared with the host are detached before, and attached again
after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from callao.config import Config
from callao.disks import DiskPaths
from callao.drivers import Boot, DataDisk, DiskHotPlugger, Driver, Machine, RestoringDriver, StateSaver
from callao.errors import AgentError
from callao.hostagent.api import http, routes
from callao.hostagent.api.answers import EmptyAnswer
from callao.hostagent.api.quiescence import wait_until_idle
from callao.hostagent.mounts.shares import Shares
from callao.hostagent.nics.nics import Nics
from callao.instances.process_identity import identify
from callao.snapshots import RequiredMachine, refuse_unsupported_disks, sweep_disk_layers, sweep_layers
from callao.ssh import Client

_RELEASE_SEED_SCRIPT = """\
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
"""Unmounts the disk with cloud-init's seed and drops its cached blocks, because a copy gets a disk of its
own. With systemd, an automount unit mounts that one on first access: each mount takes an emulated guest a
quarter of a second."""


class SaveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``keep_running``: whether the machine is resumed after the save."""

    folder: str
    keep_running: bool = msgspec.field(name="go_on")


class SaveAnswer(msgspec.Struct, frozen=True):
    """``layer`` is the disk's frozen layer in the instance's folder, ``disks`` has those of the additional
    disks in their folders.
    """

    layer: str
    machine: RequiredMachine = msgspec.field(name="bound")
    disks: dict[str, str] = {}


@dataclass
class SaveApi:
    """The handlers of ``/v1/save`` and ``/v1/layers/sweep`` for one machine."""

    machine: Machine
    driver: Driver
    boot: Boot
    shares: Shares
    nics: Nics
    client: Client
    lock: asyncio.Lock
    """Held during any change of shares, disks or network interfaces."""
    config: Callable[[], Config]
    """Returns the current configuration."""
    refuse: Callable[[], None]
    """Raises where the machine's memory must not be written to a file."""

    def routes(self) -> http.Routes:
        return {routes.SAVE: self._save, routes.SWEEP_LAYERS: self._sweep_layers}

    async def _sweep_layers(self, _request: http.Request) -> EmptyAnswer:
        """Remove disk layers that no snapshot needs. While the machine runs, only the host agent does this:
        another process cannot know for certain which file the machine writes.
        """
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
        save_request = msgspec.convert(request.body, SaveRequest)
        if not isinstance(self.machine, StateSaver) or not isinstance(self.driver, RestoringDriver):
            raise AgentError(f"vmType: {self.boot.config.vm_type} machines cannot be saved while they run.")
        async with self.lock:
            self.refuse()
            disks = self._disks()
            refuse_unsupported_disks(self.boot.paths, [each.name for each in disks])
            shared = await self.shares.detach()
            try:
                await self.nics.detach()
                if not save_request.keep_running:
                    await self.client.run(_RELEASE_SEED_SCRIPT, timeout=60.0, interpreter="sudo -n /bin/sh")
                    await asyncio.to_thread(wait_until_idle, identify(self.machine.pid))
                try:
                    frozen = await self.machine.save(Path(save_request.folder))
                finally:
                    if save_request.keep_running:
                        await self.machine.resume()
            finally:
                if save_request.keep_running:
                    await self.shares.reattach(shared)
                    await self.nics.apply_config(self.config())
        arguments = self.driver.machine_arguments(replace(self.boot, disks=disks))
        slots = {each.name: each.slot for each in disks}
        return SaveAnswer(
            frozen.layer,
            RequiredMachine(arguments=arguments, layout=self.boot.layout, disks=slots),
            dict(frozen.disks),
        )
