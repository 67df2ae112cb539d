# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's command line (https://github.com/crc-org/vfkit, doc/usage.md). Pure.

``--device`` splits its value at commas, and each piece at its first ``=``; nothing can be quoted there. In
``--bootloader`` double quotes around a whole piece save its commas.
"""

from __future__ import annotations

from pathlib import Path

from callao.drivers.apple.devices import (
    Balloon,
    Bootloader,
    Datagrams,
    Device,
    DirectKernel,
    Disk,
    Efi,
    Entropy,
    FirmwareOfTool,
    Gpu,
    Keyboard,
    Nat,
    Nic,
    Pointer,
    Rosetta,
    SerialLog,
    SharedDirectory,
    Sound,
    Switch,
    VirtualMachine,
    Vsock,
)
from callao.drivers.apple.refusal import checked, refused, too_old
from callao.drivers.apple.tools import NEWEST, Version
from callao.images.formats import ImageFormat

FORBIDDEN = ","
"""Characters that no value of ``--device`` can have."""

UNQUOTABLE = '"\n'
"""Characters that a kernel's command line cannot have."""

_MIB = 2**20

IGNORE_IF_MISSING: Version = (0, 6, 0)
BALLOON: Version = (0, 6, 1)
NESTED: Version = (0, 6, 2)
"""The releases that brought these options."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._~+@:-")
"""Of a socket's path, which vfkit reads as a URL: all other characters are escaped, decoded or cut off."""

_SOCKET_PATH = 103
"""Bytes that macOS has for a unix socket's path."""


def command_line(program: str, machine: VirtualMachine, version: Version = NEWEST) -> list[str]:
    """The whole argv.

    :raises DriverError: naming what this vfkit cannot be told.
    """
    if machine.nested and version < NESTED:
        raise too_old("vfkit", "nestedVirtualization", "true", version, NESTED)
    argv = [
        program,
        "--cpus", str(machine.cpus),
        "--memory", str(machine.memory // _MIB),
        "--bootloader", _bootloader(machine.bootloader),
    ]  # fmt: skip
    for device in machine.devices:
        argv += ["--device", _device(device, version)]
    if machine.rest is not None:
        argv += ["--restful-uri", f"unix://{_socket(machine.rest, 'the REST socket')}"]
    return argv + (["--nested"] if machine.nested else []) + (["--gui"] if machine.window else [])


def _bootloader(bootloader: Bootloader) -> str:
    match bootloader:
        case Efi(store):
            return f"efi,{_piece('variable-store', store)},create"
        case DirectKernel(kernel, initrd, cmdline):
            pieces = [_piece("kernel", kernel), *([_piece("initrd", initrd)] if initrd else [])]
            if any(each in UNQUOTABLE for each in cmdline):
                why = "vfkit has no escape for a double quote or a line break in it"
                raise refused("images[].kernel.cmdline", cmdline, why, "a line without double quotes")
            return ",".join(["linux", *pieces, f'cmdline="{cmdline}"'])
        case FirmwareOfTool():
            raise refused("bootloader", "firmware", "vfkit has no firmware of its own", "UEFI, or a kernel")


def _piece(key: str, path: Path) -> str:
    text = str(path)
    for each in ('"', "\n", "\r"):
        if each in text:
            why = f"{each!r} cannot be passed to vfkit"
            raise refused(key, text, why, f"a path without {each!r}")
    return f'"{key}={text}"' if "," in text else f"{key}={text}"


def _device(device: Device, version: Version) -> str:
    match device:
        case Disk():
            return _disk(device)
        case Nic(mac_address, uplink):
            return f"virtio-net,{_uplink(uplink)},mac={_value(mac_address, 'networks[].macAddress')}"
        case Vsock(port, socket):
            return f"virtio-vsock,port={port},socketURL={_socket(socket, f'vsock port {port}')},connect"
        case SharedDirectory():
            return _share(device)
        case Rosetta(tag):
            missing = ",ignore-if-missing" if version >= IGNORE_IF_MISSING else ""
            return f"rosetta,mountTag={_value(tag, 'mount tag')}{missing}"
        case SerialLog(path):
            return f"virtio-serial,logFilePath={_value(path, 'the serial log')}"
        case Entropy():
            return "virtio-rng"
        case Balloon():
            if version < BALLOON:
                raise too_old("vfkit", "memory balloon", "on", version, BALLOON)
            return "virtio-balloon"
        case Gpu(width, height):
            return f"virtio-gpu,width={width},height={height}"
        case Keyboard():
            return "virtio-input,keyboard"
        case Pointer():
            return "virtio-input,pointing"
        case Sound():
            raise refused("audio.device", "set", "vfkit has no sound device", "none")


def _disk(disk: Disk) -> str:
    if disk.form is not ImageFormat.RAW:
        raise refused("disk", disk.path, f"vfkit reads raw disks, not {disk.form}", "a raw disk")
    options = [f"virtio-blk,path={_value(disk.path, 'disk')}"]
    options += ["readonly"] if disk.readonly else []
    options += [f"deviceId={_value(disk.serial, 'serial number')}"] if disk.serial else []
    return ",".join(options)


def _share(share: SharedDirectory) -> str:
    if share.readonly:
        why = "vfkit shares a directory writable only"
        raise refused("mounts[].writable", "false", why, "true, or mountType: reverse-sshfs")
    if share.own_permissions:
        why = "vfkit knows the host's owners and modes only"
        raise refused("mounts[].9p.securityModel", "mapped-xattr", why, "none, or vmType: krunkit")
    location, tag = _value(share.directory, "mounts[].location"), _value(share.tag, "mount tag")
    return f"virtio-fs,sharedDir={location},mountTag={tag}"


def _uplink(uplink: Nat | Switch | Datagrams) -> str:
    match uplink:
        case Nat():
            return "nat"
        case Switch(path):
            return f"unixSocketPath={_value(path, 'networks[].socket')}"
        case Datagrams(descriptor):
            return f"fd={descriptor}"


def _socket(path: Path, what: str) -> str:
    text = str(path)
    if not path.is_absolute() or not set(text) <= _PLAIN:
        why = "vfkit reads it as a URL, and makes the socket elsewhere"
        raise refused(what, text, why, "an absolute path of ASCII letters, digits and /._~+@:-")
    if len(text) > _SOCKET_PATH:
        raise refused(what, text, f"it has {len(text)} bytes", f"a path of {_SOCKET_PATH} bytes at most")
    return text


def _value(text: object, option: str) -> str:
    return checked(text, option, "vfkit", FORBIDDEN)
