# SPDX-License-Identifier: GPL-3.0-or-later
"""The extra ``callao[mcp]``."""

from __future__ import annotations

from importlib.util import find_spec

from callao.errors import CallaoError


def require_library() -> None:
    """:raises CallaoError: when the ``mcp`` library is not installed, or is too old."""
    if find_spec("mcp") is None or find_spec("mcp_types") is None:
        raise CallaoError(
            "the MCP server needs the Python library mcp 2.3 or newer, which is not installed.",
            hint="Install the extra: pip install 'callao[mcp]'",
        )
