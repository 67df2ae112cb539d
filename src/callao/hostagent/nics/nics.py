# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of a running machine: those of lima.yaml, also after it has changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callao import cidata
from callao.config import Config
from callao.config.addresses import with_colons
from callao.config.schema import Network
from callao.drivers import Features, GuestNic, Machine, NicHotPlugger
from callao.errors import AgentError, CallaoError, StageFailed
from callao.events import Stage
from callao.hostagent import journal
from callao.hostagent.guest_root import run_as_root
from callao.instances import InstancePaths
from callao.ssh import Client

if TYPE_CHECKING:
    from callao.hostagent.nics.attachment import Attachment  # loaded where there is a network

_PATIENCE = 180.0
"""Seconds for the guest to configure an interface; an emulated one needs two, on a busy host a minute."""

_PAUSE = 1.0
"""Seconds until the second try to be in a network again; each further pause is twice as long."""

_LONGEST_PAUSE = 15.0
"""Seconds between two tries at most."""

_SHORT_PAUSE = 0.1
"""Seconds before the first of them, which is enough for a daemon that closes each connection at once."""


@dataclass
class _Attached:
    network: Network
    config: Config
    attachment: Attachment
    watch: asyncio.Task[None] | None = None


@dataclass
class Nics:
    """What is attached now, by the guest's names for the interfaces."""

    machine: Machine
    features: Features
    client: Client
    paths: InstancePaths
    renamed: Callable[[Mapping[str, str]], None]
    """Told the names of all instances in the networks, each time that they have changed."""
    attached: dict[str, _Attached] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    """By interface."""
    on_vmnet: bool = False
    """Whether an interface has been on a network that socket_vmnet carries."""

    async def attach_configured(self, config: Config) -> None:
        """The interfaces of a machine that boots; its seed configures them.

        :raises CallaoError: naming the one that cannot be attached.
        """
        for network in _of_ours(config):
            await self._attach(network, config)

    async def wait_configured(self, config: Config) -> None:
        """Wait until a machine that has booted has its interfaces as ``config`` has them.

        :raises StageFailed: naming the one that is not.
        """
        if config.plain:
            return
        for each in list(self.attached.values()):
            at = each.attachment
            script = cidata.settle_script(each.network, at.address, at.prefix, at.gateway)
            try:
                await self._in_guest(script, f"networks: {each.network.interface}")
            except AgentError as error:
                raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error

    async def apply_after_restore(self, config: Config) -> None:
        """The interfaces of a machine that goes on from a saved state, which has none in it.

        :raises StageFailed: naming the one that cannot be attached.
        """
        try:
            await self.apply_config(config)
        except CallaoError as error:
            raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error

    async def apply_config(self, config: Config) -> None:
        """Attach and detach, so that the machine has what ``config`` lists.

        :raises CallaoError: naming the interface, and what the guest or the hypervisor said.
        """
        wanted = {each.interface: each for each in _of_ours(config)}
        for name, there in list(self.attached.items()):
            if wanted.get(name) != there.network:
                await self._detach(name, plain=config.plain)
        for name, network in wanted.items():
            if name not in self.attached:
                await self._attach(network, config)
                await self._configure(network, config)

    async def detach(self) -> None:
        """Let go of all for a moment: a state cannot be saved with them."""
        for name in list(self.attached):
            await self._detach(name, plain=True)

    async def close(self) -> None:
        """Leave all networks; the machine is off, or about to be."""
        for each in self.attached.values():
            await self._leave(each)
        self.attached.clear()
        if self.on_vmnet:
            from callao.networks.vmnet.reconcile import stop_unused

            stop_unused(self.paths.dir.parent, self.paths.name)

    async def _attach(self, network: Network, config: Config) -> None:
        from callao.hostagent.nics.attachment import attach

        machine = self._plugger(network)
        attachment = await attach(network, self.paths, config)
        there = _Attached(network, config, attachment)
        try:
            nic = GuestNic(network.interface, with_colons(network.mac_address))
            await machine.plug_nic(nic, attachment.stream.fileno())
        except BaseException:
            await attachment.leave()
            raise
        attachment.hand_over()
        if attachment.notice:
            journal.notice(attachment.notice)
        self.on_vmnet |= attachment.by_vmnet
        self.attached[network.interface] = there
        there.watch = asyncio.ensure_future(self._watch(there))

    async def _configure(self, network: Network, config: Config) -> None:
        if config.plain:
            return
        at = self.attached[network.interface].attachment
        script = cidata.nic_script(network, at.address, at.prefix, at.gateway)
        try:
            await self._in_guest(script, f"networks: {network.interface}")
        except BaseException:
            with contextlib.suppress(CallaoError):
                await self._detach(network.interface, plain=False)
            raise

    async def _detach(self, name: str, *, plain: bool) -> None:
        there = self.attached[name]
        machine = self._plugger(there.network)
        if not plain:
            with contextlib.suppress(AgentError):
                await self._in_guest(cidata.forget_script(name), f"networks: {name}")
        await self._unwatch(there)
        try:
            await machine.unplug_nic(name)
        except BaseException:
            there.watch = asyncio.ensure_future(self._watch(there))  # it stays
            raise
        del self.attached[name]
        await self._leave(there)
        self._rename(name, None)

    async def _leave(self, there: _Attached) -> None:
        await self._unwatch(there)
        await there.attachment.leave()

    async def _unwatch(self, there: _Attached) -> None:
        if there.watch is None:
            return
        there.watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await there.watch
        there.watch = None

    async def _watch(self, there: _Attached) -> None:
        """Join again whenever the program that carries the network has gone, while the guest goes on."""
        interface = there.network.interface
        while True:
            await there.attachment.lost(lambda names: self._rename(interface, names))
            journal.notice(f"networks: {interface}: what carries the network has ended; joining again.")
            await there.attachment.leave()
            await asyncio.sleep(_SHORT_PAUSE)
            await self._rejoin(there)

    async def _rejoin(self, there: _Attached) -> None:
        from callao.hostagent.nics.attachment import attach_again

        interface, pause = there.network.interface, _PAUSE
        while True:
            try:
                there.attachment = await attach_again(
                    there.attachment, there.network, self.paths, there.config
                )
                machine = self._plugger(there.network)
                await machine.relink_nic(interface, there.attachment.stream.fileno())
                there.attachment.hand_over()
                if there.attachment.notice:
                    journal.notice(there.attachment.notice)
                break
            except (CallaoError, OSError) as error:  # the latter: as of a full disk
                if pause == _PAUSE:
                    journal.notice(f"networks: {interface}: joining again: {error}")
                await there.attachment.leave()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _rename(self, interface: str, names: dict[str, str] | None) -> None:
        if names is None:
            self.names.pop(interface, None)
        else:
            self.names[interface] = names
        self.renamed({name: target for each in self.names.values() for name, target in each.items()})

    def _plugger(self, network: Network) -> NicHotPlugger:
        takes_any = self.features.hot_nics or self.features.boot_nics
        if not takes_any or not isinstance(self.machine, NicHotPlugger):
            raise AgentError(
                f"networks: {network.interface}: a {self.features.vm_type} machine takes and loses no "
                "network interface while it runs.",
                hint="Stop the instance first.",
            )
        return self.machine

    async def _in_guest(self, script: str, what: str) -> None:
        await run_as_root(self.client, script, what, _PATIENCE)


def _of_ours(config: Config) -> list[Network]:
    """Without those that are in macOS's own network: the hypervisor connects them to it."""
    return [each for each in config.networks if not each.vz_nat]
