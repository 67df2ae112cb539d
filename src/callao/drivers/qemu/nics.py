# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces that a machine is given and loses while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callao.drivers.base import GuestNic
from callao.drivers.qemu.shares import port
from callao.errors import DriverError

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]


@dataclass
class NicPlug:
    """Of one machine.

    The device and the socket are at two ports of a hub: so the socket can be replaced under the device,
    which QEMU before 8.0 has no option for (``reconnect`` of ``-netdev stream``).

    ``free_slot`` finds a slot for one more, ``remove`` takes a device away by its name, ``send`` hands QEMU
    a descriptor, which ``getfd`` names then.
    """

    execute: Execute
    free_slot: Callable[[], int | None]
    remove: Callable[[str, str], Awaitable[None]]
    send: Callable[[int], None]
    attached: dict[str, int] = field(default_factory=dict)
    """Slots, by the names of the interfaces."""

    def slots(self) -> set[int]:
        """Those that are taken."""
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
            await self.execute("netdev_add", {"type": "hubport", "id": _of_device(slot), "hubid": slot})
            await self._connect(slot, stream)
            await self.execute("device_add", _device(slot, nic))
        except BaseException:
            await self._disconnect(slot)
            await self._delete(_of_device(slot))
            del self.attached[nic.interface]
            raise

    async def relink(self, interface: str, stream: int) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached[interface]
        await self._disconnect(slot)
        await self._connect(slot, stream)

    async def unplug(self, interface: str) -> None:
        """See :class:`callao.drivers.base.NicHotPlugger`."""
        slot = self.attached.get(interface)
        if slot is None:
            raise DriverError(f"networks: there is no interface {interface!r} that could be removed.")
        await self.remove(_device_id(slot), f"networks: {interface}")
        await self._disconnect(slot)
        await self._delete(_of_device(slot))
        del self.attached[interface]

    async def _connect(self, slot: int, stream: int) -> None:
        self.send(stream)
        name = _stream(slot)
        await self.execute("getfd", {"fdname": name})
        await self.execute("netdev_add", {"type": "socket", "id": name, "fd": name})
        await self.execute(
            "netdev_add", {"type": "hubport", "id": _of_stream(slot), "hubid": slot, "netdev": name}
        )

    async def _disconnect(self, slot: int) -> None:
        await self._delete(_of_stream(slot))
        await self._delete(_stream(slot))

    async def _delete(self, name: str) -> None:
        with contextlib.suppress(DriverError):  # it never came
            await self.execute("netdev_del", {"id": name})


def _device(slot: int, nic: GuestNic) -> dict[str, object]:
    return {
        "driver": "virtio-net-pci",
        "id": _device_id(slot),
        "netdev": _of_device(slot),
        "mac": nic.mac_address,
        "bus": port(slot),
        "romfile": "",
    }


def _device_id(slot: int) -> str:
    return f"hotnic{slot}"


def _of_device(slot: int) -> str:
    """The hub's port of the device."""
    return f"hotnic{slot}port"


def _of_stream(slot: int) -> str:
    """The hub's port of the socket."""
    return f"hotstream{slot}port"


def _stream(slot: int) -> str:
    return f"hotstream{slot}"
