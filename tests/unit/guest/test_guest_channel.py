# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from guest_program import PATIENCE, Host

from callao.guest import host_connection, transport
from callao.guest.frames import encode
from callao.guest.host_connection import GuestState, HostConnection
from callao.guest.link import Link, LinkClosed
from callao.guest.messages import FROM_GUEST, TO_GUEST
from callao.guest.packet_filter.chains import Closed
from callao.guest.transport import UnixServer, VirtioPort, VsockServer


@contextmanager
def conversation(work: GuestState) -> Iterator[tuple[socket.socket, Host]]:
    """Our end of a channel, and who speaks there; the guest's ends when we leave."""
    near, far = socket.socketpair()
    with near, ThreadPoolExecutor(1) as threads:
        near.settimeout(PATIENCE)
        link = Link(far.detach())
        ending = threads.submit(HostConnection(link, work).run)
        yield near, Host(near)
        near.close()
        with pytest.raises(LinkClosed):
            ending.result(PATIENCE)
        link.close()


def test_the_rest_of_a_frame_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(host_connection, "PARTIAL_FRAME_TIMEOUT", 0.0)
    with conversation(GuestState()) as (near, host):
        near.sendall(encode({"type": "ping"})[:-3])
        assert "frame" in host.expect("log")["message"]
        host.send(type="ping", id=1)
        assert host.expect("pong")["id"] == 1


def test_a_message_to_the_host_has_the_fields_of_the_protocol_and_no_others():
    said = {}
    with conversation(GuestState()) as (_, host):
        for kind in TO_GUEST:
            host.send(type=kind, ports=[])
        host.send(type="ping", id="end")
        while (message := host.next()).get("id") != "end":
            said.setdefault(message.pop("type"), set()).update(message)
    assert set(FROM_GUEST) - set(said) == {"log"}
    assert [fields - set(FROM_GUEST[kind]) for kind, fields in said.items()] == [set()] * len(said)


def test_names_are_led_anew_only_where_they_lead_elsewhere(monkeypatch):
    """Else a copy's rules are those of the machine that was saved, and to say them again takes time."""
    led = []

    def redirect(at):
        led.append((at.udp, at.tcp))
        return "nft failed" if at.tcp == 3 else ""

    monkeypatch.setattr(host_connection.dns, "redirect", redirect)
    monkeypatch.setattr(host_connection.dns, "remove_redirect", lambda: led.append("cleared"))
    work = GuestState()
    with conversation(work) as (_, host):
        for udp, tcp in ((1, 2), (1, 2), (1, 3), (1, 3), (1, 2)):
            host.send(type="dns", udp=udp, tcp=tcp, server="192.168.5.3", gateway="192.168.5.2")
            assert host.expect("resolving")["error"] == ("nft failed" if tcp == 3 else "")
    work.close()
    assert led == [(1, 2), (1, 3), (1, 3), "cleared"]


def test_a_scan_that_fails_is_told_and_tried_again(monkeypatch, capfd):
    class Broken:
        failed = False

        def scan(self):
            if not self.failed:
                self.failed = True
                raise PermissionError("no /proc")
            return set()

        def close(self):
            pass

    work = GuestState()
    work.scanner.close()
    work.scanner = Broken()
    with conversation(work) as (_, host):
        host.expect("hello")
        assert host.expect("listeners")["removed"] == []
    assert "no /proc" in capfd.readouterr().err


class VsockCallers:
    """A listening vsock, and who calls there: (context, what it says)."""

    def __init__(self, *callers: tuple[int, bytes]) -> None:
        self.callers = [(*socket.socketpair(), context, said) for context, said in callers]
        self.bound: tuple[int, int] | None = None

    def bind(self, address: tuple[int, int]) -> None:
        self.bound = address

    def listen(self, _backlog: int) -> None:
        assert self.bound is not None

    def accept(self) -> tuple[socket.socket, tuple[int, int]]:
        near, far, context, said = self.callers.pop(0)
        far.sendall(said)
        far.close()
        return near, (context, 1023)

    def close(self) -> None:
        self.bound = None


def test_only_the_host_is_heard_on_vsock(monkeypatch):
    near = VsockCallers((1, b"a user of the guest"), (3, b"another guest"), (2, b"the host"))
    monkeypatch.setattr(transport.socket, "socket", lambda family, kind: near)
    server = transport.transport_for("vsock:2222")
    link = server.connect()
    assert link.read() == b"the host"
    assert near.bound == (socket.VMADDR_CID_ANY, 2222)
    link.close()
    server.close()
    assert near.bound is None


def test_a_target_is_a_port_or_a_socket():
    assert isinstance(transport.transport_for("unix:/run/x"), UnixServer)
    assert isinstance(transport.transport_for("vsock:2222"), VsockServer)
    assert isinstance(transport.transport_for("/dev/virtio-ports/x"), VirtioPort)


def test_a_port_without_its_link_is_found_by_name(tmp_path: Path):
    for number, name in enumerate(("org.qemu.guest_agent.0", "io.lima-vm.guest_agent.0")):
        (tmp_path / f"vport1p{number}").mkdir()
        (tmp_path / f"vport1p{number}" / "name").write_text(name + "\n")
    path = "/dev/virtio-ports-missing/io.lima-vm.guest_agent.0"
    assert transport.find_device(path, str(tmp_path)) == "/dev/vport1p1"
    assert transport.find_device("/nowhere/else", str(tmp_path)) == "/nowhere/else"


def test_a_port_that_was_replaced_is_another(tmp_path: Path):
    port = tmp_path / "port"
    port.touch()
    descriptor = os.open(port, os.O_RDWR)
    assert transport.is_same_file(descriptor, str(port))
    (tmp_path / "new").touch()
    (tmp_path / "new").rename(port)
    assert not transport.is_same_file(descriptor, str(port))
    port.unlink()
    assert not transport.is_same_file(descriptor, str(port))
    os.close(descriptor)


class Closing:
    """A packet filter whose events end with the first scan."""

    generation, pending, read_delay = None, False, math.inf

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int | None = descriptor

    def scan(self, _: float) -> Closed:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
        return Closed()

    def drain(self) -> bool:
        return False

    def close(self) -> None:
        pass


def test_a_descriptor_that_a_scan_closes_is_watched_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """poll(2) would report it all the time."""
    heard: list[float] = []
    near, far = socket.socketpair()
    work = GuestState()
    work.scanner.scan()  # opens its socket now, which would have the number of the closed one else
    reading, writing = os.pipe()
    with near:
        monkeypatch.setattr(work, "filter", Closing(reading))
        link = Link(far.detach())
        host = HostConnection(link, work)
        monkeypatch.setattr(host._schedule, "event_received", heard.append)
        host._watch_events()
        host._report_listeners(0.0)
        link.wait(0.0)
        assert heard == []
        link.close()
        work.close()
    os.close(writing)
