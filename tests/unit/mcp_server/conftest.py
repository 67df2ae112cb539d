# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools on a directory of this machine: a local shell stands for the guest's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from callao.mcp.connection import Connection
from callao.mcp.toolbox import Limits, Toolbox
from callao.mcp.workspace import ToolFailure, Workspace

T = TypeVar("T")


class LocalGuest:
    """Runs the guest's program here, as a user without a login script."""

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["env", "HOME=/nonexistent", *command]


@dataclass
class Tools:
    """The tools, called one after the other; all share one connection."""

    runner: asyncio.Runner
    connection: Connection
    root: Path
    limits: Limits = field(default_factory=lambda: Limits(output=4096, command=20.0))
    notices: list[str] = field(default_factory=list)

    def wait(self, call: Awaitable[T]) -> T:
        async def waited() -> T:
            return await call

        return self.runner.run(waited())

    async def start(self, tool: str, **arguments: Any) -> dict[str, Any]:
        workspace = Workspace((str(self.root),), str(self.root))
        box = Toolbox(workspace, self.connection, self.limits)
        run = next(each.run for each in box.tools() if each.tool.name == tool)
        result, self.notices = await run(arguments)
        return result

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return self.wait(self.start(tool, **arguments))

    def failure(self, tool: str, **arguments: Any) -> str:
        with pytest.raises(ToolFailure) as caught:
            self(tool, **arguments)
        return str(caught.value)

    def shell(self, script: str) -> dict[str, Any]:
        return self("run_shell_command", command=["sh", "-c", script], directory=str(self.root))


@pytest.fixture(scope="package")
def local() -> Iterator[tuple[asyncio.Runner, Connection]]:
    with asyncio.Runner() as runner:

        async def made() -> Connection:
            return Connection(LocalGuest())

        connection = runner.run(made())
        yield runner, connection
        runner.run(connection.close())


@pytest.fixture
def tools(local: tuple[asyncio.Runner, Connection], tmp_path: Path) -> Tools:
    """The tools, confined to ``root`` of the test's folder; ``outside`` lies beside it."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret\n")
    return Tools(*local, root)


Put = Callable[..., Path]


@pytest.fixture
def put(tools: Tools) -> Put:
    """Writes a file below the root."""

    def write(name: str, content: str | bytes = "") -> Path:
        path = tools.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
