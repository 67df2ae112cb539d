# SPDX-License-Identifier: GPL-3.0-or-later
"""The SFTP server, loaded once in a process that forks one for each test."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

PATIENCE = 60.0

_LOADED = """
import json, os, signal, socket, sys, traceback
from callao.sftp.__main__ import main

def served(arguments, wire, words):
    for descriptor, standard in ((wire, 0), (wire, 1), (words, 2)):
        os.dup2(descriptor, standard)
    os.closerange(3, 64)
    os.chdir("/")
    sys.argv = ["callao.sftp", *arguments]
    try:
        return main()
    except BaseException:
        traceback.print_exc()
        return 1

def watched(arguments, wire, words, status):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os._exit(served(arguments, wire, words))
    os.closerange(0, 2)
    for descriptor in (wire, words):
        os.close(descriptor)
    os.write(status, b"%d\\n" % pid)
    os.write(status, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
asked = socket.socket(fileno=0)
while True:
    said, descriptors, _, _ = socket.recv_fds(asked, 65536, 3)
    if not said:
        break
    if os.fork() == 0:
        watched(json.loads(said), *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
"""


@dataclass(frozen=True)
class Served:
    """One server; ``stderr`` and ``status`` are the reading ends of pipes."""

    pid: int
    stderr: int
    status: int

    def wait(self) -> int:
        """Its exit status.

        :raises TimeoutError: when it does not end.
        """
        if not select.select([self.status], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the server {self.pid} does not end")
        return int(os.read(self.status, 64))

    def words(self) -> bytes:
        """What it said on standard error; waits for its end."""
        with os.fdopen(os.dup(self.stderr), "rb") as said:
            return said.read()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.stderr)
        os.close(self.status)


def serve(arguments: list[str], wire: socket.socket) -> Served:
    """A server whose standard input and output is ``wire``."""
    stderr, words = os.pipe()
    status, tell = os.pipe()
    socket.send_fds(_loaded(), [json.dumps(arguments).encode()], [wire.fileno(), words, tell])
    os.close(words)
    os.close(tell)
    return Served(int(os.read(status, 64).split(b"\n")[0]), stderr, status)


@functools.cache
def _loaded() -> socket.socket:
    """The way to the process that forks; it ends with us."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen([sys.executable, "-P", "-c", _LOADED], stdin=theirs, stdout=subprocess.DEVNULL)
    return ours
