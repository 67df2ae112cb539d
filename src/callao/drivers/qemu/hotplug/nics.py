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
    stays: QEMU before 8.0 has no option for that (``reconnect`` of ``-netdev stream``).

    ``free_slot`` finds a slot for another device, ``delete_device`` removes a device by its name, and
    ``send_descriptor`` passes QEMU a descriptor, to which ``getfd`` then gives a name.
    """

    execute: Execute
    free_slot: Callable[[], int | None]
    delete_device: Callable[[str, str], Awaitable[None]]
    send_descriptor: Callable[[int], None]
    attached: dict[str, int] = field(default_factory=dict)
    """Slots, by the names of the interfaces."""

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
            await self._disconnect(slot)
            await self._delete(_device_hub_port(slot))
            del self.attached[nic.interface]
            raise

    async def reconnect(self, interface: str, stream: int) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached[interface]
        await self._disconnect(slot)
        await self._connect(slot, stream)

    async def unplug(self, interface: str) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached.get(interface)
        if slot is None:
            raise DriverError(f"networks: there is no interface {interface!r} that could be removed.")
        await self.delete_device(_device_id(slot), f"networks: {interface}")
        await self._disconnect(slot)
        await self._delete(_device_hub_port(slot))
        del self.attached[interface]

    async def _connect(self, slot: int, stream: int) -> None:
        self.send_descriptor(stream)
        name = _netdev_id(slot)
        await self.execute("getfd", {"fdname": name})
        await self.execute("netdev_add", {"type": "socket", "id": name, "fd": name})
        await self.execute(
            "netdev_add", {"type": "hubport", "id": _stream_hub_port(slot), "hubid": slot, "netdev": name}
        )

    async def _disconnect(self, slot: int) -> None:
        await self._delete(_stream_hub_port(slot))
        await self._delete(_netdev_id(slot))

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


def _stream_hub_port(slot: int) -> str:
    """QEMU's id of the socket's port at the hub."""
    return f"hotstream{slot}port"


def _netdev_id(slot: int) -> str:
    return f"hotstream{slot}"
