# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared directories of a running machine: those of lima.yaml, and those that came later."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from callao.config import Config, MountType
from callao.config.schema import Mount
from callao.config.shares import DEVICE_TYPES, guest_mount, mount_tag
from callao.drivers import Features, Machine, ShareHotPlugger
from callao.errors import AgentError, CallaoError, StageFailed
from callao.events import Stage
from callao.hostagent.mounts.devices import device_share, refuse_missing
from callao.hostagent.mounts.notifier import Notifier
from callao.mounts import Share, mount_in_guest, mount_sshfs, unmount_in_guest
from callao.ssh import Client


class Mounted(msgspec.Struct, frozen=True, rename="camel"):
    """One of them; ``hot`` when it was added while the machine ran."""

    location: str
    mount_point: str
    type: MountType
    writable: bool
    hot: bool = False


@dataclass
class Shares:
    """What is mounted now, by mount point."""

    machine: Machine
    features: Features
    client: Client
    mounted: dict[str, Mounted] = field(default_factory=dict)
    streams: dict[str, Share] = field(default_factory=dict)
    """The sshfs ones, which have processes of ours."""
    notifier: Notifier | None = None
    """Where ``mountInotify`` is on."""
    wanted: dict[str, Mount] = field(default_factory=dict)
    """As each was asked for, by mount point."""

    async def mount_configured(self, config: Config) -> None:
        """Every entry of ``mounts``, in order; the guest's boot scripts have mounted the devices.

        :raises StageFailed: naming the entry that could not be mounted.
        """
        kind = config.mount_type
        for mount in config.mounts:
            if kind not in DEVICE_TYPES:
                try:
                    self.streams[mount.mount_point] = await mount_sshfs(mount, self.client)
                except AgentError as error:
                    raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error
            self.wanted[mount.mount_point] = mount
            self.mounted[mount.mount_point] = Mounted(
                mount.location, mount.mount_point, kind, mount.writable
            )
        await self._notify(config)

    async def take_on(self, config: Config) -> None:
        """The same for a machine that goes on from a saved state, which has no share in it.

        :raises StageFailed: naming the entry that could not be mounted.
        """
        for mount in config.mounts:
            try:
                await self.add(mount, config.mount_type, hot=False)
            except CallaoError as error:
                raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error
        await self._notify(config)

    async def detach(self) -> list[Mounted]:
        """Let go of everything for a moment, for :meth:`attach`: a state cannot be saved with it.

        :raises CallaoError: when one is in use in the guest; all are there again then.
        """
        gone: list[Mounted] = []
        try:
            for point in reversed(list(self.mounted)):
                gone.append(await self._remove(point))
        except CallaoError:
            await self.attach(gone)
            raise
        return gone

    async def attach(self, gone: list[Mounted]) -> None:
        """Those again, in the order in which they came."""
        for each in reversed(gone):
            await self.add(self.wanted[each.mount_point], each.type, hot=each.hot)

    async def _notify(self, config: Config) -> None:
        if config.mount_inotify:
            writable = [each for each in self.mounted.values() if each.writable]
            self.notifier = Notifier(self.client)
            await self.notifier.start([(each.location, each.mount_point) for each in writable])

    async def add(self, mount: Mount, kind: MountType, *, hot: bool = True) -> Mounted:
        """Share one more directory; whole or not at all.

        :raises CallaoError: naming what is wrong, or what the guest or the hypervisor said.
        """
        refuse_missing(mount.location, "location")
        there = self.mounted.get(mount.mount_point)
        if there is not None:
            raise AgentError(
                f"mount_point: {mount.mount_point!r} has {there.location!r} mounted already.",
                hint="Remove that mount first, or choose another mount point.",
            )
        if kind is MountType.REVERSE_SSHFS:
            self.streams[mount.mount_point] = await mount_sshfs(mount, self.client)
        else:
            await self._add_device(mount, kind)
        added = Mounted(mount.location, mount.mount_point, kind, mount.writable, hot=hot)
        self.mounted[mount.mount_point] = added
        self.wanted[mount.mount_point] = mount
        if self.notifier is not None and mount.writable:
            await self.notifier.add(mount.location, mount.mount_point)
        return added

    async def remove(self, mount_point: str) -> Mounted:
        """Unmount in the guest, then take the directory away.

        :raises CallaoError: when it is in use in the guest; then it stays as it was.
        """
        gone = await self._remove(mount_point)
        del self.wanted[mount_point]
        return gone

    async def _remove(self, mount_point: str) -> Mounted:
        there = self.mounted.get(mount_point)
        if there is None:
            known = ", ".join(self.mounted) or "none"
            raise AgentError(f"mount_point: nothing is mounted at {mount_point!r} (there are: {known}).")
        notifier = self.notifier if there.writable else None
        if notifier is not None:
            await notifier.remove(there.location, mount_point, held=there.type is MountType.P9)
        stream = self.streams.get(mount_point)
        if stream is not None:
            await stream.stop_reconnecting()
        try:
            await unmount_in_guest(mount_point, self.client)
        except CallaoError:
            if stream is not None:
                stream.reconnect_when_broken()
            if notifier is not None:
                await notifier.add(there.location, mount_point)
            raise
        if stream is not None:
            del self.streams[mount_point]
            await stream.close()
        else:
            assert isinstance(self.machine, ShareHotPlugger)
            await self.machine.unplug_share(mount_tag(self.wanted[mount_point]))
        del self.mounted[mount_point]
        return there

    def are_those_of(self, config: Config) -> bool:
        """Whether a new start with ``config`` would mount what is mounted, beside what came for now only."""
        wanted = {(each.location, each.mount_point, each.writable) for each in config.mounts}
        live = {(each.location, each.mount_point, each.writable) for each in self.mounted.values()}
        passing = {
            (each.location, each.mount_point, each.writable) for each in self.mounted.values() if each.hot
        }
        return wanted <= live and live - wanted <= passing

    async def close(self) -> None:
        """End what serves them; the machine is off, or about to be."""
        if self.notifier is not None:
            await self.notifier.close()
        for stream in self.streams.values():
            await stream.close()
        self.streams.clear()

    async def _add_device(self, mount: Mount, kind: MountType) -> None:
        machine = self.machine
        if kind not in self.features.hot_mount_types or not isinstance(machine, ShareHotPlugger):
            allowed = sorted({*self.features.hot_mount_types, MountType.REVERSE_SSHFS})
            raise AgentError(
                f"type: {kind} cannot be mounted while the machine runs (allowed: {', '.join(allowed)})."
            )
        share = device_share(mount, kind)
        await machine.plug_share(share)
        try:
            await mount_in_guest(guest_mount(mount, kind), self.client)
        except CallaoError:
            await machine.unplug_share(share.tag)
            raise
