# SPDX-License-Identifier: GPL-3.0-or-later
"""krunkit's command line (https://github.com/libkrun/krunkit, docs/usage.md). Pure.

It is stricter than vfkit: a value may have neither a comma nor an ``=``, and may not be empty; a flag that
is no list may stand once.
"""

from __future__ import annotations

from callao.drivers.apple.devices import (
    Balloon,
    Bootloader,
    Datagrams,
    Device,
    Disk,
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

FORBIDDEN = ",="
"""Characters that no value of ``--device`` can have."""

MOST_CPUS = 255
MOST_MEMORY = 61440 * 2**20
"""Bytes; libkrun has no place for more."""

PERMISSIONS: Version = (1, 3, 0)
"""The release that brought ``permissionSemantics``."""

REST: Version = (1, 3, 1)
"""The first release whose REST service can be used: those before power the machine off at any request that
contains ``POST``."""

_MIB = 2**20


def command_line(program: str, machine: VirtualMachine, version: Version = NEWEST) -> list[str]:
    """The whole argv.

    :raises DriverError: naming what this krunkit cannot be told.
    """
    if not 1 <= machine.cpus <= MOST_CPUS:
        raise refused("cpus", machine.cpus, "krunkit has no such machine", f"1 to {MOST_CPUS}")
    if not _MIB <= machine.memory <= MOST_MEMORY:
        allowed = f"1MiB to {MOST_MEMORY // _MIB}MiB"
        raise refused("memory", f"{machine.memory // _MIB}MiB", "krunkit has no such machine", allowed)
    _refuse_bootloader(machine.bootloader)
    logs = [each for each in machine.devices if isinstance(each, SerialLog)]
    if len(logs) > 1:
        raise refused("serial log", logs[1].path, "libkrun has one serial port", "one")
    argv = [program, "--cpus", str(machine.cpus), "--memory", str(machine.memory // _MIB)]
    for device in machine.devices:
        argv += ["--device", _device(device, version)]
    if machine.rest is not None and version >= REST:
        argv += ["--restful-uri", f"unix://{_value(machine.rest, 'the REST socket')}"]
    if machine.pid_file is not None:
        argv += ["--pidfile", _value(machine.pid_file, "the pid file")]
    return argv + (["--nested"] if machine.nested else [])


def _refuse_bootloader(bootloader: Bootloader) -> None:
    """Its own firmware boots the first disk, whatever ``--bootloader`` says."""
    if not isinstance(bootloader, FirmwareOfTool):
        why = "krunkit boots by its own firmware"
        raise refused("images[].kernel", type(bootloader).__name__, why, "an image without a kernel")


def _device(device: Device, version: Version) -> str:
    match device:
        case Disk():
            return _disk(device)
        case Nic(mac_address, uplink):
            return f"virtio-net,{_uplink(uplink)},mac={_value(mac_address, 'networks[].macAddress')}"
        case Vsock(port, socket):
            return f"virtio-vsock,port={port},socketURL={_value(socket, f'vsock port {port}')},connect"
        case SharedDirectory():
            return _share(device, version)
        case SerialLog(path):
            return f"virtio-serial,logFilePath={_value(path, 'the serial log')}"
        case Entropy():
            return "virtio-rng"
        case Gpu(width, height):
            return f"virtio-gpu,width={width},height={height}"
        case Keyboard():
            return "virtio-input,keyboard"
        case Pointer():
            return "virtio-input,pointing"
        case Rosetta():
            raise refused(
                "vmOpts.vz.rosetta.enabled", "true", "krunkit has no Rosetta", "false, or vmType: vz"
            )
        case Balloon():
            raise refused("memory balloon", "on", "krunkit has none", "off")
        case Sound():
            raise refused("audio.device", "set", "krunkit has no sound device", "none")


def _disk(disk: Disk) -> str:
    if disk.serial:
        why = "krunkit gives a disk no serial number, by which the guest would find it"
        raise refused("additionalDisks", disk.serial, why, "none, or vmType: vz")
    if disk.readonly:
        raise refused("disk", disk.path, "krunkit has writable disks only", "a writable disk")
    return f"virtio-blk,path={_value(disk.path, 'disk')},format={disk.form.value}"


def _uplink(uplink: Nat | Switch | Datagrams) -> str:
    match uplink:
        case Nat():
            raise refused("networks[].vzNAT", "true", "krunkit has no NAT", "lima: NAME, socket: PATH")
        case Switch(path):
            return f"unixSocketPath={_value(path, 'networks[].socket')}"
        case Datagrams(descriptor):
            return f"type=unixgram,fd={descriptor}"


def _share(share: SharedDirectory, version: Version) -> str:
    if share.readonly:
        why = "krunkit shares a directory writable only"
        raise refused("mounts[].writable", "false", why, "true")
    if share.own_permissions and version < PERMISSIONS:
        raise too_old("krunkit", "mounts[].9p.securityModel", "mapped-xattr", version, PERMISSIONS)
    location, tag = _value(share.directory, "mounts[].location"), _value(share.tag, "mount tag")
    semantics = ",permissionSemantics=complete" if share.own_permissions else ""
    return f"virtio-fs,sharedDir={location},mountTag={tag}{semantics}"


def _value(text: object, option: str) -> str:
    return checked(text, option, "krunkit", FORBIDDEN)
