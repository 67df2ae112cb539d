# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins for vfkit and krunkit, without a guest: command lines, REST services, signals, sockets."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from support.apple import krunkit_program, sockets, vfkit_program
from support.apple.install import install

from callao.drivers.apple.leases import address_of

DISK = "disk.raw"
MAC = "52:54:00:0a:0b:0c"


class Tools(NamedTuple):
    """``folder`` has a short name, for sockets; the programs work in it."""

    folder: Path
    running: list[subprocess.Popen[bytes]]

    def start(self, name: str, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
        program = str(self.folder / "bin" / name)
        process = subprocess.Popen(
            [program, *argv], cwd=self.folder, env={**os.environ, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.running.append(process)
        return process

    def vfkit(self, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
        """One that has started its machine, or has ended."""
        process = self.start("vfkit", *VFKIT, f"virtio-blk,path={DISK}", *argv, **environment)
        assert process.stderr is not None
        for line in process.stderr:
            if b"waiting for VM to stop" in line:
                break
        return process

    def krunkit(self, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
        """One that has written its pid file, or has ended."""
        process = self.start("krunkit", *KRUNKIT, *argv, "--pidfile", "pid", **environment)
        while process.poll() is None and not (self.folder / "pid").exists():
            select.select([], [], [], 0.01)
        return process


VFKIT = ("--bootloader", "efi,variable-store=store,create", "--device")
KRUNKIT = ("--cpus", "1", "--memory", "512")


@pytest.fixture
def tools() -> Iterator[Tools]:
    with tempfile.TemporaryDirectory(prefix="callao-", dir="/tmp") as name:
        folder = Path(name)
        install(folder / "bin", {"CALLAO_STAND_IN_GUEST": "none"})
        (folder / DISK).write_bytes(b"\0" * 512)
        tools = Tools(folder, [])
        yield tools
        for process in tools.running:
            process.kill()
            process.communicate()


def asked(path: Path, *pieces: bytes) -> bytes:
    """All that a service answers to what is sent at once."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(4096):
            answer += data
        return answer


def post(state: str) -> bytes:
    body = json.dumps({"state": state}).encode()
    return b"POST /vm/state HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


GET = b"GET /vm/state HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("program", "argv", "status"),
    [
        (vfkit_program, ["--device", "virtio-rng"], 1),
        (vfkit_program, [*VFKIT, "virtio-net,nat,unknown"], 1),
        (vfkit_program, ["--help"], 0),
        (krunkit_program, ["--cpus", "1"], 2),
        (krunkit_program, [*KRUNKIT, "--device", f"virtio-net,nat,mac={MAC}"], 2),
        (krunkit_program, ["--cpus", "0", "--memory", "1"], 1),
    ],
)
def test_a_refused_command_line_ends_with_the_status_of_the_program(
    program: ModuleType, argv: list[str], status: int
) -> None:
    assert program.main(argv) == status


def test_both_print_the_version_as_the_programs_do(tools: Tools) -> None:
    said = [tools.start(name, "--version").communicate()[0] for name in ("vfkit", "krunkit")]
    assert said == [b"vfkit version: v0.6.4\n", b"krunkit 1.3.1\n"]


def test_vfkit_accepts_a_stop_and_ends_with_its_machine(tools: Tools) -> None:
    rest = tools.folder / "rest"
    process = tools.vfkit("--restful-uri", f"unix://{rest}")
    answers = [
        asked(rest, request).split(b"\r\n")[0] for request in (post("Sleep"), b"GET /x HTTP/1.1\r\n\r\n")
    ]
    state = json.loads(asked(rest, GET).partition(b"\r\n\r\n")[2])
    stopped = asked(rest, post("Stop"))
    assert process.wait(20) == 0
    assert answers == [b"HTTP/1.1 500 Internal Server Error", b"HTTP/1.1 404 Not Found"]
    assert (state["state"], state["canHardStop"]) == ("VirtualMachineStateRunning", True)
    assert stopped.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert not rest.exists()


def test_a_killed_vfkit_leaves_its_rest_socket_and_the_next_one_ends_of_it(tools: Tools) -> None:
    rest = tools.folder / "rest"
    uri = ("--restful-uri", f"unix://{rest}")
    first = tools.vfkit(*uri)
    first.kill()
    first.wait()
    assert rest.exists()
    assert tools.vfkit(*uri).wait(20) == 1


def test_a_signal_shuts_vfkit_s_guest_down_and_ends_krunkit_at_once(tools: Tools) -> None:
    ended = []
    for process in (tools.vfkit(), tools.krunkit()):
        process.send_signal(signal.SIGTERM)
        ended.append(process.wait(20))
    assert ended == [0, -signal.SIGTERM]


def test_the_lease_of_a_nat_network_has_octets_without_zeros(tools: Tools) -> None:
    leases = tools.folder / "leases"
    tools.vfkit("--device", f"virtio-net,nat,mac={MAC}", CALLAO_STAND_IN_LEASES=str(leases))
    assert "\thw_address=1,52:54:0:a:b:c\n" in leases.read_text()


def test_machines_in_a_nat_network_have_an_address_each_and_the_same_again(tools: Tools) -> None:
    leases = tools.folder / "leases"
    macs = ("52:54:00:0a:0b:0c", "52:54:00:0a:0b:0d")
    for mac in (*macs, macs[0]):
        tools.vfkit("--device", f"virtio-net,nat,mac={mac}", CALLAO_STAND_IN_LEASES=str(leases))
    entries = [line for line in leases.read_text().split() if line.startswith("ip_address=")]
    assert entries[0] == entries[2]
    assert len(set(entries)) == 2
    assert address_of(macs[1], leases) == entries[1].removeprefix("ip_address=")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/run/a.sock", "/run/a.sock"),
        ("/a b/x.sock", "/a%20b/x.sock"),
        ("/ü/x.sock", "/%C3%BC/x.sock"),
        ("/a?b", "/a"),
        ("/a#b", "/a"),
        ("/%41", "/%41"),
    ],
)
def test_vfkit_makes_the_socket_of_a_connect_port_where_its_url_leads(url: str, path: str) -> None:
    assert sockets.connect_path_of_vfkit(url) == path


@pytest.mark.parametrize("url", ["x.sock", "/a%2", "/a\n"])
def test_vfkit_cannot_read_these_socket_urls(url: str) -> None:
    with pytest.raises(ValueError, match=r"parse|URL"):
        sockets.connect_path_of_vfkit(url)


def test_an_old_krunkit_powers_off_at_any_request_with_post_in_it(tools: Tools) -> None:
    rest = tools.folder / "rest"
    process = tools.krunkit("--restful-uri", f"unix://{rest}", CALLAO_STAND_IN_KRUNKIT_VERSION="1.2.1")
    running = asked(rest, b"GET /anything")
    stopping = asked(rest, b"GET /POST HTTP/1.1\r\n\r\n")
    assert process.wait(20) == 0
    assert running.endswith(b'\r\n\r\n{"state": "VirtualMachineStateRunning"}\0')
    assert stopping.endswith(b'{"state": "VirtualMachineStateStopping"}\0')
    assert rest.exists()


def test_a_new_krunkit_reads_its_requests_and_takes_one_write(tools: Tools) -> None:
    rest = tools.folder / "rest"
    process = tools.krunkit("--restful-uri", f"unix://{rest}")
    lines = [
        asked(rest, request).split(b"\r\n")[0]
        for request in (GET, b"GET /x HTTP/1.1\r\n\r\n", b"PUT /vm/state HTTP/1.1\r\n\r\n", post("Pause"))
    ]
    assert process.poll() is None
    stopped = asked(rest, post("Stop"))
    assert process.wait(20) == 0
    assert lines == [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 405 Method Not Allowed",
        b"HTTP/1.1 400 Bad Request",
    ]  # fmt: skip
    assert stopped.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_silent_client_holds_krunkit_s_service(tools: Tools) -> None:
    rest = tools.folder / "rest"
    tools.krunkit("--restful-uri", f"unix://{rest}")
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as second:
        silent.connect(str(rest))
        second.connect(str(rest))
        second.sendall(GET)
        assert select.select([second], [], [], 0.3)[0] == []
        silent.close()
        assert second.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_krunkit_refuses_a_vsock_socket_that_is_there_already(tools: Tools) -> None:
    (tools.folder / "agent.sock").touch()
    process = tools.krunkit("--device", "virtio-vsock,port=2222,socketURL=agent.sock,connect")
    assert process.wait(20) == 1


def test_an_injected_fault_ends_the_program(tools: Tools) -> None:
    faults = ("start-exit", "start-killed", "run-exit", "run-killed")
    argv = (*VFKIT, f"virtio-blk,path={DISK}")
    started = [tools.start("vfkit", *argv, CALLAO_STAND_IN_FAULTS=fault) for fault in faults]
    assert [process.wait(20) for process in started] == [1, -signal.SIGKILL, 0, -signal.SIGKILL]
