# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest without a machine: the kernel's own network stack in a network namespace, on a stream of frames.

Runs as a program of its own, in that namespace, with the arguments SOCKET and MAC, and says its pid first.
"""

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x1002


def main(path: str, mac: str) -> None:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", b"eth0", _TAP_WITHOUT_HEADER))
    subprocess.run(["ip", "link", "set", "eth0", "address", mac, "up"], check=True)
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    while True:
        for each in select.select([tap, stream], [], [])[0]:
            if each is stream:
                length = int.from_bytes(stream.recv(4, socket.MSG_WAITALL), "big")
                if length == 0:
                    return
                os.write(tap, stream.recv(length, socket.MSG_WAITALL))
            else:
                frame = os.read(tap, 1 << 16)
                stream.sendall(len(frame).to_bytes(4, "big") + frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
