# SPDX-License-Identifier: GPL-3.0-or-later
"""The server for the Model Context Protocol: files and commands of a guest as tools for coding agents.

Only :mod:`callao.mcp.protocol` and what it serves import the ``mcp`` library, the extra ``callao[mcp]``.
"""
