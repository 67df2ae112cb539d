# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration by which clients start the server. Pure."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any


class Client(enum.Enum):
    """A program that uses the server."""

    CLAUDE = "claude"
    CODEX = "codex"
    GEMINI = "gemini"
    VSCODE = "vscode"


FILES = {
    Client.CLAUDE: "a file outside of the project, for 'claude --mcp-config FILE'",
    Client.CODEX: "~/.codex/config.toml",
    Client.GEMINI: ".gemini/settings.json",
    Client.VSCODE: ".vscode/mcp.json",
}
"""Where each reads its configuration; relative paths are below the project, where the guest can write."""


def client_config(client: Client, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """The content of the client's file.

    :param name: what the client calls the server.
    :param argv: the command line that starts it.
    """
    server: dict[str, Any] = {"command": argv[0], "args": list(argv[1:])}
    if environment:
        server["env"] = dict(environment)
    match client:
        case Client.CODEX:
            return _toml(name, server)
        case Client.GEMINI:
            # The client's own tools for files and commands are off: they would work on the host.
            core = ["WebFetchTool", "WebSearchTool", "MemoryTool"]
            return _json({"mcpServers": {name: server}, "coreTools": core})
        case Client.VSCODE:
            return _json({"servers": {name: {"type": "stdio", **server}}})
        case _:
            return _json({"mcpServers": {name: {"type": "stdio", **server}}})


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _toml(name: str, server: Mapping[str, Any]) -> str:
    """JSON's strings and lists are TOML's, too."""
    key = json.dumps(name)
    lines = [f"[mcp_servers.{key}]"]
    lines += [f"{each} = {json.dumps(server[each], ensure_ascii=False)}" for each in ("command", "args")]
    if "env" in server:
        lines += ["", f"[mcp_servers.{key}.env]"]
        lines += [
            f"{json.dumps(each)} = {json.dumps(value, ensure_ascii=False)}"
            for each, value in server["env"].items()
        ]
    return "\n".join(lines) + "\n"
