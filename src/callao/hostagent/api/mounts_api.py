# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v1/mounts`` on ha.sock: lists, adds and removes shared directories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import msgspec

from callao.config import Config, MountType
from callao.config.schema import P9, Mount
from callao.errors import AgentError
from callao.hostagent.api import routes
from callao.hostagent.api.http import Request, Routes
from callao.hostagent.mounts.shares import ActiveMount, Shares


class MountRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of a POST request."""

    location: str
    mount_point: str = ""
    type: MountType | None = None
    writable: bool = False


@dataclass
class MountsApi:
    """The handlers of ``/v1/mounts``. Changes are serialized by ``lock``, because a slot is chosen and used
    in several steps with awaits in between.
    """

    shares: Shares
    config: Callable[[], Config]
    ready: Callable[[], bool]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> Routes:
        return {
            routes.LIST_MOUNTS: self._list,
            routes.ADD_MOUNT: self._add,
            routes.REMOVE_MOUNT: self._remove,
        }

    async def _list(self, _request: Request) -> list[ActiveMount]:
        return list(self.shares.mounted.values())

    async def _add(self, request: Request) -> ActiveMount:
        self._refuse_unready()
        try:
            wanted = msgspec.convert(request.body, MountRequest)
        except msgspec.ValidationError as error:
            raise AgentError(f"{' '.join(routes.ADD_MOUNT)}: {error}.") from None
        if not PurePosixPath(wanted.location).is_absolute():
            raise AgentError(f"location: {wanted.location!r} is not absolute (allowed: a path of the host).")
        point = wanted.mount_point or wanted.location
        if not PurePosixPath(point).is_absolute():
            raise AgentError(f"mountPoint: {point!r} is not absolute (allowed: a path in the guest).")
        kind = wanted.type or self._default_type()
        mount = Mount(
            location=wanted.location,
            mount_point=point,
            writable=wanted.writable,
            p9=P9(cache="mmap" if wanted.writable else "fscache"),
        )
        async with self.lock:
            return await self.shares.add(mount, kind)

    async def _remove(self, request: Request) -> ActiveMount:
        self._refuse_unready()
        async with self.lock:
            return await self.shares.remove(request.text("mountPoint"))

    def _default_type(self) -> MountType:
        """The configuration's mount type if it can be added while the machine runs, otherwise
        reverse-sshfs.
        """
        kind = self.config().mount_type
        return kind if kind in self.shares.features.hot_mount_types else MountType.REVERSE_SSHFS

    def _refuse_unready(self) -> None:
        if not self.ready():
            raise AgentError("the machine is not ready yet.", hint="Wait until it is, then try again.")
