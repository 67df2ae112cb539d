# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine saved to files and restored from them: QEMU's migration, into a file and out of one.

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
from callao.drivers.base import Left
from callao.drivers.qemu import layers, memory
from callao.drivers.qemu.datadisks import Attached, Top
from callao.errors import DriverError, unsupported
from callao.instances import InstancePaths

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]

DEVICES, MEMORY = "devices", "memory"
"""The files with the state of the devices, and with the pages of the memory."""

WHOLE = "whole"
"""The file with both, in the place of those: of a machine whose memory nobody else can reach."""

_POLL = 0.02
_PATIENCE = 300.0
"""Seconds for a state to be written or read; a slow disk writes a gigabyte in ten."""

_STREAM = "state"
"""The name under which QEMU is handed the file."""


@dataclass
class Migration:
    """Saves one machine, and restores it."""

    paths: InstancePaths
    monitor: QMPClient
    execute: Execute
    pid: int
    own: Top
    """The instance's own disk."""
    attached: Mapping[str, Attached] = field(default_factory=dict)
    """The additional ones, as they come and go."""

    async def save(self, folder: Path) -> Left:
        """See :class:`callao.drivers.base.StateSaver`."""
        await self.execute("stop", {})
        with memory.pages_of(self.pid) as pages:
            _require_room(folder, pages)
            left = await self._leave_disks()
            await self._write(pages, folder / (WHOLE if pages is None else DEVICES), folder / MEMORY)
        if self.paths.qemu_efi_vars.exists():
            shutil.copyfile(self.paths.qemu_efi_vars, folder / self.paths.qemu_efi_vars.name)
        return left

    async def take_up(self, stream: int, *, separate_memory: bool) -> None:
        """Into a machine that was started to wait for it; it is paused after.

        :param stream: the file, as the machine's own descriptor.
        :param separate_memory: whether the memory is in place, and not in that file.
        :raises DriverError: when QEMU refuses it.
        """
        await self._share_aware(separate_memory)
        # Once is enough: nothing on the host has to learn where this machine is now, while in the guest
        # networkd and resolved look around each time.
        await self.execute("migrate-set-parameters", {"announce-rounds": 1})
        await self.execute("migrate-incoming", {"uri": f"fd:{stream}"})
        await self._migrated("taken up")

    async def split_files(self, folder: Path) -> None:
        """Write what was just taken up as a whole once more, in two files: that is taken up much sooner.

        Nothing happens where it cannot be written: the machine has what it needs.
        """
        with contextlib.suppress(DriverError, OSError), memory.pages_of(self.pid) as pages:
            _require_room(folder, pages)
            with tempfile.TemporaryDirectory(dir=folder) as staging:
                devices, copy = Path(staging) / DEVICES, Path(staging) / MEMORY
                await self._write(pages, devices, copy)
                # Flushed, although that takes as long as the write: the file with both goes after it.
                await asyncio.to_thread(put_in_place, copy, folder / MEMORY)
                await asyncio.to_thread(put_in_place, devices, folder / DEVICES)  # now the two count
            (folder / WHOLE).unlink(missing_ok=True)

    async def _write(self, pages: int | None, stream: Path, target: Path) -> None:
        """:raises DriverError: when QEMU refuses, or there is no room."""
        await self._share_aware(pages is not None)
        stream.touch(mode=0o600, exist_ok=False)
        with stream.open("r+b") as file:
            self.monitor.send_fd_scm(file.fileno())
            await self.execute("getfd", {"fdname": _STREAM})
            await self.execute("migrate-set-parameters", {"max-bandwidth": 10**11})
            await self.execute("migrate", {"uri": f"fd:{_STREAM}"})
            await self._migrated("saved")
        if pages is not None:
            try:
                await asyncio.to_thread(memory.write_out, pages, target)
            except OSError as error:
                raise DriverError(f"the memory cannot be saved in {target.parent}: {error}.") from error

    async def resume(self) -> None:
        await self.execute("cont", {})

    async def _share_aware(self, on: bool) -> None:
        """Whether pages that lie in a file of their own are left out."""
        capability = {"capability": "x-ignore-shared", "state": on}
        await self.execute("migrate-set-capabilities", {"capabilities": [capability]})

    async def _migrated(self, what: str) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            said = await self.execute("query-migrate", {})
            assert isinstance(said, Mapping)
            match said.get("status"):
                case "completed":
                    return
                case "failed" | "cancelled" | "cancelling":
                    why = said.get("error-desc") or "QEMU gives no reason"
                    raise DriverError(f"the state cannot be {what}: {why}")
            await asyncio.sleep(_POLL)
        raise DriverError(f"the state was not {what} within {_PATIENCE:.0f} s.")

    async def _leave_disks(self) -> Left:
        """All at once, on the host's side and on QEMU's. The guest is paused: both hold the same until it
        goes on."""
        self.settle()
        for name, each in self.attached.items():
            if each.disk.format != "qcow2":
                raise DriverError(
                    f"additionalDisks: {name}: a {each.disk.format} disk cannot be kept in a snapshot.",
                    hint="Import its image as qcow2 under another name, or detach it first.",
                )
        tops = (self.own, *(each.top for each in self.attached.values()))
        left = Left(
            self.own.written.name, {name: each.top.written.name for name, each in self.attached.items()}
        )
        begun: list[tuple[Top, Path, str]] = []
        try:
            for top in tops:
                begun.append(await self._begin(top))
            actions = [
                {"type": "blockdev-snapshot", "data": {"node": top.nodes[-1], "overlay": overlay}}
                for top, _, overlay in begun
            ]
            await self.execute("transaction", {"actions": actions})
        except BaseException:
            for _, fresh, overlay in begun:
                with contextlib.suppress(DriverError):  # where QEMU keeps it, the file stays
                    await self.execute("blockdev-del", {"node-name": overlay})
                    fresh.unlink()
            raise
        # From here on the guest writes to them, whatever happens.
        for top, fresh, overlay in begun:
            top.written = fresh
            top.nodes.append(overlay)
        for top, _, _ in begun:
            layers.settle(top.image)
        return left

    async def _begin(self, top: Top) -> tuple[Top, Path, str]:
        """An empty layer that QEMU has open, beside the disk."""
        fresh = layers.begin(top.image)
        overlay = f"{top.nodes[0]}-{len(top.nodes)}"
        file = {"driver": "file", "filename": str(fresh)}
        options = {
            "driver": "qcow2",
            "node-name": overlay,
            "file": file,
            "discard": "unmap",
            "backing": None,
        }
        try:
            layers.stage(fresh, top.image)
            await self.execute("blockdev-add", options)
        except DriverError:
            fresh.unlink()
            raise
        return top, fresh, overlay

    def settle(self) -> None:
        """Have each disk be what the guest writes, where an earlier try failed.

        :raises DriverError: when that cannot be.
        """
        for top in (self.own, *(each.top for each in self.attached.values())):
            top.settle()


def _require_room(folder: Path, pages: int | None) -> None:
    """:raises DriverError: before anything is written."""
    if sys.platform == "win32":
        raise unsupported("a count of blocks")
    if pages is None:
        return
    needed = os.fstat(pages).st_blocks * 512
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DriverError(
            f"the memory takes {needed / 2**30:.1f} GiB; {folder} has {free / 2**30:.1f} GiB left.",
            hint="Make room, or save it with less memory in use.",
        )
