# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that was copied while it ran, told who it is: the first thing that it hears."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
import uuid
from collections.abc import Mapping

from callao.errors import StageFailed
from callao.events import Stage
from callao.guest.frames import Decoder, FrameError, encode
from callao.instances import InstancePaths

_PATIENCE = 60.0
"""Seconds for the guest to answer; an emulated one needs half a second."""

_ONCE = 20.0
"""Seconds to wait for one answer."""

_PAUSE = 0.1
"""Seconds before the channel is tried again."""


class Newcomer:
    """A copy that is about to go on. The channel is open before it does: to it, the host never left."""

    def __init__(self, paths: InstancePaths, hostname: str, instance_id: str) -> None:
        self._paths = paths
        self._wanted = {
            "hostname": hostname,
            "machine_id": uuid.uuid4().hex,
            "instance_id": instance_id,
            "host_key_pub": paths.host_key_pub.read_text(encoding="ascii").strip(),
        }
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def meet(self) -> None:
        """:raises OSError: when there is no channel."""
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._paths.ga_sock))

    async def introduce(self) -> None:
        """Have the guest take its own name, numbers, host key and time; returns when it says that it has.

        :raises StageFailed: when it does not, or cannot.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._told()
        except TimeoutError:
            raise _failed(f"the guest's program did not answer within {_PATIENCE:.0f} s.") from None
        if answer.get("error"):
            raise _failed(f"the guest could not take its identity: {answer['error']}.")
        wrong = [key for key, value in self._wanted.items() if answer.get(key) != value]
        if wrong:
            raise _failed(f"the guest still has another's {', '.join(wrong)}.")

    async def _told(self) -> Mapping[str, object]:
        """Once is enough for a guest that listened when it was saved; one that did not is told again."""
        while True:
            with contextlib.suppress(OSError, FrameError, EOFError, TimeoutError):
                async with asyncio.timeout(_ONCE):
                    return await self._converse()
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(OSError):
                await self.meet()

    async def _converse(self) -> Mapping[str, object]:
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
