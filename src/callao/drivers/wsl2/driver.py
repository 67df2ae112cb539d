# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmType: wsl2``: a distribution of WSL2, on the Windows around the engine or on another one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from callao.atomic import make_file
from callao.config import Config, MountType, VMType
from callao.disks.layers import LayerStore
from callao.drivers.base import Boot, Features, Log, Machine
from callao.drivers.wsl2 import seed
from callao.drivers.wsl2.carrier import carrier_for
from callao.drivers.wsl2.command_line import Stdin
from callao.drivers.wsl2.distribution import Distribution, distribution_name, distribution_of
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.layers import ExportedLayers
from callao.drivers.wsl2.machine import SEED, launch
from callao.drivers.wsl2.problems import ignored, problems
from callao.drivers.wsl2.wsl_exe import PROGRAM, Wsl, exec_argv
from callao.errors import DriverError, Problem
from callao.events import Event, EventState, Reporter, Stage
from callao.guest_network import AddressSource, GuestNetwork
from callao.host import Host, lima_home
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.reflink import copy_reflink

if TYPE_CHECKING:
    from callao.images import FetchedImage  # a download has no part in running a machine

NETWORK = GuestNetwork(
    subnet="",
    guest="",
    gateway="127.0.0.1",
    dns="",
    addresses=AddressSource.NETWORK,
    gateway_is_loopback=False,
)
"""All distributions, the engine's own among them, have one network, whose addresses change with each start
of WSL's virtual machine."""


class Wsl2Driver:
    """Windows, whose programs Linux inside WSL can start."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.WSL2,
        mount_types=frozenset({MountType.WSL2}),
        honoured=frozenset({"disk"}),
        hot_mount_types=frozenset({MountType.WSL2}),
        guest_program=False,
        seed_folder=True,
        rootfs_images=True,
    )
    layers: ClassVar[LayerStore] = ExportedLayers()

    def validate(self, config: Config, host: Host) -> list[Problem]:
        return list(problems(config, host))

    def network(self, config: Config) -> GuestNetwork:  # noqa: ARG002 - the same for all
        return NETWORK

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:  # noqa: ARG002
        """By an sshd that is started for the connection: the port 22 is that of all distributions."""
        argv = carrier_for(paths.dir.parent).wrap(
            exec_argv(distribution_name(paths), ["/bin/sh", f"{SEED}/wsl-sshd.sh"]), stdin=Stdin.LIVE
        )
        return Reach(port, proxy_command=tuple(argv))

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        return (Log("the boot", paths.serial_log),)

    def missing(self, config: Config) -> list[str]:  # noqa: ARG002 - the same for all
        carrier = carrier_for(lima_home())
        if not carrier.where and shutil.which(PROGRAM) is None:
            return [
                f"vmType: wsl2 needs {PROGRAM} on PATH: run the engine inside WSL on Windows, with "
                "interop on ([interop] in /etc/wsl.conf)."
            ]
        try:
            Wsl(Interop(carrier)).version()
        except DriverError as error:
            on = f" on {carrier.where}" if carrier.where else ""
            return [f"vmType: wsl2: WSL cannot be used{on}. {error}"]
        return []

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:  # noqa: ARG002
        """Keep the tar; the first start imports it."""
        if paths.disk.exists():
            return
        try:
            make_file(paths.disk, lambda fresh: copy_reflink(image.disk, fresh))
            paths.disk.chmod(0o600)
        except OSError as error:
            raise DriverError(f"{paths.disk} cannot be written: {error.strerror or error}.") from error

    def state_files(self, paths: InstancePaths) -> tuple[Path, ...]:
        return (paths.disk,) if paths.disk.exists() else ()

    def copy_state(self, paths: InstancePaths, target: InstancePaths) -> None:
        """See :class:`callao.drivers.base.StateCopier`."""
        distribution_of(paths).export(target.disk)

    def release(self, paths: InstancePaths) -> None:
        """See :class:`callao.drivers.base.StateReleaser`."""
        distribution_of(paths).release()

    def resize(self, paths: InstancePaths, config: Config) -> None:
        """The agent does it, since it can be asked for the size only once it is imported."""

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        for words in ignored(boot.config):
            report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=words))
        distribution = distribution_of(boot.paths)
        wsl, name = distribution.wsl, distribution.name
        boot.paths.serial_log.unlink(missing_ok=True)
        try:
            notice = await asyncio.to_thread(_bring_up_to_login, distribution, boot.config.disk)
            if notice:
                report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=notice))
            return await launch(wsl, distribution.carrier, name, boot.paths)
        except DriverError:
            with contextlib.suppress(DriverError):
                await asyncio.to_thread(_stop_running, wsl, name)
            raise


def _stop_running(wsl: Wsl, name: str) -> None:
    if wsl.is_running(name):
        wsl.terminate(name)


def _bring_up_to_login(distribution: Distribution, size: int) -> str:
    notice = distribution.prepare(size)
    wsl, name, paths = distribution.wsl, distribution.name, distribution.paths
    seed.place(wsl, name, paths.cidata_folder)
    seed.set_up(wsl, name, paths.serial_log)
    return notice
