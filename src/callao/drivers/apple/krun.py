# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmType: krunkit``: libkrun by krunkit, whose guests have a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from callao.config import Arch, Config, MountType, VMType
from callao.disks.layers import LayerStore
from callao.drivers.apple import common, disk, krunkit, network
from callao.drivers.apple.devices import PROGRAM_PORT
from callao.drivers.apple.layers import CopiedLayers
from callao.drivers.apple.machine import krunkit_machine
from callao.drivers.apple.process import launch
from callao.drivers.apple.tools import GVPROXY, KRUNKIT, version_of
from callao.drivers.base import Boot, Features, Log, Machine
from callao.errors import Problem
from callao.events import Event, EventState, Reporter, Stage
from callao.guest_network import USER_MODE, GuestNetwork
from callao.host import Host
from callao.instances import InstancePaths
from callao.reach import Reach

if TYPE_CHECKING:
    from callao.images import FetchedImage  # a download has no part in running a machine

LIMITS = common.Limits(VMType.KRUNKIT, frozenset({Arch.AARCH64}), krunkit.FORBIDDEN)

_LEAST_MACOS = 14


class KrunkitDriver:
    """A Mac with a processor of Apple's that has krunkit and gvproxy."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.KRUNKIT,
        mount_types=frozenset({MountType.VIRTIOFS, MountType.REVERSE_SSHFS}),
        honoured=frozenset(
            {"cpus", "memory", "disk", "networks", "additionalDisks", "nestedVirtualization", "audio"}
        ),
        boot_nics=True,
        ssh_over_vsock=True,
        guest_port=PROGRAM_PORT,
        forbidden=krunkit.FORBIDDEN,
    )
    layers: ClassVar[LayerStore] = CopiedLayers()

    def validate(self, config: Config, host: Host) -> list[Problem]:
        return [*common.problems(config, host, LIMITS), *_problems(config)]

    def network(self, config: Config) -> GuestNetwork:  # noqa: ARG002 - the same for all of krunkit's
        return USER_MODE

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        return network.by_port(paths, config, port)

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        return common.evidence(paths, VMType.KRUNKIT, "krunkit")

    def missing(self, config: Config) -> list[str]:  # noqa: ARG002 - the same for all
        return common.lacking(VMType.KRUNKIT, KRUNKIT, _LEAST_MACOS, GVPROXY)

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        common.create(paths, config, image)

    def state_files(self, paths: InstancePaths) -> tuple[Path, ...]:
        return common.state_files(paths)

    def resize(self, paths: InstancePaths, config: Config) -> None:
        disk.grow(paths.disk, config.disk)

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        common.refuse_lacking(self.missing(boot.config))
        program = common.found(KRUNKIT)
        version = version_of(program)
        common.tell_of_readonly(boot.config, report, "krunkit")
        _tell_of_kernel(boot, report)
        wiring, companions = common.wired(boot, None)
        try:
            argv = krunkit.command_line(program, krunkit_machine(boot, wiring, version), version)
            await common.start_gvproxy(boot, companions, report)
        except BaseException:
            await companions.end()
            raise
        return await launch(argv, VMType.KRUNKIT, companions, has_rest=version >= krunkit.REST)


def _tell_of_kernel(boot: Boot, report: Reporter) -> None:
    if boot.paths.kernel.exists():
        message = (
            "images[].kernel: krunkit boots by its own firmware: the disk's boot loader chooses the kernel."
        )
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))


def _problems(config: Config) -> Iterator[Problem]:
    if config.cpus > krunkit.MOST_CPUS:
        yield Problem(
            "cpus", config.cpus, "are more than krunkit's machines have", f"1 to {krunkit.MOST_CPUS}"
        )
    if config.memory > krunkit.MOST_MEMORY:
        allowed = f"at most {krunkit.MOST_MEMORY // 2**20}MiB"
        yield Problem("memory", config.memory, "bytes are more than krunkit's machines have", allowed)
    if config.additional_disks:
        message = (
            "is not for vmType krunkit, which gives a disk no serial number for the guest to find it by"
        )
        names = ", ".join(each.name for each in config.additional_disks)
        yield Problem("additionalDisks", names, message, "none, or vmType: vz")
    for index, each in enumerate(config.networks):
        if each.vz_nat:
            yield Problem(
                f"networks[{index}]", "vzNAT", "is not for vmType krunkit", "lima: NAME, socket: PATH"
            )
