# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools as a server of the ``mcp`` library."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from callao import __version__
from callao.mcp.schemas import Tool
from callao.mcp.toolbox import BoundTool
from callao.mcp.workspace import ToolFailure
from callao.printable import printable

_log = logging.getLogger(__name__)

_NAME = "lima"
"""The name of Lima's server, by which its clients know it."""

_TITLE = "Commands and files of a virtual machine"

_INSTRUCTIONS = (
    "These tools run commands and use files in a Linux virtual machine, not on the user's own machine. "
    "Prefer them for whatever may run code that is not trusted: builds, tests, package managers. "
    "Paths are those of the virtual machine; allowed are: {roots}."
)

Context = ServerRequestContext[Any]


def server(tools: Sequence[BoundTool], roots: Sequence[str]) -> Server[Any]:
    """The server; it is run over a transport by the caller."""
    by_name = {each.tool.name: each for each in tools}
    validators = {name: _validator(each.tool) for name, each in by_name.items()}

    async def list_tools(_context: Context, _params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=described([each.tool for each in tools]))

    async def call_tool(_context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        bound = by_name.get(params.name)
        if bound is None:
            raise MCPError(types.INVALID_PARAMS, f'unknown tool "{printable(params.name)}"')
        arguments = params.arguments or {}
        if wrong := jsonschema.exceptions.best_match(validators[params.name].iter_errors(arguments)):
            return _failure(f'validating "arguments": {_path(wrong)}{wrong.message}')
        try:
            result, notices = await bound.run(arguments)
        except ToolFailure as error:
            return _failure(str(error))
        except Exception as error:
            _log.exception("tool %s failed", params.name)
            return _failure(f"internal error: {type(error).__name__}: {error}")
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        content = [types.TextContent(text=each) for each in (text, *notices)]
        return types.CallToolResult(content=[*content], structured_content=result)

    return Server(
        _NAME,
        version=f"v{__version__}",
        title=_TITLE,
        instructions=_INSTRUCTIONS.format(roots=", ".join(roots)),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def described(tools: Sequence[Tool]) -> list[types.Tool]:
    """The tools as ``tools/list`` gives them, sorted by name."""
    return [
        types.Tool(
            name=each.name,
            description=each.description,
            input_schema=each.input,
            output_schema=each.output,
        )
        for each in sorted(tools)
    ]


def _validator(tool: Tool) -> Any:
    return jsonschema.Draft202012Validator(tool.input)


def _path(error: Any) -> str:
    names: Sequence[object] = list(error.absolute_path)
    return f"{'.'.join(map(str, names))}: " if names else ""


def _failure(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)


def completed(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of ``initialize`` with what Lima's server does not ask for: who the client is."""
    return {"capabilities": {}, "clientInfo": {"name": "unknown", "version": ""}, **(params or {})}
