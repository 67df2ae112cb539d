# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of the machine that belong to checkpoints."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callao.mcp.workspace import ToolFailure


class Machine(Protocol):
    """What can be saved and restored; ``take`` and ``apply`` raise ToolFailure with the reason."""

    async def take(self, tag: str) -> None: ...

    async def apply(self, tag: str) -> None: ...

    def discard(self, tags: Sequence[str]) -> None:
        """Delete snapshots, without waiting for it."""


@dataclass(frozen=True)
class Discard:
    """Deletes snapshots in a process that outlives this one: clients kill a server soon after they have
    closed its standard input.
    """

    home: Path
    name: str

    def tags(self, tags: Sequence[str]) -> None:
        self._run("tags", *tags)

    def claim(self, path: Path) -> None:
        """Delete all checkpoints of a server, unless that runs."""
        self._run("claim", str(path))

    def _run(self, kind: str, *rest: str) -> None:
        program = [sys.executable, "-P", "-m", "callao.mcp.checkpoints.discard"]
        subprocess.Popen(
            [*program, kind, str(self.home), self.name, *rest],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@dataclass(frozen=True)
class InstanceMachine:
    """The machine of an instance. The engine runs in a process of its own, as it is for one thread."""

    home: Path
    name: str

    async def take(self, tag: str) -> None:
        await self._run("create", tag)

    async def apply(self, tag: str) -> None:
        await self._run("apply", tag)

    def discard(self, tags: Sequence[str]) -> None:
        Discard(self.home, self.name).tags(tags)

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
