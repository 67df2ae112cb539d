# SPDX-License-Identifier: GPL-3.0-or-later
"""A real sshd on a port of its own, and folders that make it look like a running instance's."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from callao.reach import Reach
from callao.ssh import Endpoint, known_hosts, render

USER = pwd.getpwuid(os.getuid()).pw_name


def keygen(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_JOIN = """\
import os, socket, sys, threading
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    while data := os.read(0, 65536):
        peer.sendall(data)
threading.Thread(target=send, daemon=True).start()
while data := peer.recv(65536):
    os.write(1, data)
"""
"""A proxy command: joins its standard input and output with a port."""


def proxied_reach(program: Path, port: int) -> Reach:
    """A way to the port by a proxy command alone, written to ``program``: the address leads nowhere."""
    program.write_text(_JOIN)
    return Reach(1, "192.0.2.1", (sys.executable, str(program), str(port)))


@dataclass
class Sshd:
    """A listening sshd; ``prefix`` runs it elsewhere, as ``ip netns exec`` does."""

    folder: Path
    port: int
    authorized: Path
    address: str = "127.0.0.1"
    mark: str = ""
    prefix: tuple[str, ...] = ()
    user_home: str = ""
    """The home directory of logins; the user's own if it is empty."""
    forced_command: str = ""
    """Runs in place of whatever a client asks for."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> Sshd:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.host_key.exists():
            keygen(self.host_key)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        # At the second level bash reads no .bashrc: the user's may take its time, or leave things behind
        # when it is killed.
        config.write_text(
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {self.authorized}\nPasswordAuthentication no\nStrictModes no\nUsePAM no\n"
            f"PermitRootLogin yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
            f"SetEnv CALLAO_MARK={self.mark}x SHLVL=1{f' HOME={self.user_home}' if self.user_home else ''}\n"
            + (f"ForceCommand {self.forced_command}\n" if self.forced_command else "")
        )
        log = (self.folder / "sshd.log").open("ab")
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
        assert program is not None
        self.process = subprocess.Popen(
            [*self.prefix, program, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        listening = f"Server listening on {self.address} port {self.port}"
        while listening not in (self.folder / "sshd.log").read_text():
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.01)
        (self.folder / "sshd.log").write_text("")
        return self

    def kill(self) -> None:
        """End the listener and every session, as the end of the machine does."""
        assert self.process is not None
        for process in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
            process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the listener only: sessions live on, as those of a machine that lost its network."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


@dataclass
class Box:
    """A Lima home with the key of its user, and instances pretending to run."""

    home: Path
    start: Callable[..., Sshd]

    @property
    def identity(self) -> Path:
        return self.home / "_config" / "user"

    def instance(self, name: str, sshd: Sshd, *, pid: int | None = None, reach: Reach | None = None) -> Path:
        """The folder of the instance ``name`` whose guest is that sshd.

        :param reach: how ssh gets there, where that is not by the sshd's own port.
        """
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        alias = f"lima-{name}"
        endpoint = Endpoint(
            alias=alias,
            reach=reach or Reach(sshd.port),
            user=USER,
            identity=self.identity,
            known_hosts=folder / "known_hosts",
            control_path=folder / "ssh.sock",
        )
        (folder / "ssh.config").write_text(render(endpoint))
        (folder / "known_hosts").write_text(known_hosts(alias, Path(f"{sshd.host_key}.pub").read_text()))
        (folder / "ha.pid").write_text(f"{sshd.pid if pid is None else pid}\n")
        (folder / "lima.yaml").write_text("images:\n- location: /nowhere.qcow2\n")
        return folder
