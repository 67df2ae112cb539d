# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugs network interfaces into a running machine, and unplugs them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callao.drivers.base import GuestNic
from callao.drivers.qemu.hotplug.slots import root_port_id
from callao.errors import DriverError

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]


@dataclass
class NicPlug:
    """The network interfaces of one machine.

    The device and the socket are at two ports of a hub, so that the socket can be replaced while the device
    stays: QEMU before 8.0 has no option for that (``reconnect`` of ``-netdev stream``). A hub without a port
    that takes frames holds back the device's, and goes on holding them back when a port has come (QEMU's
    net/hub.c): so the new socket is there before the old one goes.

    ``free_slot`` finds a slot for another device, ``delete_device`` removes a device by its name, and
    ``send_descriptor`` passes QEMU a descriptor, to which ``getfd`` then gives a name.
    """

    execute: Execute
    free_slot: Callable[[], int | None]
    delete_device: Callable[[str, str], Awaitable[None]]
    send_descriptor: Callable[[int], None]
    attached: dict[str, int] = field(default_factory=dict)
    """Slots, by the names of the interfaces."""
    sockets: dict[int, str] = field(default_factory=dict)
    """QEMU's ids of the sockets, by slot."""

    def used_slots(self) -> set[int]:
        """The slots in use."""
        return set(self.attached.values())

    async def plug(self, nic: GuestNic, stream: int) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.free_slot()
        if slot is None:
            raise DriverError(
                f"networks: {nic.interface}: all slots for interfaces, disks and directories are taken.",
                hint="Remove a disk or a mount.",
            )
        self.attached[nic.interface] = slot
        try:
            await self.execute(
                "netdev_add", {"type": "hubport", "id": _device_hub_port(slot), "hubid": slot}
            )
            await self._connect(slot, stream)
            await self.execute("device_add", _device_properties(slot, nic))
        except BaseException:
            await self._remove(slot)
            del self.attached[nic.interface]
            raise

    async def reconnect(self, interface: str, stream: int) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached[interface]
        before = self.sockets[slot]
        await self._connect(slot, stream)
        await self._disconnect(before)
        await self._pass_on_held_frames()

    async def unplug(self, interface: str) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached.get(interface)
        if slot is None:
            raise DriverError(f"networks: there is no interface {interface!r} that could be removed.")
        await self.delete_device(_device_id(slot), f"networks: {interface}")
        await self._remove(slot)
        del self.attached[interface]

    async def _pass_on_held_frames(self) -> None:
        """Have the hub take up what it holds back since the old socket was full, and its other end went.

        QEMU has no command for that, but does so when a machine goes on. One that is paused does so later.
        """
        status = await self.execute("query-status", {})
        if not isinstance(status, Mapping) or not status.get("running"):
            return
        try:
            await self.execute("stop", {})
        finally:
            await self.execute("cont", {})

    async def _connect(self, slot: int, stream: int) -> None:
        """Connect another socket, beside the one that there is; leaves none when it fails."""
        first, second = f"hotstream{slot}", f"hotstream{slot}b"
        name = second if self.sockets.get(slot) == first else first
        self.send_descriptor(stream)
        try:
            await self.execute("getfd", {"fdname": name})
            await self.execute("netdev_add", {"type": "socket", "id": name, "fd": name})
            await self.execute(
                "netdev_add", {"type": "hubport", "id": _hub_port(name), "hubid": slot, "netdev": name}
            )
        except BaseException:
            await self._disconnect(name)
            raise
        self.sockets[slot] = name

    async def _disconnect(self, name: str) -> None:
        await self._delete(_hub_port(name))
        await self._delete(name)

    async def _remove(self, slot: int) -> None:
        if slot in self.sockets:
            await self._disconnect(self.sockets.pop(slot))
        await self._delete(_device_hub_port(slot))

    async def _delete(self, name: str) -> None:
        with contextlib.suppress(DriverError):  # it was not created
            await self.execute("netdev_del", {"id": name})


def _device_properties(slot: int, nic: GuestNic) -> dict[str, object]:
    return {
        "driver": "virtio-net-pci",
        "id": _device_id(slot),
        "netdev": _device_hub_port(slot),
        "mac": nic.mac_address,
        "bus": root_port_id(slot),
        "romfile": "",
    }


def _device_id(slot: int) -> str:
    return f"hotnic{slot}"


def _device_hub_port(slot: int) -> str:
    """QEMU's id of the device's port at the hub."""
    return f"hotnic{slot}port"


def _hub_port(name: str) -> str:
    """QEMU's id of a socket's port at the hub."""
    return f"{name}port"
