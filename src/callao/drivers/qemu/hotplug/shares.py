# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugs shared directories into a running machine and unplugs them: slots, devices, and their daemons."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import EventListener, QMPClient

from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu.hotplug import virtiofsd
from callao.drivers.qemu.hotplug.slots import (
    chardev_id,
    device_id,
    device_properties,
    export_link,
    point_link,
    virtiofsd_log,
    virtiofsd_socket,
)
from callao.errors import DriverError
from callao.instances import InstancePaths

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]

_UNPLUG_TIMEOUT = 20.0
"""Seconds for the guest to release a device; an emulated one takes 0.2."""


@dataclass
class UsedSlot:
    """A slot in use; ``daemon`` is the virtiofsd that serves the share, None for 9p, which QEMU serves
    itself.
    """

    share: DeviceShare
    daemon: asyncio.subprocess.Process | None = None
    plugged: bool = False

    @classmethod
    async def prepare(cls, slot: int, share: DeviceShare, paths: InstancePaths) -> UsedSlot:
        """Create what the share's device needs: the link of its 9p exports, or its virtiofsd.

        :raises DriverError: when virtiofsd does not start.
        """
        if share.type is MountType.P9:
            point_link(paths, slot, Path(share.location))
            return cls(share)
        return cls(
            share, await virtiofsd.start(share, virtiofsd_socket(paths, slot), virtiofsd_log(paths, slot))
        )

    async def clean_up(self, slot: int, paths: InstancePaths) -> None:
        """Stop the daemon, and remove its files and the link."""
        if self.daemon is not None:
            await virtiofsd.stop(self.daemon)
            virtiofsd_socket(paths, slot).unlink(missing_ok=True)
            virtiofsd_log(paths, slot).unlink(missing_ok=True)
        export_link(paths, slot).unlink(missing_ok=True)


@dataclass
class SharePlug:
    """The slots of one machine, see :class:`callao.drivers.qemu.hotplug.slots.SlotOptions`."""

    paths: InstancePaths
    monitor: QMPClient
    execute: Execute
    slot_count: int
    slots: dict[int, UsedSlot] = field(default_factory=dict)
    other_slots: Callable[[], Collection[int]] = tuple
    """Returns the slots that disks and network interfaces use."""

    def free_slot(self) -> int | None:
        """The first free slot; None when all are in use."""
        used = {*self.slots, *self.other_slots()}
        return next((slot for slot in range(self.slot_count) if slot not in used), None)

    async def plug(self, share: DeviceShare) -> None:
        """See :class:`callao.drivers.base.ShareHotPlugger`."""
        slot = self.free_slot()
        if slot is None:
            raise DriverError(
                f"mounts: {share.location}: all {self.slot_count} slots for directories are taken.",
                hint="Remove a mount, or use type reverse-sshfs, which needs none.",
            )
        self.slots[slot] = UsedSlot(share)
        try:
            self.slots[slot] = await UsedSlot.prepare(slot, share, self.paths)
            if share.type is MountType.VIRTIOFS:
                address = {"type": "unix", "data": {"path": str(virtiofsd_socket(self.paths, slot))}}
                backend = {"type": "socket", "data": {"addr": address, "server": False}}
                await self.execute("chardev-add", {"id": chardev_id(slot), "backend": backend})
            await self.execute("device_add", device_properties(slot, share))
            self.slots[slot].plugged = True
        except BaseException:
            await self._free_slot(slot)
            raise

    async def unplug(self, tag: str) -> None:
        """See :class:`callao.drivers.base.ShareHotPlugger`."""
        slot = next((each for each, used in self.slots.items() if used.share.tag == tag), None)
        if slot is None:
            raise DriverError(f"mounts: there is no device {tag!r} that could be removed.")
        if self.slots[slot].plugged:
            await self.delete_device(device_id(slot), f"mounts: {self.slots[slot].share.location}")
            self.slots[slot].plugged = False
        await self._free_slot(slot)

    async def close(self) -> None:
        """Stop the daemons; the machine has ended."""
        for slot, used in self.slots.items():
            await used.clean_up(slot, self.paths)
        self.slots.clear()

    async def delete_device(self, name: str, what: str) -> None:
        """Remove a device, and wait until the guest has released it.

        :param what: the beginning of error messages, which names the option.
        :raises DriverError: when the guest does not release it; it stays attached then.
        """
        listener = EventListener(("DEVICE_DELETED",))
        with self.monitor.listen(listener):
            await self.execute("device_del", {"id": name})
            try:
                async with asyncio.timeout(_UNPLUG_TIMEOUT):
                    async for event in listener:
                        # The first event, of the virtio backend, has no name: the device is in use yet.
                        data = event["data"]
                        if isinstance(data, dict) and data.get("device") == name:
                            return
            except TimeoutError:
                raise DriverError(
                    f"{what}: the guest did not let it go within {_UNPLUG_TIMEOUT:.0f} s.",
                    hint="Is it still mounted there?",
                ) from None

    async def _free_slot(self, slot: int) -> None:
        """Release the slot, and remove what belonged to its device."""
        used = self.slots.pop(slot)
        if used.share.type is MountType.VIRTIOFS:
            with contextlib.suppress(DriverError):
                await self.execute("chardev-remove", {"id": chardev_id(slot)})
        await used.clean_up(slot, self.paths)
