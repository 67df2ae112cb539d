# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmType: vz``: Apple's Virtualization framework by vfkit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from callao.config import Arch, Config, MountType, VMType
from callao.disks.layers import LayerStore
from callao.drivers.apple import common, disk, network, vfkit
from callao.drivers.apple.devices import PROGRAM_PORT, DirectKernel, Nat
from callao.drivers.apple.layers import CopiedLayers
from callao.drivers.apple.machine import WINDOWS, vz_machine
from callao.drivers.apple.process import launch
from callao.drivers.apple.tools import VFKIT, version_of
from callao.drivers.base import Boot, Features, Log, Machine
from callao.errors import Problem
from callao.events import Reporter
from callao.guest_network import USER_MODE, GuestNetwork
from callao.host import Host
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths
from callao.reach import Reach

if TYPE_CHECKING:
    from callao.images import FetchedImage  # a download has no part in running a machine

LIMITS = common.Limits(VMType.VZ, frozenset({Arch.AARCH64, Arch.X86_64}), vfkit.FORBIDDEN)

_LEAST_MACOS = 13
"""The first with UEFI."""


class VzDriver:
    """A Mac that has vfkit."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.VZ,
        mount_types=frozenset({MountType.VIRTIOFS, MountType.REVERSE_SSHFS}),
        honoured=frozenset(
            {"cpus", "memory", "disk", "networks", "vmOpts", "additionalDisks", "video", "audio"}
            | {"nestedVirtualization"}
        ),
        boot_nics=True,
        ssh_over_vsock=True,
        guest_port=PROGRAM_PORT,
        disk_formats=frozenset({ImageFormat.RAW}),
        forbidden=vfkit.FORBIDDEN + '"\n\r',
    )
    layers: ClassVar[LayerStore] = CopiedLayers()

    def validate(self, config: Config, host: Host) -> list[Problem]:
        return [*common.problems(config, host, LIMITS), *_problems(config)]

    def network(self, config: Config) -> GuestNetwork:  # noqa: ARG002 - the same for all of a host's
        return USER_MODE if network.has_gvproxy() else network.NAT

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        if self.network(config) is USER_MODE:
            return network.by_port(paths, config, port)
        return network.by_lease(common.mac_address_of(paths), paths, config, port)

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        return common.evidence(paths, VMType.VZ, "vfkit")

    def missing(self, config: Config) -> list[str]:  # noqa: ARG002 - the same for all
        return common.lacking(VMType.VZ, VFKIT, _LEAST_MACOS)

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        common.create(paths, config, image)

    def state_files(self, paths: InstancePaths) -> tuple[Path, ...]:
        return common.state_files(paths)

    def resize(self, paths: InstancePaths, config: Config) -> None:
        disk.grow(paths.disk, config.disk)

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        common.refuse_lacking(self.missing(boot.config))
        program = common.found(VFKIT)
        version = version_of(program)
        common.tell_of_readonly(boot.config, report, "vfkit")
        common.tell_of_raw_disk(boot, report)
        uplink = None if self.network(boot.config) is USER_MODE else Nat()
        wiring, companions = common.wired(boot, uplink)
        try:
            machine = vz_machine(boot, wiring, _kernel(boot.paths), version)
            argv = vfkit.command_line(program, machine, version)
            if uplink is None:
                await common.start_gvproxy(boot, companions, report)
        except BaseException:
            await companions.end()
            raise
        return await launch(argv, VMType.VZ, companions, has_rest=True)


def _kernel(paths: InstancePaths) -> DirectKernel | None:
    if not paths.kernel.exists():
        return None
    cmdline = paths.kernel_cmdline.read_text(encoding="utf-8") if paths.kernel_cmdline.exists() else ""
    return DirectKernel(paths.kernel, paths.initrd if paths.initrd.exists() else None, cmdline)


def _problems(config: Config) -> Iterator[Problem]:
    if config.video.display not in ("", "none", *WINDOWS):
        allowed = f"none, {', '.join(WINDOWS)}"
        yield Problem("video.display", config.video.display, "is not for vmType vz", allowed)
    for index, image in enumerate(config.images):
        cmdline = image.kernel.cmdline if image.kernel is not None else None
        if image.arch in (None, config.arch) and any(each in vfkit.UNQUOTABLE for each in cmdline or ""):
            message = "has a double quote or a line break, for which vfkit has no escape"
            place = f"images[{index}].kernel.cmdline"
            yield Problem(place, cmdline, message, "a line without double quotes")
    for index, mount in enumerate(config.mounts):
        if mount.p9.security_model == "mapped-xattr":
            message = "is not for vmType vz, which knows the host's owners and modes only"
            place = f"mounts[{index}].9p.securityModel"
            yield Problem(place, "mapped-xattr", message, "none, or vmType: krunkit")
