# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of a machine's networks: datagram and stream sockets of unix(7), and how vfkit reads vsock's."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from support.apple.spec import Refused

MAGIC = b"VFKT"
LIMIT = 104
"""Bytes of a path on macOS, with the closing NUL."""
AS_IT_IS = re.compile(r"(?:[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]]|%[0-9A-Fa-f]{2})*")


def datagrams(path: str, local: str, *, magic: bool) -> socket.socket:
    """Connected to whoever is at ``path``; answers come to ``local``.

    :raises Refused: when nobody is.
    """
    if len(os.fsencode(local)) >= LIMIT:
        raise Refused(f"unixgram path '{local}' is too long")
    with suppress(FileNotFoundError):
        Path(local).unlink()
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        end.bind(local)
        end.connect(path)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if magic:
            end.send(MAGIC)
    except OSError as error:
        end.close()
        Path(local).unlink(missing_ok=True)
        raise Refused(f"dial unixgram {path}: {error.strerror}") from None
    return end


def local_of_vfkit(path: str) -> str:
    return str(Path(path).parent / f"vfkit-{os.getpid():x}-{secrets.randbelow(0xFFFF):x}.sock")


def stream(path: str) -> socket.socket:
    """:raises Refused: when nobody listens there."""
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(path)
    except OSError as error:
        end.close()
        raise Refused(f"cannot connect to {path}: {error.strerror}") from None
    return end


def netdev(kind: str, descriptor: int) -> str:
    """QEMU's backend at a socket that is open; each frame of a stream comes after its length."""
    if kind == "unixgram":
        return f"dgram,local.type=fd,local.str={descriptor}"
    return f"stream,server=off,addr.type=fd,addr.str={descriptor}"


def connect_path_of_vfkit(url: str) -> str:
    """Where vfkit makes the socket of a ``connect`` port: ``unix://:URL`` as Go's net/url reads it.

    :raises ValueError: where vfkit warns, and goes on without.
    """
    path = _path(url)
    if not path.startswith("/"):
        raise ValueError(f"parse unix://:{url}: invalid port after host")
    return path if AS_IT_IS.fullmatch(path) else quote(unquote_to_bytes(path), safe="$&+,/:;=@")


def listen_path_of_vfkit(url: str) -> str:
    """Whom vfkit calls for a ``listen`` port: ``unix:URL`` as Go's net/url reads it.

    Empty for a relative path.
    """
    path = _path(url)
    return os.fsdecode(unquote_to_bytes(path)) if path.startswith("/") else ""


def _path(url: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise ValueError("net/url: invalid control character in URL")
    path = url.partition("#")[0].partition("?")[0]
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError("invalid URL escape")
    return path
