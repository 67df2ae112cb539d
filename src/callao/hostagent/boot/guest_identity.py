# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a guest that was restored from another machine's memory an identity of its own."""

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

_TIMEOUT = 60.0
"""Seconds for the guest to confirm; an emulated one needs half a second."""

_ATTEMPT_TIMEOUT = 20.0
"""Seconds to wait for one answer before the message is sent again."""

_RECONNECT_DELAY = 0.1
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
        self._identity = {
            "hostname": hostname,
            "machine_id": uuid.uuid4().hex,
            "instance_id": instance_id,
            "host_key_pub": paths.host_key_pub.read_text(encoding="ascii").strip(),
        }
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """:raises OSError: when the channel cannot be opened."""
        self._reader, self._writer = await self._open_channel()

    async def set_identity(self) -> None:
        """Send hostname, machine id, instance id, host key and time; returns when the guest has confirmed
        them.

        :raises StageFailed: when the guest does not confirm them, or reports an error.
        """
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._send_until_answered()
        except TimeoutError:
            raise _failed(f"the guest's program did not answer within {_TIMEOUT:.0f} s.") from None
        if answer.get("error"):
            raise _failed(f"the guest could not take its identity: {answer['error']}.")
        mismatched = [key for key, value in self._identity.items() if answer.get(key) != value]
        if mismatched:
            raise _failed(f"the guest still has another's {', '.join(mismatched)}.")

    async def _send_until_answered(self) -> Mapping[str, object]:
        """Send the message until it is answered: the guest program may not have been reading when it was
        saved.
        """
        while True:
            with contextlib.suppress(OSError, FrameError, EOFError, TimeoutError):
                async with asyncio.timeout(_ATTEMPT_TIMEOUT):
                    return await self._send_identity()
            await asyncio.sleep(_RECONNECT_DELAY)
            with contextlib.suppress(OSError):
                await self.connect()

    async def _send_identity(self) -> Mapping[str, object]:
        assert self._reader is not None
        assert self._writer is not None
        with contextlib.closing(self._writer):
            secrets = {
                "host_key": self._paths.host_key.read_text(encoding="ascii"),
                "entropy": base64.b64encode(os.urandom(256)).decode(),
                "now": time.time_ns(),
            }
            decoder = Decoder()
            self._writer.write(encode({"type": "become", **secrets, **self._identity}))
            while data := await self._reader.read(1 << 16):
                for message in decoder.feed(data):
                    if isinstance(message, dict) and message.get("type") == "became":
                        return message
            raise EOFError


def _failed(message: str) -> StageFailed:
    return StageFailed(message, stage=Stage.IDENTITY)
