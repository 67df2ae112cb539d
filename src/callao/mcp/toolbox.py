# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes requests to the guest of the client's calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callao.mcp import schemas
from callao.mcp.connection import Answer, Connection
from callao.mcp.workspace import ToolFailure, Workspace
from callao.ssh.command_line import command_line

Arguments = Mapping[str, Any]
Run = Callable[[Arguments], Awaitable[Answer]]

FILE_TIMEOUT = 60.0
"""Seconds for a tool that reads or writes files."""

_MAX_CONTENT = 32 << 20
"""Bytes of a file that is written."""


@dataclass(frozen=True)
class Limits:
    """``output``: bytes of a file or of each output of a command; ``command``: seconds that one may run."""

    output: int = 1 << 20
    command: float = 600.0


@dataclass(frozen=True)
class BoundTool:
    """A tool, and what it runs."""

    tool: schemas.Tool
    run: Run


class Toolbox:
    """The tools on one guest."""

    def __init__(self, workspace: Workspace, connection: Connection, limits: Limits) -> None:
        self._workspace = workspace
        self._connection = connection
        self._limits = limits

    def tools(self) -> list[BoundTool]:
        return [
            BoundTool(schemas.GLOB, self._glob),
            BoundTool(schemas.LIST_DIRECTORY, self._list_directory),
            BoundTool(schemas.READ_FILE, self._read_file),
            BoundTool(schemas.RUN_SHELL_COMMAND, self._run_shell_command),
            BoundTool(schemas.SEARCH_FILE_CONTENT, self._search),
            BoundTool(schemas.WRITE_FILE, self._write_file),
        ]

    async def _list_directory(self, given: Arguments) -> Answer:
        return await self._read(schemas.LIST_DIRECTORY, path=self._path(given["path"]))

    async def _read_file(self, given: Arguments) -> Answer:
        return await self._read(schemas.READ_FILE, path=self._path(given["path"]))

    async def _glob(self, given: Arguments) -> Answer:
        pattern = given["pattern"]
        base = self._base(given)
        if pattern.startswith("/"):  # an absolute path, as models write it
            base, pattern = "/", pattern.lstrip("/")
            literal = pattern.split("/")[:-1]
            while literal and not any(each in literal[0] for each in "*?[\\"):
                base = f"{base.rstrip('/')}/{literal.pop(0)}"
                pattern = pattern.split("/", 1)[1]
            base = self._path(base)
        return await self._read(schemas.GLOB, path=base, pattern=pattern)

    async def _search(self, given: Arguments) -> Answer:
        include = given.get("include") or ""
        return await self._read(
            schemas.SEARCH_FILE_CONTENT, path=self._base(given), pattern=given["pattern"], include=include
        )

    async def _write_file(self, given: Arguments) -> Answer:
        path = self._path(given["path"])
        if len(given["content"].encode("utf-8", "surrogatepass")) > _MAX_CONTENT:
            raise ToolFailure(f"content: too long (allowed: up to {_MAX_CONTENT >> 20} MiB)")
        request = self._request(
            schemas.WRITE_FILE, FILE_TIMEOUT, {"path": path, "content": given["content"]}
        )
        return await self._connection.call(request, repeatable=True)

    async def _run_shell_command(self, given: Arguments) -> Answer:
        directory = self._path(given["directory"])
        words = tuple(given["command"] or ())
        if not words:
            raise ToolFailure("command is empty")
        if any("\0" in each for each in words):
            raise ToolFailure("command: has a NUL character")
        arguments = {"path": directory, "line": command_line(words)}
        request = self._request(schemas.RUN_SHELL_COMMAND, self._limits.command, arguments)
        return await self._connection.call(request, repeatable=False)

    async def _read(self, tool: schemas.Tool, **arguments: str) -> Answer:
        return await self._connection.call(self._request(tool, FILE_TIMEOUT, arguments), repeatable=True)

    def _request(self, tool: schemas.Tool, timeout: float, arguments: Mapping[str, str]) -> dict[str, Any]:
        return {
            "tool": tool.name,
            "arguments": dict(arguments),
            "roots": list(self._workspace.roots),
            "limit": self._limits.output,
            "timeout": timeout,
        }

    def _base(self, given: Arguments) -> str:
        path = given.get("path")
        return self._workspace.base if path is None else self._path(path)

    def _path(self, path: str) -> str:
        return self._workspace.guest_path(path)
