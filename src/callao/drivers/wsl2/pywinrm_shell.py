# SPDX-License-Identifier: GPL-3.0-or-later
"""WinRM's remote shell by pywinrm, see :mod:`callao.drivers.wsl2.winrm`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol

_UTF8 = 65001


class PywinrmShell:
    """``arguments`` are those of pywinrm's ``Protocol``."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._receiving, self._sending = Protocol(**arguments), Protocol(**arguments)
        self._shell = self._command = ""

    def start(self, line: str) -> None:
        self._shell = self._receiving.open_shell(codepage=_UTF8)
        self._command = self._receiving.run_command(self._shell, line, console_mode_stdin=False)

    def send(self, data: bytes, *, end: bool = False) -> None:
        self._sending.send_command_input(self._shell, self._command, data, end=end)

    def receive(self) -> tuple[bytes, bytes, int | None]:
        try:
            out, errors, status, ended = self._receiving.get_command_output_raw(self._shell, self._command)
        except WinRMOperationTimeoutError:  # nothing to say for a while
            return b"", b"", None
        return out, errors, status if ended else None

    def close(self) -> None:
        if self._command:
            with contextlib.suppress(Exception):
                self._receiving.cleanup_command(self._shell, self._command)
        if self._shell:
            self._receiving.close_shell(self._shell)
