# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.drivers.wsl2.winrm LINE``: runs a line of cmd on a Windows host by WinRM.

Its standard input and outputs are this process's, as they come, and so is its status: like ssh, it is the
program of a carrier. The login is in the environment, since it has a password: a JSON object with the
arguments of pywinrm's ``Protocol``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winrm.protocol import Protocol

LOGIN = "CALLAO_WINRM_LOGIN"

UNREACHABLE = 255
"""As ssh ends with, where there is no connection."""

_PIECE = 200_000
"""Bytes of standard input in one message: by default WinRM takes messages of 500 KB."""


def main(argv: list[str]) -> int:
    login = os.environ.get(LOGIN)
    if login is None:
        sys.stderr.write(
            "WinRM: there is no login: without ssh to the Windows host, only Ansible can use instances.\n"
        )
        return UNREACHABLE
    try:
        from requests.exceptions import RequestException
        from winrm.exceptions import WinRMError
        from winrm.protocol import Protocol
    except ImportError as error:
        sys.stderr.write(
            f"WinRM: the Python package of {error.name} is missing: pip install callao[windows]\n"
        )
        return UNREACHABLE
    arguments = json.loads(login)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(UNREACHABLE))
    try:
        # Two connections, since one is busy while it waits for output.
        return _run(Protocol(**arguments), Protocol(**arguments), argv[0])
    except (WinRMError, RequestException, OSError) as error:
        sys.stderr.write(f"WinRM: {error}\n")
        return UNREACHABLE


def _run(receiving: Protocol, sending: Protocol, line: str) -> int:
    shell = receiving.open_shell(codepage=65001)
    try:
        command = receiving.run_command(shell, line, console_mode_stdin=False)
        threading.Thread(target=_send, args=(sending, shell, command), daemon=True).start()
        try:
            return _receive(receiving, shell, command)
        finally:
            with contextlib.suppress(Exception):
                receiving.cleanup_command(shell, command)
    finally:
        with contextlib.suppress(Exception):
            receiving.close_shell(shell)


def _receive(protocol: Protocol, shell: str, command: str) -> int:
    from winrm.exceptions import WinRMOperationTimeoutError

    while True:
        try:
            out, errors, status, ended = protocol.get_command_output_raw(shell, command)
        except WinRMOperationTimeoutError:  # nothing to say for a while
            continue
        for descriptor, data in ((1, out), (2, errors)):
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
        if ended:
            return status & 255


def _send(protocol: Protocol, shell: str, command: str) -> None:
    with contextlib.suppress(Exception):  # the program may have ended
        while data := os.read(0, _PIECE):
            protocol.send_command_input(shell, command, data)
        protocol.send_command_input(shell, command, b"", end=True)


def login(endpoint: str, transport: str, **others: Any) -> str:
    """The value of the variable :data:`LOGIN`."""
    return json.dumps({"endpoint": endpoint, "transport": transport, **others})


if __name__ == "__main__":
    result = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)  # a thread may still wait for standard input
