# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports of the host are free, and which process holds one that is not."""

from __future__ import annotations

import socket

from callao import system

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def is_free(proto: str, address: str, port: int) -> bool:
    """Whether ``port`` can be bound now, with the socket options of the hypervisor."""
    with socket.socket(_family(address), _KINDS[proto]) as probe:
        if proto == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            if proto == "tcp":
                probe.listen(1)
        except OSError:
            return False
    return True


def any_free(proto: str = "tcp", address: str = "127.0.0.1") -> int:
    """A free port, chosen by the kernel."""
    with socket.socket(_family(address), _KINDS[proto]) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def port_holder(proto: str, port: int) -> str:
    """The process that holds the port, as ``nginx (pid 812)``; empty where the system does not show it."""
    import psutil

    try:
        connections = psutil.net_connections(kind=proto)
    except psutil.Error:
        return ""
    for connection in connections:
        listening = proto == "udp" or connection.status == psutil.CONN_LISTEN
        if connection.laddr and connection.laddr.port == port and listening and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return ""


def unavailable_reason(proto: str, address: str, port: int) -> str:
    """The reason why ``port`` is not available, for a message; empty when it is available."""
    if is_free(proto, address, port):
        return ""
    who = port_holder(proto, port)
    if who:
        return f"{proto} port {port} on {address} is taken by {who}"
    if 0 < port < 1024 and system.uid() != 0:
        return f"{proto} port {port} is privileged, and not ours to bind"
    return f"{proto} port {port} on {address} is taken, or not ours to bind"
