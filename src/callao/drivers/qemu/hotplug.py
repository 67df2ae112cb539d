# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares given to a running machine, and taken from it: slots, devices, and who serves them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import EventListener, QMPClient

from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu import virtiofsd
from callao.drivers.qemu.shares import chardev, device, device_id, link, log_of, point, socket_of
from callao.errors import DriverError
from callao.instances import InstancePaths

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]

_PATIENCE = 20.0
"""Seconds for the guest to let a device go; an emulated one takes 0.2."""


@dataclass
class Slot:
    """One that is taken; ``daemon`` serves it where QEMU does not."""

    share: DeviceShare
    daemon: asyncio.subprocess.Process | None = None
    plugged: bool = False

    @classmethod
    async def served(cls, slot: int, share: DeviceShare, paths: InstancePaths) -> Slot:
        """What a device of this share needs to be there first.

        :raises DriverError: when its daemon does not start.
        """
        if share.type is MountType.P9:
            point(paths, slot, Path(share.location))
            return cls(share)
        return cls(share, await virtiofsd.serve(share, socket_of(paths, slot), log_of(paths, slot)))

    async def cleared(self, slot: int, paths: InstancePaths) -> None:
        """The same, gone."""
        if self.daemon is not None:
            await virtiofsd.end(self.daemon)
            socket_of(paths, slot).unlink(missing_ok=True)
            log_of(paths, slot).unlink(missing_ok=True)
        link(paths, slot).unlink(missing_ok=True)


@dataclass
class HotPlug:
    """The slots of one machine, see :class:`callao.drivers.qemu.shares.Slots`."""

    paths: InstancePaths
    monitor: QMPClient
    execute: Execute
    count: int
    slots: dict[int, Slot] = field(default_factory=dict)
    others: Callable[[], Collection[int]] = tuple
    """Slots that something else than a share has."""

    def free_slot(self) -> int | None:
        """The first that nothing has; None when all are taken."""
        taken = {*self.slots, *self.others()}
        return next((slot for slot in range(self.count) if slot not in taken), None)

    async def plug(self, share: DeviceShare) -> None:
        """See :class:`callao.drivers.base.ShareHotPlugger`."""
        slot = self.free_slot()
        if slot is None:
            raise DriverError(
                f"mounts: {share.location}: all {self.count} slots for directories are taken.",
                hint="Remove a mount, or use type reverse-sshfs, which needs none.",
            )
        self.slots[slot] = Slot(share)
        try:
            self.slots[slot] = await Slot.served(slot, share, self.paths)
            if share.type is MountType.VIRTIOFS:
                address = {"type": "unix", "data": {"path": str(socket_of(self.paths, slot))}}
                backend = {"type": "socket", "data": {"addr": address, "server": False}}
                await self.execute("chardev-add", {"id": chardev(slot), "backend": backend})
            await self.execute("device_add", device(slot, share))
            self.slots[slot].plugged = True
        except BaseException:
            await self._release(slot)
            raise

    async def unplug(self, tag: str) -> None:
        """See :class:`callao.drivers.base.ShareHotPlugger`."""
        slot = next((each for each, taken in self.slots.items() if taken.share.tag == tag), None)
        if slot is None:
            raise DriverError(f"mounts: there is no device {tag!r} that could be removed.")
        if self.slots[slot].plugged:
            await self.delete_device(device_id(slot), f"mounts: {self.slots[slot].share.location}")
            self.slots[slot].plugged = False
        await self._release(slot)

    async def close(self) -> None:
        """End what serves the shares; the machine is gone."""
        for slot, taken in self.slots.items():
            await taken.cleared(slot, self.paths)
        self.slots.clear()

    async def delete_device(self, name: str, what: str) -> None:
        """Take a device away, and wait until the guest has let it go.

        :param what: what people call it.
        :raises DriverError: when the guest does not let it go; it stays then.
        """
        listener = EventListener(("DEVICE_DELETED",))
        with self.monitor.listen(listener):
            await self.execute("device_del", {"id": name})
            try:
                async with asyncio.timeout(_PATIENCE):
                    async for event in listener:
                        # First it comes for the virtio backend, without a name: still in use then.
                        data = event["data"]
                        if isinstance(data, dict) and data.get("device") == name:
                            return
            except TimeoutError:
                raise DriverError(
                    f"{what}: the guest did not let it go within {_PATIENCE:.0f} s.",
                    hint="Is it still mounted there?",
                ) from None

    async def _release(self, slot: int) -> None:
        """Whatever a slot had beside its device."""
        taken = self.slots.pop(slot)
        if taken.share.type is MountType.VIRTIOFS:
            with contextlib.suppress(DriverError):
                await self.execute("chardev-remove", {"id": chardev(slot)})
        await taken.cleared(slot, self.paths)
