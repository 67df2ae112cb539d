# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared directories of a running machine: those of lima.yaml, and those added while it runs."""

from __future__ import annotations

import contextlib
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

_REATTACH_ATTEMPTS = 3
"""How often a directory is mounted again after a save: without it the guest's programs write into an empty
directory. A guest on a busy host may take longer than the time limit of one attempt.
"""


class ActiveMount(msgspec.Struct, frozen=True, rename="camel"):
    """A shared directory that is mounted; ``hot``: added while the machine runs."""

    location: str
    mount_point: str
    type: MountType
    writable: bool
    hot: bool = False


@dataclass
class Shares:
    """The shared directories that are mounted now, by mount point."""

    machine: Machine
    features: Features
    client: Client
    mounted: dict[str, ActiveMount] = field(default_factory=dict)
    sshfs_shares: dict[str, Share] = field(default_factory=dict)
    """Those of type reverse-sshfs, which have processes on the host."""
    notifier: Notifier | None = None
    """Set if ``mountInotify`` is on."""
    requested: dict[str, Mount] = field(default_factory=dict)
    """The configuration of each, by mount point."""

    async def mount_configured(self, config: Config) -> None:
        """Mount every entry of ``mounts``, in order; the guest's boot scripts have mounted the devices.

        :raises StageFailed: naming the entry that could not be mounted.
        """
        kind = config.mount_type
        for mount in config.mounts:
            if kind not in DEVICE_TYPES:
                try:
                    self.sshfs_shares[mount.mount_point] = await mount_sshfs(mount, self.client)
                except AgentError as error:
                    raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error
            self.requested[mount.mount_point] = mount
            self.mounted[mount.mount_point] = ActiveMount(
                mount.location, mount.mount_point, kind, mount.writable
            )
        await self._notify(config)

    async def apply_after_restore(self, config: Config) -> None:
        """Mount every entry of ``mounts`` after a restore: a saved state has no shares.

        :raises StageFailed: naming the entry that could not be mounted.
        """
        for mount in config.mounts:
            try:
                await self.add(mount, config.mount_type, hot=False)
            except CallaoError as error:
                raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error
        await self._notify(config)

    async def detach(self) -> list[ActiveMount]:
        """Unmount everything for a save, because a state cannot be saved with shares; :meth:`reattach`
        mounts it again.

        :raises CallaoError: when one is in use in the guest; all are mounted again then.
        """
        removed: list[ActiveMount] = []
        try:
            for point in reversed(list(self.mounted)):
                removed.append(await self._remove(point))
        except CallaoError:
            await self.reattach(removed)
            raise
        return removed

    async def reattach(self, removed: list[ActiveMount]) -> None:
        """Mount what :meth:`detach` has unmounted, in the original order.

        :raises CallaoError: for the first that could not be mounted; the others are.
        """
        problems: list[CallaoError] = []
        for each in reversed(removed):
            try:
                await self._reattach(each)
            except CallaoError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    async def _reattach(self, removed: ActiveMount) -> None:
        mount = self.requested[removed.mount_point]
        for _ in range(_REATTACH_ATTEMPTS - 1):
            with contextlib.suppress(CallaoError):
                await self.add(mount, removed.type, hot=removed.hot)
                return
        await self.add(mount, removed.type, hot=removed.hot)

    async def _notify(self, config: Config) -> None:
        if config.mount_inotify:
            writable = [each for each in self.mounted.values() if each.writable]
            self.notifier = Notifier(self.client)
            await self.notifier.start([(each.location, each.mount_point) for each in writable])

    async def add(self, mount: Mount, kind: MountType, *, hot: bool = True) -> ActiveMount:
        """Share and mount another directory; undone if a step fails.

        :raises CallaoError: naming the problem, with the guest's or the hypervisor's message.
        """
        refuse_missing(mount.location, "location")
        existing = self.mounted.get(mount.mount_point)
        if existing is not None:
            raise AgentError(
                f"mount_point: {mount.mount_point!r} has {existing.location!r} mounted already.",
                hint="Remove that mount first, or choose another mount point.",
            )
        if kind is MountType.REVERSE_SSHFS:
            self.sshfs_shares[mount.mount_point] = await mount_sshfs(mount, self.client)
        else:
            await self._add_device(mount, kind)
        added = ActiveMount(mount.location, mount.mount_point, kind, mount.writable, hot=hot)
        self.mounted[mount.mount_point] = added
        self.requested[mount.mount_point] = mount
        if self.notifier is not None and mount.writable:
            await self.notifier.add(mount.location, mount.mount_point)
        return added

    async def remove(self, mount_point: str) -> ActiveMount:
        """Unmount a directory in the guest, then remove its share.

        :raises CallaoError: when it is in use in the guest; it stays mounted then.
        """
        removed = await self._remove(mount_point)
        del self.requested[mount_point]
        return removed

    async def _remove(self, mount_point: str) -> ActiveMount:
        existing = self.mounted.get(mount_point)
        if existing is None:
            known = ", ".join(self.mounted) or "none"
            raise AgentError(f"mount_point: nothing is mounted at {mount_point!r} (there are: {known}).")
        notifier = self.notifier if existing.writable else None
        if notifier is not None:
            await notifier.remove(
                existing.location, mount_point, is_held_by_program=existing.type is MountType.P9
            )
        sshfs_share = self.sshfs_shares.get(mount_point)
        if sshfs_share is not None:
            await sshfs_share.stop_reconnecting()
        try:
            await unmount_in_guest(mount_point, self.client)
        except CallaoError:
            if sshfs_share is not None:
                sshfs_share.reconnect_when_broken()
            if notifier is not None:
                await notifier.add(existing.location, mount_point)
            raise
        if sshfs_share is not None:
            del self.sshfs_shares[mount_point]
            await sshfs_share.close()
        else:
            assert isinstance(self.machine, ShareHotPlugger)
            await self.machine.unplug_share(mount_tag(self.requested[mount_point]))
        del self.mounted[mount_point]
        return existing

    def match_config(self, config: Config) -> bool:
        """Whether a new start with ``config`` would mount what is mounted now, except for shares added while
        it runs.
        """
        requested = {(each.location, each.mount_point, each.writable) for each in config.mounts}
        mounted_now = {(each.location, each.mount_point, each.writable) for each in self.mounted.values()}
        temporary = {
            (each.location, each.mount_point, each.writable) for each in self.mounted.values() if each.hot
        }
        return requested <= mounted_now and mounted_now - requested <= temporary

    async def close(self) -> None:
        """Stop the processes on the host; the machine is off or is being stopped."""
        if self.notifier is not None:
            await self.notifier.close()
        for sshfs_share in self.sshfs_shares.values():
            await sshfs_share.close()
        self.sshfs_shares.clear()

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
