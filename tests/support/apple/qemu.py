# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU as the machine of a stand-in. It ends with the stand-in, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from support.apple.diskutil_program import MAGIC, OFFSET
from support.apple.shares import serve
from support.apple.spec import Disk, Firmware, Kernel, Refused, Spec
from support.apple.vsock_device import VsockDevice

ACCELERATION = "CALLAO_STAND_IN_ACCELERATION"
"""``-accel``'s and ``-cpu``'s values, with a blank between."""
PROGRAM = "QEMU_SYSTEM_X86_64"
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
PR_SET_PDEATHSIG = 1


class Machine:
    """A running QEMU. ``state`` is the last part of a name of vz's states."""

    def __init__(
        self, process: asyncio.subprocess.Process, monitor: socket.socket, vsock: VsockDevice | None
    ):
        self._process = process
        self._monitor = monitor
        self.vsock = vsock
        self.state = "Running"

    async def wait(self) -> int:
        status = await self._process.wait()
        self.state = "Stopped"
        return status

    async def power_button(self) -> None:
        await self._tell("system_powerdown")

    async def pause(self) -> None:
        await self._tell("stop")
        self.state = "Paused"

    async def resume(self) -> None:
        await self._tell("cont")
        self.state = "Running"

    def end(self) -> None:
        self.state = "Stopping"
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        if self.vsock is not None:
            self.vsock.close()
        self._monitor.close()

    async def greeted(self) -> None:
        """:raises Refused: when QEMU ends instead."""
        await self._line()
        await self._tell("qmp_capabilities")

    async def _tell(self, command: str) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.sock_sendall(self._monitor, json.dumps({"execute": command}).encode())
            while not {"return", "error"} & (await self._line()).keys():
                pass

    async def _line(self) -> dict[str, object]:
        loop = asyncio.get_running_loop()
        text = b""
        while not text.endswith(b"\n"):
            piece = await loop.sock_recv(self._monitor, 1)
            if not piece:
                raise Refused("the machine did not start")
            text += piece
        return dict(json.loads(text))


async def start(spec: Spec, log: int) -> Machine:
    """:raises Refused: when a file of the machine is not there, or QEMU does not start."""
    monitor, theirs = socket.socketpair()
    monitor.setblocking(False)
    inherited = [theirs, *[await serve(each.directory, die_with_parent()) for each in spec.shares]]
    vsock = None
    if spec.vsock:
        peer, other = socket.socketpair()
        vsock = VsockDevice(peer)
        vsock.start()
        inherited.append(other)
    numbers = [each.fileno() for each in inherited]
    process = await asyncio.create_subprocess_exec(
        *argv(spec, numbers),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=(*numbers, *spec.descriptors),
        preexec_fn=die_with_parent(),
    )
    for each in inherited:
        each.close()
    machine = Machine(process, monitor, vsock)
    await machine.greeted()
    return machine


def argv(spec: Spec, descriptors: list[int]) -> list[str]:
    """``descriptors``: the monitor's, those of the shares, the vsock device's."""
    accel, _, cpu = os.environ.get(
        ACCELERATION, "tcg,thread=multi,tb-size=256 qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"
    ).partition(" ")
    program = os.environ.get(PROGRAM) or shutil.which("qemu-system-x86_64") or ""
    monitor, *others = descriptors
    words = [
        program, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35,memory-backend=mem", "-accel", accel, "-cpu", cpu,
        "-smp", str(spec.cpus), "-m", f"{spec.memory}M",
        "-object", f"memory-backend-memfd,id=mem,size={spec.memory}M,share=on",
        "-chardev", f"socket,id=qmp,fd={monitor}", "-mon", "chardev=qmp,mode=control",
        *_boot(spec.boot),
    ]  # fmt: skip
    for index, disk in enumerate(spec.disks):
        words += _disk(index, disk)
    for index, nic in enumerate(spec.nics):
        mac = f",mac={nic.mac}" if nic.mac else ""
        words += ["-netdev", f"{nic.backend},id=net{index}"]
        words += ["-device", f"virtio-net-pci,netdev=net{index},romfile={mac}"]
    for index, log in enumerate(spec.serial_logs):
        words += ["-chardev", f"file,id=log{index},path={_escaped(log)}", "-device", "virtio-serial-pci"]
        words += ["-device", f"virtconsole,chardev=log{index}"]
    for index, share in enumerate(spec.shares):
        words += ["-chardev", f"socket,id=fs{index},fd={others.pop(0)}"]
        words += ["-device", f"vhost-user-fs-pci,chardev=fs{index},tag={_escaped(share.tag)}"]
    if spec.vsock:
        words += ["-chardev", f"socket,id=vsock,fd={others.pop(0)}"]
        words += ["-device", "vhost-user-vsock-pci,chardev=vsock"]
    return [*words, *(word for name in spec.devices for word in ("-device", name))]


def _boot(boot: Kernel | Firmware) -> list[str]:
    if isinstance(boot, Kernel):
        initrd = ["-initrd", boot.initrd] if boot.initrd else []
        return ["-kernel", boot.path, *initrd, *(["-append", boot.cmdline] if boot.cmdline else [])]
    if boot.variables is not None and boot.create:
        shutil.copyfile(VARIABLES, boot.variables)
    if boot.variables is not None and not boot.variables.exists():
        raise Refused(f"no variable store at {boot.variables}")
    own = f"file={_escaped(str(boot.variables))}" if boot.variables else f"file={VARIABLES},snapshot=on"
    return [
        "-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}",
        "-drive", f"if=pflash,format=raw,{own}",
    ]  # fmt: skip


def _disk(index: int, disk: Disk) -> list[str]:
    node = {
        "driver": disk.format,
        "node-name": f"disk{index}",
        "read-only": disk.readonly,
        "file": {"driver": "file", "filename": disk.path},
    }
    with Path(disk.path).open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            node |= {"offset": OFFSET}
    serial = f",serial={_escaped(disk.serial)}" if disk.serial else ""
    order = f",bootindex={index + 1}"
    return ["-blockdev", json.dumps(node), "-device", f"{disk.device},drive=disk{index}{serial}{order}"]


def _escaped(text: str) -> str:
    return text.replace(",", ",,")


def die_with_parent() -> Callable[[], None]:
    library = ctypes.CDLL(None)
    return lambda: library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
