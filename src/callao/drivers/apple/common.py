# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drivers of both tools have in common."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callao.atomic import make_file, write_file
from callao.config import Arch, Config, MountType, VMType, mac_address
from callao.config.addresses import with_colons
from callao.config.shares import device_mounts
from callao.drivers.apple import disk, short_folder
from callao.drivers.apple.asif import is_asif
from callao.drivers.apple.devices import Datagrams, Nat, Nic, Switch
from callao.drivers.apple.files import Sockets, efi_store, switch_log, tool_log
from callao.drivers.apple.gvproxy import Gvproxy
from callao.drivers.apple.machine import Wiring, has_sound
from callao.drivers.apple.process import Companions
from callao.drivers.apple.refusal import unspeakable
from callao.drivers.apple.relay import Relay
from callao.drivers.apple.tools import GVPROXY, Tool
from callao.drivers.base import Boot, Log
from callao.errors import DriverError, Problem
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import InstancePaths, Record
from callao.instances.records import read_json

if TYPE_CHECKING:
    from callao.images import FetchedImage  # a download has no part in running a machine


SPARSE = "asif"
"""The value of ``vmOpts.vz.diskImageFormat`` for Apple's sparse image."""


@dataclass(frozen=True)
class Limits:
    """What one of the tools cannot do with a configuration.

    ``forbidden`` are the characters that none of its options can have.
    """

    vm_type: VMType
    arches: frozenset[Arch]
    forbidden: str


def problems(config: Config, host: Host, limits: Limits) -> Iterator[Problem]:
    """Of both tools; pure."""
    if config.arch not in limits.arches or config.arch.value != host.arch:
        allowed = host.arch if host.arch in {each.value for each in limits.arches} else "none on this host"
        message = f"is not this host's, and vmType {limits.vm_type} emulates no processor"
        yield Problem("arch", config.arch.value, message, f"{allowed}, or vmType: qemu")
    if config.firmware.legacy_bios:
        message = f"is not for vmType {limits.vm_type}, which boots by UEFI"
        yield Problem("firmware.legacyBIOS", "true", message, "false, or vmType: qemu")
    if has_sound(config):
        message = f"is not for vmType {limits.vm_type}, which has no sound device"
        yield Problem("audio.device", config.audio.device, message, "none")
    for index, mount in enumerate(config.mounts if config.mount_type is MountType.VIRTIOFS else ()):
        if found := unspeakable(mount.location, limits.forbidden):
            message = f"has {found!r}, which no option of the program for vmType {limits.vm_type} can have"
            allowed = f"a path without {found!r}, or mountType: reverse-sshfs"
            yield Problem(f"mounts[{index}].location", mount.location, message, allowed)
    if config.plain:
        for index, rule in enumerate(config.port_forwards):
            if rule.static and not rule.ignore:
                message = f"needs the guest's program with vmType {limits.vm_type}, and plain leaves it out"
                yield Problem(f"portForwards[{index}].static", "true", message, "false, or plain: false")


def lacking(vm_type: VMType, tool: Tool, least_macos: int, *others: Tool) -> list[str]:
    """What the host lacks for either tool, a sentence each with its remedy.

    :param others: programs that its machines need as well.
    """
    found = tool.missing()
    if found and sys.platform != "darwin":
        return [
            f"vmType: {vm_type} needs {tool.name} on macOS {least_macos} or newer; this host's system is "
            f"{sys.platform}."
        ]
    words = [found, *(each.missing() for each in others), disk.converter(), _old_macos(tool, least_macos)]
    return [each for each in words if each]


def evidence(paths: InstancePaths, vm_type: VMType, name: str) -> tuple[Log, ...]:
    return (
        Log(name, tool_log(paths, vm_type)),
        Log("gvproxy", switch_log(paths)),
        Log("the serial console", paths.serial_log),
    )


def create(paths: InstancePaths, config: Config, image: FetchedImage) -> None:
    """See :meth:`callao.drivers.base.Driver.create`."""
    if image.kernel is not None and not paths.kernel.exists():
        if image.initrd is not None:
            make_file(paths.initrd, partial(shutil.copyfile, image.initrd))
        write_file(paths.kernel_cmdline, image.cmdline.encode())
        make_file(paths.kernel, partial(shutil.copyfile, image.kernel))
    if not paths.disk.exists():  # the last: an instance that has one is whole
        sparse = config.vm_type is VMType.VZ and config.vm_opts.vz.disk_image_format == SPARSE
        make_file(
            paths.disk,
            lambda fresh: disk.create(fresh, image.disk, config.disk, image.location, sparse=sparse),
        )


def state_files(paths: InstancePaths) -> tuple[Path, ...]:
    """See :meth:`callao.drivers.base.Driver.state_files`."""
    files = (paths.disk, paths.kernel, paths.kernel_cmdline, paths.initrd, efi_store(paths))
    return tuple(path for path in files if path.exists())


def wired(boot: Boot, uplink: Nat | None) -> tuple[Wiring, Companions]:
    """The host's ends of a machine's sockets and networks; no program is started.

    :param uplink: of the first NIC; None for gvproxy's.
    :raises DriverError: when one cannot be had.
    """
    sockets = Sockets(short_folder.make(boot.paths))
    relays: dict[str, Relay] = {}
    nics: list[Nic] = []
    companions = Companions(boot.paths, sockets, relays)
    for network in boot.config.networks:
        address = with_colons(network.mac_address)
        if network.vz_nat:
            nics.append(Nic(address, Nat()))
            continue
        relay = relays[network.interface] = Relay()
        nics.append(Nic(address, Datagrams(relay.theirs.fileno())))
    return Wiring(sockets, uplink or Switch(sockets.switch), tuple(nics)), companions


async def start_gvproxy(boot: Boot, companions: Companions, report: Reporter) -> None:
    """:raises DriverError: when there is none that can be used, or it does not start."""
    if words := GVPROXY.missing():
        raise DriverError(words)
    companions.gvproxy = await Gvproxy.start(
        found(GVPROXY), companions.sockets, boot.mac_address, boot.reach, switch_log(boot.paths)
    )

    def tell(message: str) -> None:
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))

    companions.gvproxy.watch(tell, switch_log(boot.paths))


def tell_of_readonly(config: Config, report: Reporter, name: str) -> None:
    """The guest's root can write to what it is to read only."""
    for index, mount in enumerate(device_mounts(config)):
        if not mount.writable:
            message = (
                f"mounts[{index}]: {mount.location} is read-only in the guest, but {name} shares it "
                "writable: the guest's root can mount it so."
            )
            report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))


def tell_of_raw_disk(boot: Boot, report: Reporter) -> None:
    """Where Apple's sparse image is wanted, and the disk is none."""
    if boot.config.vm_opts.vz.disk_image_format == SPARSE and not is_asif(boot.paths.disk):
        message = (
            f"vmOpts.vz.diskImageFormat: {SPARSE}: the disk is raw: macOS 26 and newer make such a disk, "
            "when the instance is created."
        )
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))


def refuse_lacking(words: list[str]) -> None:
    """:raises DriverError: with the sentences, where there are any."""
    if words:
        raise DriverError(" ".join(words))


def mac_address_of(paths: InstancePaths) -> str:
    """The first NIC's, as the machine is started with it."""
    record = read_json(paths.callao_json, Record)
    return (record.mac_address if record is not None else "") or mac_address(paths.dir, 0)


def found(tool: Tool) -> str:
    """The program's path.

    :raises DriverError: when there is none.
    """
    program = tool.find()
    if program is None:
        raise DriverError(tool.absence())
    return program


def _old_macos(tool: Tool, least: int) -> str:
    if sys.platform != "darwin":
        return ""
    import platform

    release = platform.mac_ver()[0]
    if not release or int(release.partition(".")[0]) >= least:
        return ""
    return f"{tool.name} needs macOS {least} or newer, and this host has {release}: upgrade it."
