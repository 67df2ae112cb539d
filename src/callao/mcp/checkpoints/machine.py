# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of the machine that belong to checkpoints."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callao.mcp.workspace import ToolFailure


class Machine(Protocol):
    """What can be saved and restored; each raises ToolFailure with the reason."""

    async def take(self, tag: str) -> None: ...

    async def apply(self, tag: str) -> None: ...

    async def delete(self, tag: str) -> None: ...


@dataclass(frozen=True)
class InstanceMachine:
    """The machine of an instance. The engine runs in a process of its own, as it is for one thread."""

    home: Path
    name: str

    async def take(self, tag: str) -> None:
        await self._run("create", tag)

    async def apply(self, tag: str) -> None:
        await self._run("apply", tag)

    async def delete(self, tag: str) -> None:
        await self._run("delete", tag)

    async def _run(self, verb: str, tag: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "callao.cli.main", "snapshot", verb, self.name, "--tag", tag,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LIMA_HOME": str(self.home)},
            start_new_session=True,
        )  # fmt: skip
        _, message = await process.communicate()
        if process.returncode != 0:
            lines = message.decode(errors="replace").strip().splitlines()
            reason = next((each for each in lines if each.startswith("callao: ")), "no reason is known")
            raise ToolFailure(reason.removeprefix("callao: "))
