# SPDX-License-Identifier: GPL-3.0-or-later
"""Attaches and detaches the additional disks of a running machine, so that they are those of lima.yaml."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from callao import cidata
from callao.config import Config
from callao.config.schema import AdditionalDisk
from callao.disks import DiskPaths, attachable
from callao.disks.guest import serial
from callao.disks.layers import LayerStore
from callao.disks.ownership import release, take
from callao.drivers import DataDisk, DiskHotPlugger, Features, Machine
from callao.errors import AgentError, CallaoError, StageFailed
from callao.events import Stage
from callao.hostagent.guest_root import run_as_root
from callao.instances import InstancePaths
from callao.snapshots import sweep_disk_layers
from callao.ssh import Client

_FORMAT_TIMEOUT = 300.0
"""Seconds for the guest to format a disk; a large one with discards takes an emulated guest a minute."""


def claim_disks(slots: Mapping[str, int], paths: InstancePaths, store: LayerStore) -> tuple[DataDisk, ...]:
    """Lock the disks, given with their slots, for this instance, and return them for the driver.

    Layers that no snapshot needs are removed, for example those of snapshots of a deleted instance.

    :raises DiskError: when one does not exist, or another machine has it; none is locked then.
    """
    take(list(slots), paths.dir)
    home = paths.dir.parent
    for name in slots:
        sweep_disk_layers(DiskPaths.of(name, home), home, store)
    return tuple(_device(name, paths, slot) for name, slot in slots.items())


@dataclass
class AttachedDisks:
    """The disks that are attached now, by name."""

    machine: Machine
    features: Features
    client: Client
    paths: InstancePaths
    attached: dict[str, AdditionalDisk] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while disks or shares are changed, and while the machine is saved."""

    def set_initial(self, names: Collection[str], config: Config) -> None:
        """Record the disks that the machine was started with; the guest's boot scripts format and mount
        them.
        """
        known = {each.name: each for each in config.additional_disks}
        self.attached = {name: known.get(name, AdditionalDisk(name=name)) for name in names}

    async def apply_after_restore(self, config: Config) -> None:
        """Attach the configured disks to a copy: the state that it was restored from has none.

        :raises StageFailed: naming the disk that cannot be attached.
        """
        try:
            await self.apply_config(config)
        except CallaoError as error:
            raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error

    async def apply_config(self, config: Config) -> None:
        """Attach and detach disks, so that the machine has those that ``config`` lists; undone if one fails.

        :raises CallaoError: naming the disk, with the guest's or the hypervisor's message.
        """
        wanted = {each.name: each for each in config.additional_disks}
        removed = [each for name, each in self.attached.items() if name not in wanted]
        added = [each for name, each in wanted.items() if name not in self.attached]
        async with self.lock:
            detached: list[AdditionalDisk] = []
            attached_now: list[AdditionalDisk] = []
            try:
                for each in removed:
                    await self._detach(each, plain=config.plain)
                    detached.append(each)
                for each in added:
                    await self._attach(each, plain=config.plain)
                    attached_now.append(each)
            except BaseException:
                for each in attached_now:
                    with contextlib.suppress(CallaoError):
                        await self._detach(each, plain=config.plain)
                for each in detached:
                    with contextlib.suppress(CallaoError):
                        await self._attach(each, plain=config.plain)
                raise
        self.attached.update(wanted)

    async def _attach(self, disk: AdditionalDisk, *, plain: bool) -> None:
        machine = self._plugger(disk)
        take([disk.name], self.paths.dir)
        try:
            await machine.plug_disk(_device(disk.name, self.paths))
            if not plain:
                try:
                    await self._in_guest(cidata.disk_script([disk]), f"additionalDisks: {disk.name}")
                except BaseException:
                    await machine.unplug_disk(disk.name)
                    raise
        except BaseException:
            if all(each.name != disk.name for each in machine.data_disks()):
                release([disk.name], self.paths.dir)
            raise
        self.attached[disk.name] = disk

    async def _detach(self, disk: AdditionalDisk, *, plain: bool) -> None:
        machine = self._plugger(disk)
        what = f"additionalDisks: {disk.name} cannot be detached"
        if not plain:
            try:
                await self._in_guest(cidata.detach_script(disk), what)
            except CallaoError:
                with contextlib.suppress(CallaoError):  # mount again what was unmounted
                    await self._in_guest(cidata.disk_script([disk]), what)
                raise
        await machine.unplug_disk(disk.name)
        release([disk.name], self.paths.dir)
        del self.attached[disk.name]

    def _plugger(self, disk: AdditionalDisk) -> DiskHotPlugger:
        if not self.features.hot_disks or not isinstance(self.machine, DiskHotPlugger):
            raise AgentError(
                f"additionalDisks: {disk.name}: a {self.features.vm_type} machine takes and loses no disk "
                "while it runs.",
                hint="Stop the instance first.",
            )
        return self.machine

    async def _in_guest(self, script: str, what: str) -> None:
        await run_as_root(self.client, script, what, _FORMAT_TIMEOUT)


def _device(name: str, paths: InstancePaths, slot: int = -1) -> DataDisk:
    disk = attachable(name, paths.dir.parent)
    return DataDisk(name, disk.paths.image, disk.format.value, serial(name), slot)
