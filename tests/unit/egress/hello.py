# SPDX-License-Identifier: GPL-3.0-or-later
"""First bytes of TLS clients, as OpenSSL sends them."""

from __future__ import annotations

import contextlib
import ssl


def client_hello(name: str | None, *protocols: str) -> bytes:
    """What a TLS client sends first."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(protocols)
    context.check_hostname = False
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of ``size`` bytes each."""
    body = hello[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2, "big") + part for part in parts)
