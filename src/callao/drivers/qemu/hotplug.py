# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares given to a running machine, and taken from it: slots, devices, and who serves them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import EventListener, QMPClient

from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu import virtiofsd
from callao.drivers.qemu.shares import SLOTS, fsdev, link, log_of, port, socket_of
from callao.errors import DriverError
from callao.instances import InstancePaths

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]

_PATIENCE = 20.0
"""Seconds for the guest to let a device go; an emulated one takes 0.2."""


@dataclass
class _Slot:
    share: DeviceShare
    daemon: asyncio.subprocess.Process | None = None
    plugged: bool = False


@dataclass
class HotPlug:
    """The spare slots of one machine, see :class:`callao.drivers.qemu.shares.Slots`."""

    paths: InstancePaths
    monitor: QMPClient
    execute: Execute
    slots: dict[int, _Slot] = field(default_factory=dict)

    async def plug(self, share: DeviceShare) -> None:
        """See :class:`callao.drivers.base.ShareHotPlugger`."""
        free = [slot for slot in range(SLOTS) if slot not in self.slots]
        if not free:
            raise DriverError(
                f"mounts: {share.location}: all {SLOTS} slots for further directories are taken.",
                hint="Remove a mount, or use type reverse-sshfs, which needs none.",
            )
        slot = free[0]
        self.slots[slot] = _Slot(share)
        try:
            await (self._plug_9p if share.type is MountType.P9 else self._plug_virtiofs)(slot, share)
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
            await self._delete_device(slot)
            self.slots[slot].plugged = False
        await self._release(slot)

    async def close(self) -> None:
        """End what serves the shares; the machine is gone."""
        for taken in self.slots.values():
            if taken.daemon is not None:
                await virtiofsd.end(taken.daemon)
        for slot in range(SLOTS):
            link(self.paths, slot).unlink(missing_ok=True)
        self.slots.clear()

    async def _plug_9p(self, slot: int, share: DeviceShare) -> None:
        _point(link(self.paths, slot), Path(share.location))
        name = fsdev(slot, writable=share.writable)
        device = {"driver": "virtio-9p-pci", "fsdev": name, "mount_tag": share.tag}
        await self.execute("device_add", {**device, "id": _device(slot), "bus": port(slot)})

    async def _plug_virtiofs(self, slot: int, share: DeviceShare) -> None:
        name = f"hot{slot}"
        socket = socket_of(self.paths, name)
        self.slots[slot].daemon = await virtiofsd.serve(share, socket, log_of(self.paths, name))
        address = {"type": "unix", "data": {"path": str(socket)}}
        backend = {"type": "socket", "data": {"addr": address, "server": False}}
        await self.execute("chardev-add", {"id": _chardev(slot), "backend": backend})
        device = {"driver": "vhost-user-fs-pci", "chardev": _chardev(slot), "tag": share.tag}
        await self.execute("device_add", {**device, "id": _device(slot), "bus": port(slot)})

    async def _delete_device(self, slot: int) -> None:
        listener = EventListener(("DEVICE_DELETED",))
        with self.monitor.listen(listener):
            await self.execute("device_del", {"id": _device(slot)})
            try:
                async with asyncio.timeout(_PATIENCE):
                    async for event in listener:
                        # First it comes for the virtio backend, without a name: still in use then.
                        data = event["data"]
                        if isinstance(data, dict) and data.get("device") == _device(slot):
                            return
            except TimeoutError:
                raise DriverError(
                    f"mounts: the guest did not let {self.slots[slot].share.location} go within "
                    f"{_PATIENCE:.0f} s.",
                    hint="Is it still mounted there?",
                ) from None

    async def _release(self, slot: int) -> None:
        """Whatever a slot had beside its device."""
        taken = self.slots.pop(slot)
        if taken.share.type is MountType.VIRTIOFS:
            with contextlib.suppress(DriverError):
                await self.execute("chardev-remove", {"id": _chardev(slot)})
        if taken.daemon is not None:
            await virtiofsd.end(taken.daemon)
            socket_of(self.paths, f"hot{slot}").unlink(missing_ok=True)
            log_of(self.paths, f"hot{slot}").unlink(missing_ok=True)
        link(self.paths, slot).unlink(missing_ok=True)


def _device(slot: int) -> str:
    return f"hotshare{slot}"


def _chardev(slot: int) -> str:
    return f"hotchar{slot}"


def _point(link_path: Path, target: Path) -> None:
    fresh = link_path.with_name(f".{link_path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link_path)
