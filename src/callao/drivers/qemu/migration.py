# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a machine to files and restores it from them by QEMU's migration.

See QEMU's docs/devel/migration.rst, and QMP's ``migrate``, ``migrate-incoming`` and ``blockdev-snapshot``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import QMPClient

from callao.atomic import put_in_place
from callao.drivers.base import FrozenLayers
from callao.drivers.qemu import memory
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.data_disks import AttachedDisk, DiskTop
from callao.errors import DriverError, unsupported
from callao.instances import InstancePaths

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]

DEVICES, MEMORY = "devices", "memory"
"""The names of the files with the device state, and with the pages of the memory."""

COMBINED = "whole"
"""The file with both, for a machine whose memory other processes cannot read."""

_POLL_INTERVAL = 0.02
_TIMEOUT = 300.0
"""Seconds for a state to be written or read; a slow disk needs ten for a gigabyte."""

_FD_NAME = "state"
"""The name of the file's descriptor in QEMU's monitor."""


@dataclass
class Migration:
    """Saves one machine, and restores it."""

    paths: InstancePaths
    monitor: QMPClient
    execute: Execute
    pid: int
    own_disk: DiskTop
    """The instance's own disk."""
    attached: Mapping[str, AttachedDisk] = field(default_factory=dict)
    """The additional disks that are attached now."""

    async def save(self, folder: Path) -> FrozenLayers:
        """See :class:`callao.drivers.base.StateSaver`."""
        await self.execute("stop", {})
        with memory.open_guest_memory(self.pid) as pages:
            _require_free_space(folder, pages)
            frozen = await self._freeze_disks()
            await self._write_state(
                pages, folder / (COMBINED if pages is None else DEVICES), folder / MEMORY
            )
        if self.paths.qemu_efi_vars.exists():
            shutil.copyfile(self.paths.qemu_efi_vars, folder / self.paths.qemu_efi_vars.name)
        return frozen

    async def restore(self, stream: int, *, separate_memory: bool) -> None:
        """Restore a state into a machine that was started with ``-incoming``; it is paused afterwards.

        :param stream: QEMU's descriptor of the file.
        :param separate_memory: whether the memory is a backend of its own, and not in that file.
        :raises DriverError: when QEMU refuses it.
        """
        await self._set_ignore_shared(separate_memory)
        # One announcement is enough: no switch on the host has to learn where this machine is now, and each
        # one makes networkd and resolved in the guest reconfigure.
        await self.execute("migrate-set-parameters", {"announce-rounds": 1})
        await self.execute("migrate-incoming", {"uri": f"fd:{stream}"})
        await self._wait_completed("taken up")

    async def split_files(self, folder: Path) -> None:
        """Save a state that was just restored from one combined file again, in two files: restoring these is
        much faster.

        A failure is ignored, because the running machine does not need the files.
        """
        with contextlib.suppress(DriverError, OSError), memory.open_guest_memory(self.pid) as pages:
            _require_free_space(folder, pages)
            with tempfile.TemporaryDirectory(dir=folder) as staging:
                devices, copy = Path(staging) / DEVICES, Path(staging) / MEMORY
                await self._write_state(pages, devices, copy)
                # Flushed, although that takes as long as the write: the combined file is removed next.
                await asyncio.to_thread(put_in_place, copy, folder / MEMORY)
                await asyncio.to_thread(
                    put_in_place, devices, folder / DEVICES
                )  # from now on the two files are used
            (folder / COMBINED).unlink(missing_ok=True)

    async def _write_state(self, pages: int | None, stream: Path, target: Path) -> None:
        """:raises DriverError: when QEMU refuses, or there is no space."""
        await self._set_ignore_shared(pages is not None)
        stream.touch(mode=0o600, exist_ok=False)
        with stream.open("r+b") as file:
            self.monitor.send_fd_scm(file.fileno())
            await self.execute("getfd", {"fdname": _FD_NAME})
            await self.execute("migrate-set-parameters", {"max-bandwidth": 10**11})
            await self.execute("migrate", {"uri": f"fd:{_FD_NAME}"})
            await self._wait_completed("saved")
        if pages is not None:
            try:
                await asyncio.to_thread(memory.copy_to_file, pages, target)
            except OSError as error:
                raise DriverError(f"the memory cannot be saved in {target.parent}: {error}.") from error

    async def resume(self) -> None:
        await self.execute("cont", {})

    async def _set_ignore_shared(self, on: bool) -> None:
        """Set whether QEMU leaves out shared memory."""
        capability = {"capability": "x-ignore-shared", "state": on}
        await self.execute("migrate-set-capabilities", {"capabilities": [capability]})

    async def _wait_completed(self, what: str) -> None:
        deadline = asyncio.get_running_loop().time() + _TIMEOUT
        while asyncio.get_running_loop().time() < deadline:
            status = await self.execute("query-migrate", {})
            assert isinstance(status, Mapping)
            match status.get("status"):
                case "completed":
                    return
                case "failed" | "cancelled" | "cancelling":
                    reason = status.get("error-desc") or "QEMU gives no reason"
                    raise DriverError(f"the state cannot be {what}: {reason}")
            await asyncio.sleep(_POLL_INTERVAL)
        raise DriverError(f"the state was not {what} within {_TIMEOUT:.0f} s.")

    async def _freeze_disks(self) -> FrozenLayers:
        """Freeze all disks in one transaction. The guest is paused, so the host's files and QEMU's view of
        them stay equal until it is resumed.
        """
        self.repair_names()
        for name, each in self.attached.items():
            if each.disk.format != "qcow2":
                raise DriverError(
                    f"additionalDisks: {name}: a {each.disk.format} disk cannot be kept in a snapshot.",
                    hint="Import its image as qcow2 under another name, or detach it first.",
                )
        disks = (self.own_disk, *(each.top for each in self.attached.values()))
        frozen = FrozenLayers(
            self.own_disk.active_layer.name,
            {name: each.top.active_layer.name for name, each in self.attached.items()},
        )
        overlays: list[tuple[DiskTop, Path, str]] = []
        try:
            for disk in disks:
                overlays.append(await self._add_overlay(disk))
            actions = [
                {"type": "blockdev-snapshot", "data": {"node": disk.node_names[-1], "overlay": overlay}}
                for disk, _, overlay in overlays
            ]
            await self.execute("transaction", {"actions": actions})
        except BaseException:
            for _, layer, overlay in overlays:
                with contextlib.suppress(DriverError):  # if QEMU does not close it, the file stays
                    await self.execute("blockdev-del", {"node-name": overlay})
                    layer.unlink()
            raise
        # From here on the guest writes to the overlays, even if what follows fails.
        for disk, layer, overlay in overlays:
            disk.active_layer = layer
            disk.node_names.append(overlay)
        for disk, _, _ in overlays:
            layers.activate_staged(disk.image)
        return frozen

    async def _add_overlay(self, disk: DiskTop) -> tuple[DiskTop, Path, str]:
        """Create an empty layer beside the disk, and have QEMU open it."""
        layer = layers.create_empty_layer(disk.image)
        overlay = f"{disk.node_names[0]}-{len(disk.node_names)}"
        file = {"driver": "file", "filename": str(layer)}
        options = {
            "driver": "qcow2",
            "node-name": overlay,
            "file": file,
            "discard": "unmap",
            "backing": None,
        }
        try:
            layers.stage(layer, disk.image)
            await self.execute("blockdev-add", options)
        except DriverError:
            layer.unlink()
            raise
        return disk, layer, overlay

    def repair_names(self) -> None:
        """Make each disk's name that of its active layer, where an earlier attempt failed.

        :raises DriverError: when that fails.
        """
        for disk in (self.own_disk, *(each.top for each in self.attached.values())):
            disk.repair_name()


def _require_free_space(folder: Path, pages: int | None) -> None:
    """:raises DriverError: when the folder's file system has too little space."""
    if sys.platform == "win32":
        raise unsupported("a count of blocks")
    if pages is None:
        return
    needed = os.fstat(pages).st_blocks * 512
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DriverError(
            f"the memory takes {needed / 2**30:.1f} GiB; {folder} has {free / 2**30:.1f} GiB left.",
            hint="Free disk space, or save the machine with less memory in use.",
        )
