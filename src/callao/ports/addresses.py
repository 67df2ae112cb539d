# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as text. Pure."""

from __future__ import annotations


def join_host_port(host: str, port: int) -> str:
    """In the format of Go's net.JoinHostPort: an IPv6 address has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
