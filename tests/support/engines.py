# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest with Debian's container engines, set up by the collection's role, and images made by hand in it.

The guest has no network: its golden image has the packages, and no registry is asked.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.instances import InstancePaths
from callao.ports import any_free, is_free
from support.connection import instances, run
from support.home import Golden, Home, build_golden, temporary_home

NAME = "engines"
PATIENCE = 180.0

PACKAGES = (
    "docker.io,podman,crun,containers-storage,netavark,aardvark-dns,containerd,iptables,uidmap,"
    "dbus-user-session,slirp4netns,fuse-overlayfs,rootlesskit,apparmor,busybox-static,qemu-user-static"
)

PLAY = """
- hosts: guests
  gather_facts: false
  roles:
    - role: callao.lima.container_engine
      vars:
        container_engine_name: {engine}
        container_engine_mode: {mode}
        container_engine_host_socket: {socket}
"""

FOREIGN = bytes.fromhex("200080d201010010820180d2080880d2010000d4000080d2a80b80d2010000d41f2003d5")
"""Machine code of aarch64 that writes the twelve bytes after it, and exits."""

FOREIGN_TEXT = b"from aarch64"

ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 53))
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(b"echo " + data, peer)
"""
"""For the guest's Python, whose /usr a container has as a volume: busybox's web server is for TCP alone."""

HTTPD = "exec /bin/busybox httpd -f -p 80 -h /www"
SERVE = ("/bin/busybox", "sh", "-c", f"/usr/bin/python3 /echo.py & {HTTPD}")
"""The command of a container that serves a page on port 80 and echoes datagrams on port 53."""

DOCKERFILE = 'FROM scratch\nCOPY . /\nCMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]\n'


def build_engines() -> Golden:
    """With container engines of Debian's, and a static program to make images of."""
    return build_golden(packages=PACKAGES)


def foreign_program() -> bytes:
    """A static ELF program of aarch64 that writes one line; see elf(5)."""
    base, header = 0x400000, 64 + 56
    code = FOREIGN + FOREIGN_TEXT
    size = header + len(code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    elf = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 0xB7, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000) + code


@dataclass
class Engines:
    """A running guest with engines."""

    home: Home
    folder: Path
    """For what the host needs: Ansible's files, the client of Docker."""
    everywhere: int
    """A port that a rule opens on every address of the host."""

    def run(self, command: str, timeout: float = PATIENCE) -> str:
        """Standard output of a command in the guest."""
        done = self.home.ssh(NAME, command, timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def socket(self, engine: str) -> Path:
        """The engine's socket on the host."""
        return InstancePaths(self.home.path / NAME).sock_dir / f"{engine}.sock"

    def docker(self, engine: str, *words: str, input: bytes | None = None) -> str:  # noqa: A002
        """Docker's client on the host, which Podman answers, too."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket(engine)}", "DOCKER_BUILDKIT": "0"}
        environment["DOCKER_CONFIG"] = str(self.folder)
        argv = [str(self.folder / "docker"), *words]
        done = subprocess.run(argv, env=environment, input=input, capture_output=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode().strip()

    def copy_from_guest(self, source: str, target: Path) -> None:
        self._copy(f"{NAME}:{source}", str(target))

    def copy_to_guest(self, source: Path, target: str) -> None:
        self._copy(str(source), f"{NAME}:{target}")

    def _copy(self, *words: str) -> None:
        argv = [sys.executable, "-m", "callao.cli.main", "copy", *words]
        subprocess.run(argv, env={**os.environ, "LIMA_HOME": str(self.home.path)}, check=True)

    def play(self, engine: str, mode: str, socket: str) -> str:
        """Run the role; returns the recap. ``socket`` is the host's, below the instance's folder."""
        path = self.folder / "play.yml"
        path.write_text(PLAY.format(engine=engine, mode=mode, socket=socket))
        here = {"home": self.home.path, "control_dir": self.folder}
        done = run("ansible-playbook", instances(NAME), str(path), **here)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip().splitlines()[-1]


@contextmanager
def running_engines() -> Iterator[Engines]:
    """The guest, with nothing set up yet, and the host with Docker's client, which is the guest's."""
    golden = build_engines()
    with temporary_home(golden) as home:
        folder = home.path / "host"
        folder.mkdir()
        everywhere = any_free()
        rules = [{"guestIP": "0.0.0.0", "guestPort": everywhere, "hostIP": "0.0.0.0"}]
        extra: dict[str, Any] = {**home.direct(), "memory": "2GiB", "portForwards": rules}
        extra["binfmt"] = ["arm64"]
        home.ensure(NAME, extra=extra, timeout=900)
        engines = Engines(home, folder, everywhere)
        engines.copy_from_guest("/usr/bin/docker", folder / "docker")
        (folder / "docker").chmod(0o755)
        yield engines


def image_folder(engines: Engines, **files: bytes) -> Path:
    """A build context on the host: busybox of the guest's, a page, and a Dockerfile."""
    context = engines.folder / "image"
    for name in ("bin", "www", "tmp", "usr"):
        (context / name).mkdir(parents=True, exist_ok=True)
    busybox = context / "bin" / "busybox"
    engines.copy_from_guest("/usr/bin/busybox", busybox)
    busybox.chmod(0o755)
    (context / "www" / "index.html").write_text("by hand\n")
    for library in ("lib", "lib64"):
        (context / library).symlink_to(f"usr/{library}")
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "echo.py").write_text(ECHO)
    for name, data in files.items():
        (context / "bin" / name).write_bytes(data)
        (context / "bin" / name).chmod(0o755)
    return context


def page(port: int, address: str = "127.0.0.1") -> str:
    """What the container's web server on this port of the host answers."""
    with urllib.request.urlopen(f"http://{address}:{port}/", timeout=30) as answer:
        return str(answer.read().decode().strip())


def eventually(ask: Callable[[], str]) -> str:
    """The first answer, once the port is open."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def port_for_datagrams() -> int:
    """A free one below those of clients, which are not forwarded by themselves."""
    return next(port for port in range(20000, 32768) if is_free("udp", "127.0.0.1", port))


def udp_answer(port: int) -> str:
    """What the server of datagrams on this port of the host sends back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", port))
        if client.getsockname()[1] == port:  # the kernel's choice of a port: it would hear itself
            raise ConnectionRefusedError
        client.send(b"hello")
        return client.recv(100).decode()


def answers(engines: Engines, engine: str, rounds: int) -> list[str]:
    """What containers that publish one port one after another answer: each has its number as its page."""
    port, found = any_free(), []
    options = ("--detach", "--name=next", f"--publish={port}:80", "hand", "/bin/busybox", "sh", "-c")
    for number in range(rounds):
        engines.docker(engine, "run", *options, f"echo {number} >/www/index.html; {HTTPD}")
        found.append(eventually(lambda: page(port)))
        engines.docker(engine, "rm", "--force", "next")
    return found


def info(engines: Engines, engine: str) -> dict[str, Any]:
    """``docker info`` by the client on the host."""
    found: dict[str, Any] = json.loads(engines.docker(engine, "info", "--format", "{{json .}}"))
    return found
