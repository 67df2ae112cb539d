# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's end of the bench of ports: opens what it is told to, counts, and pours. Standard library only.

Control: one JSON object a line, answered by one. Data: the first byte of a connection says what for.
"""

from __future__ import annotations

import json
import socket
import sys
import threading

SIZE = 1 << 18
_FORCED = 33  # SO_RCVBUFFORCE, asm-generic/socket.h

opened: dict[int, socket.socket] = {}
datagrams: dict[int, int] = {}


def serve(connection: socket.socket) -> None:
    with connection:
        what = connection.recv(1)
        buffer = bytearray(SIZE)
        if what == b"<":
            left = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
            while left:
                left -= connection.send(memoryview(buffer)[: min(left, SIZE)])
        elif what == b">":
            count = 0
            while found := connection.recv_into(buffer):
                count += found
            connection.sendall(count.to_bytes(8, "big"))
        elif what:
            connection.sendall(what)
            connection.recv(1)  # the client leaves first


def accept(listener: socket.socket, work: object) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=work, args=(connection,), daemon=True).start()  # type: ignore[arg-type]


def count_datagrams(bound: socket.socket, port: int) -> None:
    buffer = bytearray(2048)
    while True:
        try:
            bound.recv_into(buffer)
        except OSError:
            return
        datagrams[port] += 1


def listen(kind: str, address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    near = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == "udp":
        near.setsockopt(socket.SOL_SOCKET, _FORCED, 1 << 26)
    near.bind((address, port))
    opened[port] = near
    if kind == "tcp":
        near.listen(512)
        threading.Thread(target=accept, args=(near, serve), daemon=True).start()
    else:
        datagrams[port] = 0
        threading.Thread(target=count_datagrams, args=(near, port), daemon=True).start()


def close(port: int) -> None:
    near = opened.pop(port)
    if near.type == socket.SOCK_STREAM:
        near.shutdown(socket.SHUT_RDWR)
    near.close()


def obey(connection: socket.socket) -> None:
    with connection, connection.makefile("rwb") as file:
        for line in file:
            said = json.loads(line)
            for each in said.get("listen", ()):
                listen(*each)
            for port in said.get("close", ()):
                close(port)
            file.write(json.dumps({"datagrams": datagrams}).encode() + b"\n")
            file.flush()


accept(socket.create_server(("0.0.0.0", int(sys.argv[1]))), obey)
