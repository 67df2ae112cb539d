# SPDX-License-Identifier: GPL-3.0-or-later
"""WinRM's remote shell by pypsrp, see :mod:`callao.drivers.wsl2.winrm`."""

from __future__ import annotations

import contextlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import CommandState, SignalCode, WinRS
from pypsrp.wsman import NAMESPACES, OptionSet, WSMan

_UTF8 = 65001
_TIMED_OUT = 2150858793
"""WSMan's code for an operation that had nothing to say for a while."""


class PypsrpShell:
    """``arguments`` are those of pypsrp's ``WSMan``."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._receiving = _PipedShell(WSMan(**arguments), codepage=_UTF8)
        self._sending = WSMan(**arguments)
        self._command = ""

    def start(self, line: str) -> None:
        self._receiving.open()
        self._command = self._receiving.run(line)

    def send(self, data: bytes, *, end: bool = False) -> None:
        self._receiving.on(self._sending).send("stdin", data, self._command, end)

    def receive(self) -> tuple[bytes, bytes, int | None]:
        try:
            state, status, outputs = self._receiving.receive("stdout stderr", self._command)
        except WSManFaultError as error:
            if error.code != _TIMED_OUT:
                raise
            return b"", b"", None
        ended = state == CommandState.DONE
        return outputs["stdout"], outputs["stderr"], (status or 0) if ended else None

    def close(self) -> None:
        if self._command:
            with contextlib.suppress(Exception):
                self._receiving.signal(SignalCode.TERMINATE, self._command)
        self._receiving.close()


class _PipedShell(WinRS):
    """Gives its command a pipe as standard input, where WinRS leaves it at a console, which reads text."""

    def run(self, line: str) -> str:
        command = ET.Element(f"{{{NAMESPACES['rsp']}}}CommandLine")
        ET.SubElement(command, f"{{{NAMESPACES['rsp']}}}Command").text = line
        options = OptionSet()
        options.add_option("WINRS_CONSOLEMODE_STDIN", "FALSE")
        options.add_option("WINRS_SKIP_CMD_SHELL", "FALSE")
        answer = self.wsman.command(
            self.resource_uri, command, option_set=options, selector_set=self._selector_set
        )
        found = answer.findtext("rsp:CommandResponse/rsp:CommandId", None, NAMESPACES)
        if found is None:
            raise OSError("the host has told no id of the command")
        return found

    def on(self, wsman: WSMan) -> WinRS:
        """The same shell on another connection."""
        other = WinRS(wsman, id=self.id)
        other._selector_set = self._selector_set
        return other
