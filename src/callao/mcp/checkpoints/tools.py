# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools checkpoint, undo and diff."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import time
from collections.abc import Sequence

from callao.mcp.checkpoints.checkpoints import Checkpoints
from callao.mcp.connection import Answer
from callao.mcp.schemas import CHECKPOINT, DIFF, UNDO
from callao.mcp.toolbox import Arguments, BoundTool
from callao.printable import printable

_MAX_PATHS = 1000
"""Paths in one answer."""


def with_checkpoints(tools: Sequence[BoundTool], checkpoints: Checkpoints) -> list[BoundTool]:
    """The tools, with a checkpoint before each batch of changes, and the tools for checkpoints."""
    return [
        *(_guarded(each, checkpoints) if each.tool.changes else each for each in tools),
        BoundTool(CHECKPOINT, _Checkpoint(checkpoints).run),
        BoundTool(DIFF, _Diff(checkpoints).run),
        BoundTool(UNDO, _Undo(checkpoints).run),
    ]


def _guarded(bound: BoundTool, checkpoints: Checkpoints) -> BoundTool:
    async def run(given: Arguments) -> Answer:
        before = await checkpoints.before_change()
        try:
            result, notices = await bound.run(given)
        finally:
            checkpoints.after_change()
        return result, [*before, *notices]

    return BoundTool(bound.tool, run)


class _Checkpoint:
    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    async def run(self, given: Arguments) -> Answer:
        begun = time.monotonic()
        made, notices = await self._checkpoints.make(given.get("name") or "")
        files = sum(len(each.entries) for each in made.listings.values())
        seconds = round(time.monotonic() - begun, 3)
        result = {"checkpoint": made.name, "files": files, "machine": bool(made.tag), "seconds": seconds}
        return result, notices


class _Diff:
    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    async def run(self, given: Arguments) -> Answer:
        checkpoint, found = await self._checkpoints.differences(given.get("checkpoint") or "")
        shown = [{"path": printable(each.path), "change": each.what} for each in found[:_MAX_PATHS]]
        return {"checkpoint": checkpoint.name, "changes": shown}, _cut(len(found))


class _Undo:
    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    async def run(self, given: Arguments) -> Answer:
        begun = time.monotonic()
        checkpoint, restored, notices = await self._checkpoints.undo(given.get("checkpoint") or "")
        seconds = round(time.monotonic() - begun, 3)
        shown = [printable(each) for each in restored[:_MAX_PATHS]]
        result = {"checkpoint": checkpoint.name, "restored": shown, "seconds": seconds}
        return result, [*notices, *_cut(len(restored))]


def _cut(count: int) -> list[str]:
    return [f"cut: the first {_MAX_PATHS} of {count} paths"] if count > _MAX_PATHS else []
