# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared directories of a booted guest."""

from __future__ import annotations

from callao.config import Config
from callao.errors import AgentError, StageFailed
from callao.events import Stage
from callao.mounts import Share, mount_sshfs
from callao.ssh import Client


async def mount_all(config: Config, client: Client) -> list[Share]:
    """Mount every entry of ``mounts``, in order; all or none.

    :raises StageFailed: naming the entry that could not be mounted.
    """
    shares: list[Share] = []
    try:
        for mount in config.mounts:
            shares.append(await mount_sshfs(mount, client))
    except AgentError as error:
        for share in shares:
            await share.close()
        raise StageFailed(error.message, stage=Stage.MOUNTS, hint=error.hint) from error
    return shares
