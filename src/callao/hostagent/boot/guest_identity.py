# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a guest that was restored from another machine's memory its own identity, before anything else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from callao.errors import StageFailed
from callao.events import Stage
from callao.guest.frames import Decoder, FrameError, encode
from callao.instances import InstancePaths

if TYPE_CHECKING:
    from callao.drivers.base import OpenChannel

_PATIENCE = 60.0
"""Seconds for the guest to answer; an emulated one needs half a second."""

_ONCE = 20.0
"""Seconds to wait for one answer before the message is sent again."""

_PAUSE = 0.1
"""Seconds before the channel is opened again."""


class RestoredGuest:
    """A restored guest that is still paused. The channel is opened before the guest resumes, because the
    guest program was saved with an open channel."""

    def __init__(
        self,
        paths: InstancePaths,
        open_channel: OpenChannel,
        hostname: str,
        instance_id: str,
    ) -> None:
        self._paths = paths
        self._open_channel = open_channel
        self._wanted = {
            "hostname": hostname,
            "machine_id": uuid.uuid4().hex,
            "instance_id": instance_id,
            "host_key_pub": paths.host_key_pub.read_text(encoding="ascii").strip(),
        }
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """:raises OSError: when there is no channel."""
        self._reader, self._writer = await self._open_channel()

    async def set_identity(self) -> None:
        """Send hostname, machine id, instance id, host key and time; returns when the guest has
        confirmed them.

        :raises StageFailed: when it does not, or cannot.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._identity_set()
        except TimeoutError:
            raise _failed(f"the guest's program did not answer within {_PATIENCE:.0f} s.") from None
        if answer.get("error"):
            raise _failed(f"the guest could not take its identity: {answer['error']}.")
        wrong = [key for key, value in self._wanted.items() if answer.get(key) != value]
        if wrong:
            raise _failed(f"the guest still has another's {', '.join(wrong)}.")

    async def _identity_set(self) -> Mapping[str, object]:
        """Send the message, again where no answer comes: the guest program may not have been reading when it
        was saved."""
        while True:
            with contextlib.suppress(OSError, FrameError, EOFError, TimeoutError):
                async with asyncio.timeout(_ONCE):
                    return await self._send_identity()
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(OSError):
                await self.connect()

    async def _send_identity(self) -> Mapping[str, object]:
        assert self._reader is not None
        assert self._writer is not None
        with contextlib.closing(self._writer):
            secret = {
                "host_key": self._paths.host_key.read_text(encoding="ascii"),
                "entropy": base64.b64encode(os.urandom(256)).decode(),
                "now": time.time_ns(),
            }
            decoder = Decoder()
            self._writer.write(encode({"type": "become", **secret, **self._wanted}))
            while data := await self._reader.read(1 << 16):
                for said in decoder.feed(data):
                    if isinstance(said, dict) and said.get("type") == "became":
                        return said
            raise EOFError


def _failed(message: str) -> StageFailed:
    return StageFailed(message, stage=Stage.IDENTITY)
