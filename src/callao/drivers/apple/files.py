# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an instance that only these drivers have, and the folder of its sockets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config import VMType
from callao.instances import InstancePaths


def efi_store(paths: InstancePaths) -> Path:
    """UEFI's variables, under Lima's name."""
    return paths.dir / "vz-efi"


def tool_log(paths: InstancePaths, vm_type: VMType) -> Path:
    """What vfkit or krunkit wrote to its standard output and standard error."""
    return paths.dir / f"{vm_type.value}.log"


def switch_log(paths: InstancePaths) -> Path:
    """What gvproxy wrote."""
    return paths.dir / "gvproxy.log"


@dataclass(frozen=True)
class Sockets:
    """In a folder of a short, plain name: see :mod:`callao.drivers.apple.short_folder`."""

    folder: Path

    @property
    def program(self) -> Path:
        """Leads to the guest's program."""
        return self.folder / "agent.sock"

    @property
    def ssh(self) -> Path:
        """Leads to sshd by vsock."""
        return self.folder / "ssh.sock"

    @property
    def rest(self) -> Path:
        """The tool's REST service."""
        return self.folder / "rest.sock"

    @property
    def pid_file(self) -> Path:
        """Written by a krunkit that has no REST service to ask."""
        return self.folder / "krunkit.pid"

    @property
    def switch(self) -> Path:
        """gvproxy's, for frames."""
        return self.folder / "net.sock"

    @property
    def services(self) -> Path:
        """gvproxy's HTTP API."""
        return self.folder / "gvproxy.sock"
