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
    StateCopier,
    StateReleaser,
    StateSaver,
)

_FACTORIES = {
    VMType.QEMU: ("callao.drivers.qemu", "QemuDriver"),
    VMType.VZ: ("callao.drivers.apple.vz", "VzDriver"),
    VMType.KRUNKIT: ("callao.drivers.apple.krun", "KrunkitDriver"),
    VMType.WSL2: ("callao.drivers.wsl2.driver", "Wsl2Driver"),
}


def driver_for(vm_type: VMType) -> Driver:
    """The driver for ``vm_type``."""
    module, name = _FACTORIES[vm_type]
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
    "StateCopier",
    "StateReleaser",
    "StateSaver",
    "all_drivers",
    "driver_for",
    "driver_names",
]
