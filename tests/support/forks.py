# SPDX-License-Identifier: GPL-3.0-or-later
"""The process behind ``support.programs``: it has Ansible imported, and forks for each run.

usage: forks.py DESCRIPTOR, of a socket. A request is one byte with the descriptors that are to be 0, 1
and 2, and a line of JSON. The answers are two lines: the id of the process, and its exit status.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLIS = {
    "ansible": "adhoc",
    "ansible-doc": "doc",
    "ansible-inventory": "inventory",
    "ansible-playbook": "playbook",
}
MODULE = "module"
"""In place of a program's name: a module of the collection, whose arguments are on standard input."""


def preload() -> None:
    for name in CLIS.values():
        importlib.import_module(f"ansible.cli.{name}")
    for name in (
        "ansible.executor.process.worker",
        "ansible.module_utils.basic",
        "ansible.plugins.action.normal",
        "ansible.plugins.callback.default",
        "ansible.plugins.connection.local",
        "ansible.plugins.strategy.linear",
        "ansible.template",
        "callao.lifecycle",
    ):
        importlib.import_module(name)


def cli(program: str, words: list[str]) -> None:
    from ansible import constants

    # The run before has removed it at its end.
    Path(constants.DEFAULT_LOCAL_TMP).mkdir(parents=True, exist_ok=True)
    sys.argv = [str(Path(sys.executable).with_name(program)), *words]
    importlib.import_module(f"ansible.cli.{CLIS[program]}").main()


def module(name: str) -> None:
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
    basic._ANSIBLE_PROFILE = "legacy"
    runpy.run_module(f"ansible_collections.callao.lima.plugins.modules.{name}", run_name="__main__")


def become(request: dict[str, Any], descriptors: list[int]) -> Callable[[], None]:
    """In the fork: the process that was asked for, up to its first line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    program, *words = request["argv"]
    if program == MODULE:
        return lambda: module(words[0])
    return lambda: cli(program, words)


def serve(connection: socket.socket) -> Callable[[], None] | None:
    """Until the tests end; in a fork, what it has to do."""
    lines = connection.makefile("rb")
    while True:
        asked, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        if not asked:
            return None
        request = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            lines.close()
            connection.close()
            return become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(b"%d\n" % pid)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.pop(0)
    preload()
    gc.freeze()  # else the first collection of each fork copies every page
    if run := serve(socket.socket(fileno=int(sys.argv[1]))):
        run()
