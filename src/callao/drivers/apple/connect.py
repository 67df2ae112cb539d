# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.drivers.apple.connect MAC``: ssh's way to a guest in macOS's own network.

A proxy command of ssh_config(5): finds the guest's address among the DHCP server's leases, connects to its
sshd, and passes bytes between that and standard input and output.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

from callao.drivers.apple.leases import address_of, leases_file

_SSH = 22
_CHUNK = 1 << 16
_PATIENCE = 15.0
"""Seconds for a connection."""


def main(argv: list[str]) -> int:
    """Returns the process's exit status."""
    mac_address = argv[0]
    address = address_of(mac_address, leases_file())
    if not address:
        sys.stderr.write(f"{leases_file()} has no lease of {mac_address}: the guest has no address yet.\n")
        return 1
    try:
        peer = socket.create_connection((address, _SSH), _PATIENCE)
    except OSError as error:
        sys.stderr.write(f"{address}:{_SSH}: {error.strerror or error}\n")
        return 1
    peer.settimeout(None)
    _pass_bytes(peer)
    return 0


def _pass_bytes(peer: socket.socket) -> None:
    """Until the peer has nothing more to say; the end of our input is passed on."""
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    with selectors.DefaultSelector() as ready, peer:
        ready.register(peer, selectors.EVENT_READ)
        ready.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                try:
                    if key.fileobj is peer:
                        data = peer.recv(_CHUNK)
                        if not data:
                            return
                        _write(sink, data)
                    elif data := os.read(source, _CHUNK):
                        peer.sendall(data)
                    else:
                        ready.unregister(source)
                        peer.shutdown(socket.SHUT_WR)
                except OSError:
                    return


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
