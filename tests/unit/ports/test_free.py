# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

from callao.ports import any_free, is_free, port_holder


def test_a_listening_port_is_taken_and_its_holder_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("tcp", "127.0.0.1", port)
        assert f"pid {os.getpid()}" in port_holder("tcp", port)
    assert is_free("tcp", "127.0.0.1", port)
    assert port_holder("tcp", port) == ""


def test_a_bound_udp_port_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert not is_free("udp", "127.0.0.1", port)
        assert is_free("tcp", "127.0.0.1", port)


def test_a_free_port_can_be_bound() -> None:
    port = any_free()
    assert is_free("tcp", "127.0.0.1", port)


def test_an_address_of_another_machine_is_not_ours_to_bind() -> None:
    assert not is_free("tcp", "192.0.2.1", 8080)
