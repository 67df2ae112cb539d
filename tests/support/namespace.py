# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace that plays another machine. Needs root."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address


@contextmanager
def network_namespace() -> Iterator[tuple[str, str]]:
    """A namespace's name and its address, reachable from here; both ends of the cable go with it."""
    number = secrets.randbelow(2**14)
    name, near, far = f"callao-{number}", f"cl{number}a", f"cl{number}b"
    net = IPv4Address("198.18.0.0") + 4 * number  # RFC 2544's, of which nobody else's traffic is

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        ip("address", "add", f"{net + 1}/30", "dev", near)
        ip("link", "set", near, "up")
        for words in (["address", "add", f"{net + 2}/30", "dev", far], ["link", "set", far, "up"]):
            ip("-n", name, *words)
        ip("-n", name, "link", "set", "lo", "up")
        yield name, str(net + 2)
    finally:
        ip("netns", "delete", name)
