# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to run a virtual machine; :func:`driver_for` finds one by ``vmType``."""

from __future__ import annotations

from importlib import import_module

from callao.config import VMType
from callao.drivers.base import (
    SPARE_SLOTS,
    WARM_SLOTS,
    Boot,
    DataDisk,
    DeviceShare,
    DiskHotPlugger,
    Driver,
    Features,
    Forward,
    FrozenLayers,
    GuestNic,
    LiveForwarder,
    Log,
    Machine,
    NicHotPlugger,
    NicSockets,
    OutOfSpacePauser,
    RestoringDriver,
    SavedState,
    ScreenReader,
    ShareHotPlugger,
    StateSaver,
)
from callao.errors import DriverError

_FACTORIES = {
    VMType.QEMU: ("callao.drivers.qemu", "QemuDriver"),
    VMType.VZ: ("callao.drivers.apple.vz", "VzDriver"),
    VMType.KRUNKIT: ("callao.drivers.apple.krun", "KrunkitDriver"),
}


def driver_for(vm_type: VMType) -> Driver:
    """The driver for ``vm_type``.

    :raises DriverError: when Callao has no such driver.
    """
    try:
        module, name = _FACTORIES[vm_type]
    except KeyError:
        allowed = ", ".join(driver_names())
        raise DriverError(
            f"vmType: {vm_type!s} has no driver in this version (allowed: {allowed})."
        ) from None
    driver: Driver = getattr(import_module(module), name)()
    return driver


def all_drivers() -> list[Driver]:
    """One driver of each kind, for callers that do not know an instance's ``vmType``."""
    return [driver_for(each) for each in _FACTORIES]


def driver_names() -> list[str]:
    """The values of ``vmType`` that have a driver, sorted."""
    return sorted(str(each) for each in _FACTORIES)


__all__ = [
    "SPARE_SLOTS",
    "WARM_SLOTS",
    "Boot",
    "DataDisk",
    "DeviceShare",
    "DiskHotPlugger",
    "Driver",
    "Features",
    "Forward",
    "FrozenLayers",
    "GuestNic",
    "LiveForwarder",
    "Log",
    "Machine",
    "NicHotPlugger",
    "NicSockets",
    "OutOfSpacePauser",
    "RestoringDriver",
    "SavedState",
    "ScreenReader",
    "ShareHotPlugger",
    "StateSaver",
    "all_drivers",
    "driver_for",
    "driver_names",
]
