# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from pathlib import Path

import pytest

from callao.guest.listeners.socket_counts import SocketCounts, parse_counts

TABLE = b"""sockets: used 120
TCP: inuse 4 orphan 0 tw 7 alloc 6 mem 1
UDP: inuse 3 mem 2
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
"""


def test_of_the_table_only_what_is_in_use_counts():
    assert parse_counts(TABLE) == [b"4", b"3"]
    assert parse_counts(b"TCP6: inuse 2\nUDP6: inuse 1\nRAW6: inuse 1\n") == [b"2", b"1"]


def test_memory_and_what_has_gone_are_no_reason(tmp_path: Path):
    table = tmp_path / "sockstat"
    table.write_bytes(TABLE)
    parse_counts = SocketCounts((str(table), str(tmp_path / "absent")))
    parse_counts.save()
    table.write_bytes(TABLE.replace(b"tw 7", b"tw 9").replace(b"mem 2", b"mem 5").replace(b"120", b"150"))
    assert not parse_counts.changed()
    table.write_bytes(TABLE.replace(b"UDP: inuse 3", b"UDP: inuse 4"))
    assert parse_counts.changed()
    parse_counts.save()
    assert not parse_counts.changed()
    parse_counts.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_this_kernel_counts_a_new_one(family: int, kind: int):
    """Others may come and go meanwhile: so one is tried until it alone made the difference."""
    parse_counts = SocketCounts()
    for _ in range(50):
        parse_counts.save()
        before = not parse_counts.changed()
        with socket.socket(family, kind) as new:
            new.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                new.listen()
            if before and parse_counts.changed():
                break
    else:
        pytest.fail("never seen")
    parse_counts.close()
