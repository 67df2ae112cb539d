# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a machine as typed records, each of which renders its options of QEMU's command line, see
qemu(1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callao.drivers.base import Forward, NicSockets
from callao.guest_network import GuestNetwork

NETDEV = "net0"
"""The id of the user-mode network, by which the monitor adds and removes forwards."""


_FILTERED = "filtered"
"""The id of what the first NIC is connected to where its frames do not go to the network directly."""


class CommandLinePart(Protocol):
    """A part with options on the command line."""

    def argv(self) -> list[str]:
        """Option, value, option, value."""


def escape_commas(path: Path) -> str:
    """Escape a path for an option's value: QEMU's keyval syntax has commas doubled."""
    return str(path).replace(",", ",,")


@dataclass(frozen=True)
class Disk:
    """A block device; ``boot`` puts it first in the firmware's order."""

    name: str
    path: Path
    format: str
    readonly: bool = False
    boot: bool = False
    bus: str = "pci"

    def argv(self) -> list[str]:
        node: dict[str, object] = {
            "driver": self.format,
            "node-name": self.name,
            "read-only": self.readonly,
            "file": {"driver": "file", "filename": str(self.path)},
        }
        if not self.readonly:
            node["discard"] = "unmap"
        order = ",bootindex=1" if self.boot else ""
        device = f"virtio-blk-{self.bus},drive={self.name}{order}"
        return ["-blockdev", json.dumps(node), "-device", device]


@dataclass(frozen=True)
class Flash:
    """UEFI: the code is read-only, and the variables are the machine's own and always raw."""

    code: Path
    variables: Path
    code_format: str = "raw"

    def argv(self) -> list[str]:
        return [
            "-drive", f"if=pflash,format={self.code_format},readonly=on,file={escape_commas(self.code)}",
            "-drive", f"if=pflash,format=raw,file={escape_commas(self.variables)}",
        ]  # fmt: skip


@dataclass(frozen=True)
class DirectKernel:
    """A kernel that QEMU loads itself."""

    kernel: Path
    initrd: Path | None
    cmdline: str

    def argv(self) -> list[str]:
        initrd = ["-initrd", str(self.initrd)] if self.initrd else []
        return ["-kernel", str(self.kernel), *initrd, *(["-append", self.cmdline] if self.cmdline else [])]


@dataclass(frozen=True)
class UserNetwork:
    """QEMU's user-mode network, see qemu(1), ``-netdev user``.

    Gateway and DNS are the second and third address of the subnet by default. They are not given as options,
    since saved states depend on the options that are here. With ``sockets``, a hub joins the network to one
    of them, because QEMU has no other way to connect two backends.
    """

    network: GuestNetwork
    mac: str
    forwards: tuple[Forward, ...]
    sockets: NicSockets | None = None
    bus: str = "pci"

    def argv(self) -> list[str]:
        options = [f"user,id={NETDEV},net={self.network.subnet},dhcpstart={self.network.guest}"]
        options += [f"hostfwd={forward_rule(forward)}-:{forward.guest_port}" for forward in self.forwards]
        backend = NETDEV if self.sockets is None else _FILTERED
        return [
            "-netdev", ",".join(options),
            *(self._through_sockets(self.sockets) if self.sockets is not None else ()),
            "-device", f"virtio-net-{self.bus},netdev={backend},mac={self.mac}",
        ]  # fmt: skip

    def _through_sockets(self, sockets: NicSockets) -> tuple[str, ...]:
        return (
            "-netdev", f"hubport,id={NETDEV}-port,hubid=0,netdev={NETDEV}",
            "-netdev", f"socket,id={NETDEV}-socket,fd={sockets.stack}",
            "-netdev", f"hubport,id={NETDEV}-socket-port,hubid=0,netdev={NETDEV}-socket",
            "-netdev", f"socket,id={_FILTERED},fd={sockets.nic}",
        )  # fmt: skip


APPEND_OPTION = ",append=on"


@dataclass(frozen=True)
class SerialLog:
    """The first serial port, appended to a file, because the file is truncated while QEMU runs to limit its
    size.
    """

    path: Path

    def argv(self) -> list[str]:
        file = f"file,id=serial,path={escape_commas(self.path)}{APPEND_OPTION}"
        return ["-chardev", file, "-serial", "chardev:serial"]


@dataclass(frozen=True)
class GuestChannel:
    """A virtio-serial port connected to a unix socket, with the name that Lima's guest agent opens."""

    path: Path
    bus: str = "pci"

    def argv(self) -> list[str]:
        return [
            "-device", f"virtio-serial-{self.bus}",
            "-chardev", f"socket,id=ga,path={escape_commas(self.path)},server=on,wait=off",
            "-device", "virtserialport,chardev=ga,name=io.lima-vm.guest_agent.0",
        ]  # fmt: skip


@dataclass(frozen=True)
class Vsock:
    """The kernel's device of vsock(7); ``cid`` is the guest's address, alone on this host."""

    cid: int

    def argv(self) -> list[str]:
        return ["-device", f"vhost-vsock-pci,guest-cid={self.cid}"]


@dataclass(frozen=True)
class Monitor:
    """QMP on a unix socket."""

    path: Path

    def argv(self) -> list[str]:
        return [
            "-chardev", f"socket,id=qmp,path={escape_commas(self.path)},server=on,wait=off",
            "-mon", "chardev=qmp,mode=control",
        ]  # fmt: skip


@dataclass(frozen=True)
class Devices:
    """Devices without options."""

    names: tuple[str, ...]

    def argv(self) -> list[str]:
        return [word for name in self.names for word in ("-device", name)]


@dataclass(frozen=True)
class NoCloudSerial:
    """The system's serial number, by which cloud-init uses the NoCloud datasource and probes no other.

    See its documentation, "NoCloud".
    """

    def argv(self) -> list[str]:
        return ["-smbios", "type=1,serial=ds=nocloud"]


def forward_rule(forward: Forward) -> str:
    """The host's side of a forward, in the syntax of ``hostfwd`` and the monitor's commands."""
    return f"{forward.proto}:{forward.host_ip}:{forward.host_port}"
