# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.drivers.wsl2.winrm LINE``: runs a line of cmd on a Windows host by WinRM.

Its standard input and outputs are this process's, as they come, and so is its status: like ssh, it is the
program of a carrier. The login is in the environment, since it has a password: a JSON object with the client
library and its arguments. For a host that Ansible reaches by PSRP it is pypsrp, which has the same remote
shell on the same endpoint: pipelines of PowerShell pass on lines of text, and an export has other bytes.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, Protocol

LOGIN = "CALLAO_WINRM_LOGIN"

UNREACHABLE = 255
"""As ssh ends with, where there is no connection."""

_PIECE = 100_000
"""Bytes of standard input in one message. By default WinRM takes messages of 500 KB, and pypsrp's have 150.
"""


class Client(enum.Enum):
    """The library that speaks WinRM, by its Python package."""

    PYWINRM = "winrm"
    PYPSRP = "pypsrp"


class RemoteShell(Protocol):
    """A shell of Windows' with one command. Input and output are on connections of their own, since one is
    busy while it waits for output."""

    def start(self, line: str) -> None:
        """Have cmd run a line."""

    def send(self, data: bytes, *, end: bool = False) -> None:
        """Give the command standard input."""

    def receive(self) -> tuple[bytes, bytes, int | None]:
        """What it has written to both outputs meanwhile, and its status once it has ended."""

    def close(self) -> None:
        """End the command when it runs, and the shell."""


def main(argv: list[str]) -> int:
    given = os.environ.get(LOGIN)
    if given is None:
        sys.stderr.write(
            "WinRM: there is no login: without ssh to the Windows host, only Ansible can use instances.\n"
        )
        return UNREACHABLE
    arguments = json.loads(given)
    try:
        from requests.exceptions import RequestException

        shell, errors = _shell(Client(arguments.pop("client")), arguments)
    except ImportError as error:
        sys.stderr.write(
            f"WinRM: the Python package of {error.name} is missing: pip install callao[windows]\n"
        )
        return UNREACHABLE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(UNREACHABLE))
    failures: tuple[type[Exception], ...] = (*errors, RequestException, OSError)
    try:
        return _run(shell, argv[0])
    except failures as error:
        sys.stderr.write(f"WinRM: {error}\n")
        return UNREACHABLE


def _shell(client: Client, arguments: Mapping[str, Any]) -> tuple[RemoteShell, tuple[type[Exception], ...]]:
    """A shell that is to be opened, and the errors that it may raise."""
    if client is Client.PYPSRP:
        from pypsrp.exceptions import WinRMError as PypsrpError

        from callao.drivers.wsl2.pypsrp_shell import PypsrpShell

        return PypsrpShell(arguments), (PypsrpError,)
    from winrm.exceptions import WinRMError

    from callao.drivers.wsl2.pywinrm_shell import PywinrmShell

    return PywinrmShell(arguments), (WinRMError,)


def _run(shell: RemoteShell, line: str) -> int:
    try:
        shell.start(line)
        threading.Thread(target=_send, args=(shell,), daemon=True).start()
        while True:
            out, errors, status = shell.receive()
            for descriptor, data in ((1, out), (2, errors)):
                left = memoryview(data)
                while left:
                    left = left[os.write(descriptor, left) :]
            if status is not None:
                return status & 255
    finally:
        with contextlib.suppress(Exception):
            shell.close()


def _send(shell: RemoteShell) -> None:
    with contextlib.suppress(Exception):  # the program may have ended
        while data := os.read(0, _PIECE):
            shell.send(data)
        shell.send(b"", end=True)


def login(client: Client, **arguments: Any) -> str:
    """The value of the variable :data:`LOGIN`."""
    return json.dumps({"client": client.value, **arguments})


if __name__ == "__main__":
    result = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)  # a thread may still wait for standard input
