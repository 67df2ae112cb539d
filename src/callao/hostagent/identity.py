# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that was copied while it ran, told who it is: the first thing that it hears."""

from __future__ import annotations

import asyncio
import base64
import os
import time
import uuid
from pathlib import Path
from typing import Any

from callao.errors import StageFailed
from callao.events import Stage
from callao.guest.frames import PROTOCOL, Decoder, FrameError, encode
from callao.instances import InstancePaths

_PATIENCE = 60.0
"""Seconds for the guest to answer; an emulated one needs half a second."""

_PAUSE = 0.1
"""Seconds before the channel is tried again."""


async def give_identity(paths: InstancePaths, hostname: str, instance_id: str) -> None:
    """Have the guest take its own name, numbers, host key and time; returns when it says that it has.

    :raises StageFailed: when it does not, or cannot.
    """
    wanted = {
        "hostname": hostname,
        "machine_id": uuid.uuid4().hex,
        "instance_id": instance_id,
        "host_key_pub": paths.host_key_pub.read_text(encoding="ascii").strip(),
    }
    private = paths.host_key.read_text(encoding="ascii")
    entropy = base64.b64encode(os.urandom(256)).decode()
    secret = {"type": "become", "host_key": private, "entropy": entropy}
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await _ask(paths.ga_sock, {**secret, **wanted})
    except TimeoutError:
        raise _failed(f"the guest's program did not answer within {_PATIENCE:.0f} s.") from None
    if answer.get("error"):
        raise _failed(f"the guest could not take its identity: {answer['error']}.")
    wrong = [key for key, value in wanted.items() if answer.get(key) != value]
    if wrong:
        raise _failed(f"the guest still has another's {', '.join(wrong)}.")


def _failed(message: str) -> StageFailed:
    return StageFailed(message, stage=Stage.IDENTITY)


async def _ask(socket: Path, message: dict[str, object]) -> dict[str, Any]:
    while True:
        try:
            return await _converse(socket, message)
        except (OSError, FrameError, EOFError):
            await asyncio.sleep(_PAUSE)


async def _converse(socket: Path, message: dict[str, object]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    decoder = Decoder()
    try:
        writer.write(encode({"type": "hello", "protocol": PROTOCOL}))
        while data := await reader.read(1 << 16):
            for said in decoder.feed(data):
                if not isinstance(said, dict):
                    continue
                if said.get("type") == "hello":
                    writer.write(encode({**message, "now": time.time_ns()}))
                elif said.get("type") == "became":
                    return said
        raise EOFError
    finally:
        writer.close()
