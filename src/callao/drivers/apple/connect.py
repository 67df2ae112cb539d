# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.drivers.apple.connect [TARGET…] MAC``: ssh's way to a guest in macOS's own network.

A proxy command of ssh_config(5), as :mod:`callao.ssh.proxy` is; its last target is port 22 of the address
that the DHCP server has leased to the MAC address.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from callao.drivers.apple.leases import address_of, leases_file
from callao.ssh.proxy import ProxyTarget, parse, run

_SSH = 22
_PATIENCE = 15.0
"""Seconds for a connection."""


def main(argv: Sequence[str]) -> int:
    """Returns the process's exit status."""
    *others, mac_address = argv
    return run(
        [*map(parse, others), ProxyTarget(f"the lease of {mac_address}", lambda: _by_lease(mac_address))]
    )


def _by_lease(mac_address: str) -> socket.socket:
    address = address_of(mac_address, leases_file())
    if not address:
        raise OSError(f"{leases_file()} has none: the guest has no address yet")
    return socket.create_connection((address, _SSH), _PATIENCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
