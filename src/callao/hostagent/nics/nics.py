# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of a running machine: those of lima.yaml, also after it has changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callao import cidata
from callao.cancellation import cancel_and_wait
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

_GUEST_TIMEOUT = 180.0
"""Seconds for the guest to configure an interface; an emulated one needs two, on a busy host a minute."""

_RETRY_DELAY = 1.0
"""Seconds until the second try to be in a network again; each further delay is twice as long."""

_MAX_RETRY_DELAY = 15.0
"""Seconds between two tries at most."""

_FIRST_DELAY = 0.1
"""Seconds before the first of them, which is enough for a daemon that closes each connection at once."""


@dataclass
class _AttachedNic:
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
    names_changed: Callable[[Mapping[str, str]], None]
    """Told the names of all instances in the networks, each time that they have changed."""
    attached: dict[str, _AttachedNic] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    """By interface."""
    used_vmnet: bool = False
    """Whether an interface has been on a network that socket_vmnet carries."""

    async def attach_configured(self, config: Config) -> None:
        """The interfaces of a machine that boots; its seed configures them.

        :raises CallaoError: naming the one that cannot be attached.
        """
        for network in _attached_by_host_agent(config):
            await self._attach(network, config)

    async def wait_configured(self, config: Config) -> None:
        """Wait until a machine that has booted has its interfaces as ``config`` has them.

        :raises StageFailed: naming the one that is not.
        """
        if config.plain:
            return
        for each in list(self.attached.values()):
            attachment = each.attachment
            network = each.network
            script = cidata.settle_script(network, attachment.address, attachment.prefix, attachment.gateway)
            try:
                await self._in_guest(script, f"networks: {network.interface}")
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
        wanted = {each.interface: each for each in _attached_by_host_agent(config)}
        for name, nic in list(self.attached.items()):
            if wanted.get(name) != nic.network:
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
        if self.used_vmnet:
            from callao.networks.vmnet.reconcile import stop_unused

            stop_unused(self.paths.dir.parent, self.paths.name)

    async def _attach(self, network: Network, config: Config) -> None:
        from callao.hostagent.nics.attachment import attach

        machine = self._hot_plugger(network)
        attachment = await attach(network, self.paths, config)
        nic = _AttachedNic(network, config, attachment)
        try:
            device = GuestNic(network.interface, with_colons(network.mac_address))
            await machine.plug_nic(device, attachment.stream.fileno())
        except BaseException:
            await attachment.leave()
            raise
        attachment.hand_over()
        if attachment.notice:
            journal.notice(attachment.notice)
        self.used_vmnet |= attachment.carried_by_vmnet
        self.attached[network.interface] = nic
        nic.watch = asyncio.ensure_future(self._watch(nic))

    async def _configure(self, network: Network, config: Config) -> None:
        if config.plain:
            return
        attachment = self.attached[network.interface].attachment
        script = cidata.nic_script(network, attachment.address, attachment.prefix, attachment.gateway)
        try:
            await self._in_guest(script, f"networks: {network.interface}")
        except BaseException:
            with contextlib.suppress(CallaoError):
                await self._detach(network.interface, plain=False)
            raise

    async def _detach(self, name: str, *, plain: bool) -> None:
        nic = self.attached[name]
        machine = self._hot_plugger(nic.network)
        if not plain:
            with contextlib.suppress(AgentError):
                await self._in_guest(cidata.forget_script(name), f"networks: {name}")
        await self._unwatch(nic)
        try:
            await machine.unplug_nic(name)
        except BaseException:
            nic.watch = asyncio.ensure_future(self._watch(nic))  # it stays
            raise
        del self.attached[name]
        await self._leave(nic)
        self._update_names(name, None)

    async def _leave(self, nic: _AttachedNic) -> None:
        await self._unwatch(nic)
        await nic.attachment.leave()

    async def _unwatch(self, nic: _AttachedNic) -> None:
        if nic.watch is None:
            return
        await cancel_and_wait(nic.watch)
        nic.watch = None

    async def _watch(self, nic: _AttachedNic) -> None:
        """Join again whenever the program that carries the network has gone, while the guest goes on."""
        interface = nic.network.interface
        while True:
            await nic.attachment.lost(lambda names: self._update_names(interface, names))
            journal.notice(f"networks: {interface}: what carries the network has ended; joining again.")
            await nic.attachment.leave()
            await asyncio.sleep(_FIRST_DELAY)
            await self._rejoin(nic)

    async def _rejoin(self, nic: _AttachedNic) -> None:
        from callao.hostagent.nics.attachment import reattach

        interface, delay, reported = nic.network.interface, _RETRY_DELAY, ""
        while True:
            try:
                nic.attachment = await reattach(nic.attachment, nic.network, self.paths, nic.config)
                machine = self._hot_plugger(nic.network)
                await machine.relink_nic(interface, nic.attachment.stream.fileno())
                nic.attachment.hand_over()
                if nic.attachment.notice:
                    journal.notice(nic.attachment.notice)
                break
            except (CallaoError, OSError) as error:  # the latter: as of a full disk
                if str(error) != reported:
                    reported = str(error)
                    journal.notice(f"networks: {interface}: joining again: {error}")
                await nic.attachment.leave()
                await asyncio.sleep(delay)
                delay = min(2 * delay, _MAX_RETRY_DELAY)

    def _update_names(self, interface: str, names: dict[str, str] | None) -> None:
        if names is None:
            self.names.pop(interface, None)
        else:
            self.names[interface] = names
        self.names_changed({name: target for each in self.names.values() for name, target in each.items()})

    def _hot_plugger(self, network: Network) -> NicHotPlugger:
        takes_any = self.features.hot_nics or self.features.boot_nics
        if not takes_any or not isinstance(self.machine, NicHotPlugger):
            raise AgentError(
                f"networks: {network.interface}: a {self.features.vm_type} machine takes and loses no "
                "network interface while it runs.",
                hint="Stop the instance first.",
            )
        return self.machine

    async def _in_guest(self, script: str, what: str) -> None:
        await run_as_root(self.client, script, what, _GUEST_TIMEOUT)


def _attached_by_host_agent(config: Config) -> list[Network]:
    """Without those that are in macOS's own network: the hypervisor connects them to it."""
    return [each for each in config.networks if not each.vz_nat]
