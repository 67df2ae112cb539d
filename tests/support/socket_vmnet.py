# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for socket_vmnet: its options, its pid file, and its framing; every frame goes to all others.

Runs as a program of its own, with the standard library alone. While the file ``failures`` beside it holds a
number above 0, it ends with 1 and counts it down: vmnet.framework does so for a while after a boot.
"""

import argparse
import grp
import os
import select
import socket
import sys
from pathlib import Path

FRAME_LIMIT = 64 * 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    for option in ("pidfile", "socket-group", "vmnet-mode", "vmnet-gateway", "vmnet-dhcp-end", "vmnet-mask"):
        parser.add_argument(f"--{option}")
    parser.add_argument("--vmnet-interface")
    parser.add_argument("socket")
    options = parser.parse_args()
    failures = Path(sys.argv[0]).parent / "failures"
    left = int(failures.read_text()) if failures.exists() else 0
    if left:
        failures.write_text(str(left - 1))
        sys.stderr.write("vmnet_start_interface: VMNET_FAILURE\n")
        return 1
    Path(options.pidfile).write_text(f"{os.getpid()}\n")
    Path(options.socket).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(options.socket)
    os.chown(options.socket, -1, grp.getgrnam(options.socket_group).gr_gid)
    Path(options.socket).chmod(0o770)
    server.listen()
    serve(server)
    return 0


def serve(server: socket.socket) -> None:
    clients: list[socket.socket] = []
    while True:
        for each in select.select([server, *clients], [], [])[0]:
            if each is server:
                clients.append(server.accept()[0])
                continue
            frame = received(each)
            if not frame:
                clients.remove(each)
                continue
            for other in clients:
                if other is not each:
                    other.sendall(len(frame).to_bytes(4, "big") + frame)


def received(client: socket.socket) -> bytes:
    header = client.recv(4, socket.MSG_WAITALL)
    length = int.from_bytes(header, "big")
    return client.recv(length, socket.MSG_WAITALL) if len(header) == 4 and 0 < length <= FRAME_LIMIT else b""


if __name__ == "__main__":
    sys.exit(main())
