# SPDX-License-Identifier: GPL-3.0-or-later
"""A WinRM endpoint on loopback: the remote shell of MS-WSMV, by HTTP with Basic authentication, and runspace
pools of PowerShell.

Of commands it knows powershell.exe with an encoded command, which it gives to the stand-in for PowerShell,
and what begins with "set", which it gives to that for cmd.exe, as the real one gives all.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape

from support.windows.psrp import Pool
from support.wsl.store import STATE

USER, PASSWORD = "ana", "s3cret"

_TESTS = Path(__file__).parents[2]
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "r": _SHELL,
    "t": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "p": "http://schemas.microsoft.com/powershell",
}
_POOL_PREFIX = "http://schemas.microsoft.com/powershell/"
"""Of the resource of a runspace pool; what follows is the configuration's name."""

_ENVELOPE = (
    "<s:Envelope "
    + " ".join(f'xmlns:{name}="{uri}"' for name, uri in _NAMESPACES.items())
    + "><s:Header><a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{}</s:Body></s:Envelope>"
)
_TIMED_OUT = (
    "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>timed out</s:Text></s:Reason>"
    '<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
    'Code="2150858793"/></s:Detail></s:Fault>'
)
_ENCODED = re.compile(
    r"powershell(?:\.exe)? -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand (\S+)",
    re.IGNORECASE,
)
_SESSION = (sys.executable, "-P", "-S", "-m", "support.windows.session")
_COMMON = ("ansible_host", "ansible_port", "ansible_user", "ansible_password", "callao_wsl_home")
_LONGEST = 8191
_POLL_SECONDS = 5.0


@dataclass
class _Command:
    """A program and what it has written that no client has fetched."""

    process: subprocess.Popen[bytes]
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    news: threading.Condition = field(default_factory=threading.Condition)
    written: list[tuple[str, bytes]] = field(default_factory=list)
    open_pipes: int = 2

    def start(self) -> None:
        for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            assert pipe is not None
            threading.Thread(target=self._read, args=(name, pipe), daemon=True).start()

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        while data := os.read(pipe.fileno(), 65536):
            with self.news:
                self.written.append((name, data))
                self.news.notify_all()
        with self.news:
            self.open_pipes -= 1
            self.news.notify_all()

    def receive(self) -> str | None:
        """The body of an answer; None when nothing happens for a while."""
        with self.news:
            if not self.news.wait_for(lambda: self.written or not self.open_pipes, _POLL_SECONDS):
                return None
            written, self.written = self.written, []
            ended = not self.open_pipes
        streams = "".join(
            f'<r:Stream Name="{name}" CommandId="{self.identifier}">'
            f"{base64.b64encode(data).decode()}</r:Stream>"
            for name, data in written
        )
        state = f"{_SHELL}/CommandState/{'Done' if ended else 'Running'}"
        code = f"<r:ExitCode>{self.process.wait() & 0xFFFFFFFF}</r:ExitCode>" if ended else ""
        return (
            f"<r:ReceiveResponse>{streams}"
            f'<r:CommandState CommandId="{self.identifier}" State="{state}">{code}</r:CommandState>'
            "</r:ReceiveResponse>"
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self._answer(401, "", "")
            return
        root = ET.fromstring(body)
        message = root.findtext(".//a:MessageID", "", _NAMESPACES)
        action = (root.findtext(".//a:Action", "", _NAMESPACES)).rpartition("/")[2]
        answer = getattr(self, f"_{action.lower()}")(root)
        if answer is None:
            self._answer(500, _TIMED_OUT, message)
        else:
            self._answer(200, answer, message)

    def _answer(self, status: int, body: str, message: str) -> None:
        data = _ENVELOPE.format(message, body).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="WSMAN"')
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _pool(self, root: ET.Element) -> Pool | None:
        """The runspace pool that a request is about."""
        return self.server.pools.get(root.findtext(".//w:Selector[@Name='ShellId']", "", _NAMESPACES))

    def _create(self, root: ET.Element) -> str:
        shell = root.find(".//r:Shell", _NAMESPACES)
        assert shell is not None
        identifier = shell.get("ShellId") or str(uuid.uuid4()).upper()
        if root.findtext(".//w:ResourceURI", "", _NAMESPACES).startswith(_POOL_PREFIX):
            self.server.pools[identifier] = pool = self.server.new_pool()
            pool.take(base64.b64decode(root.findtext(".//p:creationXml", "", _NAMESPACES)))
        return (
            "<t:ResourceCreated><a:ReferenceParameters><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{identifier}</w:Selector>'
            "</w:SelectorSet></a:ReferenceParameters></t:ResourceCreated>"
            f"<r:Shell><r:ShellId>{identifier}</r:ShellId></r:Shell>"
        )

    def _command(self, root: ET.Element) -> str:
        if (pool := self._pool(root)) is not None:
            line = root.find(".//r:CommandLine", _NAMESPACES)
            assert line is not None
            identifier = line.attrib["CommandId"]
            pool.create_pipeline(
                identifier, base64.b64decode(root.findtext(".//r:Arguments", "", _NAMESPACES))
            )
            return f"<r:CommandResponse><r:CommandId>{identifier}</r:CommandId></r:CommandResponse>"
        words = [
            root.findtext(".//r:Command", "", _NAMESPACES),
            root.findtext(".//r:Arguments", "", _NAMESPACES),
        ]
        line = " ".join(word for word in words if word)
        console = root.findtext(".//w:Option[@Name='WINRS_CONSOLEMODE_STDIN']", "", _NAMESPACES)
        command = self.server.run(line, console == "TRUE")
        return f"<r:CommandResponse><r:CommandId>{command.identifier}</r:CommandId></r:CommandResponse>"

    def _send(self, root: ET.Element) -> str:
        stream = root.find(".//r:Stream", _NAMESPACES)
        assert stream is not None
        if (pool := self._pool(root)) is not None:
            pool.take(base64.b64decode(stream.text or ""))
            return "<r:SendResponse/>"
        stdin = self.server.commands[stream.attrib["CommandId"]].process.stdin
        assert stdin is not None, "standard input is a console"
        with suppress(BrokenPipeError):
            stdin.write(base64.b64decode(stream.text or ""))
            stdin.flush()
            if stream.get("End", "").lower() == "true":
                stdin.close()
        return "<r:SendResponse/>"

    def _receive(self, root: ET.Element) -> str | None:
        wanted = root.find(".//r:DesiredStream", _NAMESPACES)
        assert wanted is not None
        if (pool := self._pool(root)) is not None:
            return pool.receive(wanted.get("CommandId"), _POLL_SECONDS)
        return self.server.commands[wanted.attrib["CommandId"]].receive()

    def _signal(self, root: ET.Element) -> str:
        signal = root.find(".//r:Signal", _NAMESPACES)
        assert signal is not None
        if (pool := self._pool(root)) is not None:
            pool.end(signal.attrib["CommandId"])
            return "<r:SignalResponse/>"
        command = self.server.commands.pop(signal.attrib["CommandId"], None)
        if command is not None and command.process.poll() is None:
            command.process.kill()
        return "<r:SignalResponse/>"

    def _delete(self, root: ET.Element) -> str:
        if (pool := self._pool(root)) is not None:
            pool.end()
        return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commands: dict[str, _Command] = {}
        self.pools: dict[str, Pool] = {}
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_TESTS), STATE: str(state)}

    def end(self) -> None:
        """End what no client has ended."""
        for pool in self.pools.values():
            pool.end()
        for command in self.commands.values():
            if command.process.poll() is None:
                command.process.kill()

    def new_pool(self) -> Pool:
        return Pool(_SESSION, self._environment)

    def run(self, line: str, console: bool) -> _Command:
        found = _ENCODED.fullmatch(line)
        if line.startswith("set "):
            words = [*_SESSION, "cmd", line]
        elif len(line) > _LONGEST:
            words = ["sh", "-c", "echo The command line is too long. >&2; exit 1"]
        elif found is None:
            words = ["sh", "-c", 'printf "%s" "$1" >&2; exit 1', "sh", f"not known: {escape(line)}"]
        else:
            text = base64.b64decode(found[1]).decode("utf-16-le")
            words = [*_SESSION, "powershell", text]
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if console else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        command = _Command(process)
        self.commands[command.identifier] = command
        command.start()
        return command


@contextmanager
def psrp_host(state: Path) -> Iterator[dict[str, Any]]:
    """The same by Ansible's plugin for runspace pools."""
    with winrm_host(state) as variables:
        yield {
            "ansible_connection": "psrp",
            "ansible_psrp_protocol": "http",
            "ansible_psrp_auth": "basic",
            "ansible_psrp_message_encryption": "never",
            **{name: variables[name] for name in _COMMON},
        }


@contextmanager
def winrm_host(state: Path) -> Iterator[dict[str, Any]]:
    """The variables of a host in an inventory that has it.

    :param state: the distributions, see :mod:`support.wsl.store`.
    """
    server = _Server(state)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "ansible_connection": "winrm",
            "ansible_host": "127.0.0.1",
            "ansible_port": server.server_port,
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": "basic",
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "callao_wsl_home": "C:\\callao",
        }
    finally:
        server.shutdown()
        server.server_close()
        server.end()
        thread.join()
