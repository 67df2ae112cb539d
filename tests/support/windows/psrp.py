# SPDX-License-Identifier: GPL-3.0-or-later
"""Runspace pools of PowerShell as MS-PSRP has them, by psrpcore's server side.

A pipeline has one script, which the stand-in for PowerShell gets. As PowerShell does without a console, it
reads a program's standard output as lines of text in the code page of Windows, makes an error record of each
line of standard error, and writes input objects to its standard input as text.
"""

from __future__ import annotations

import base64
import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from psrpcore import (
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    PipelineInputEvent,
    PSRPPayload,
    ServerPipeline,
    ServerRunspacePool,
    StreamType,
)
from psrpcore.types import ErrorCategoryInfo, HostMethodIdentifier, NETException, PSInt

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_CODE_PAGE = "cp437"
_APPENDED = "\nexit $LASTEXITCODE"
"""What Ansible's plugin adds to each command."""

_LONGEST_ANSWER = 300_000


@dataclass
class Pool:
    """One shell of WinRM: the pool, and the processes of its pipelines.

    :ivar waiting: payloads that no client has fetched, by pipeline; those of the pool itself by None.
    """

    session: tuple[str, ...]
    environment: Mapping[str, str]
    pool: ServerRunspacePool = field(default_factory=ServerRunspacePool)
    news: threading.Condition = field(default_factory=threading.Condition)
    waiting: dict[uuid.UUID | None, list[bytes]] = field(default_factory=dict)
    processes: dict[uuid.UUID, subprocess.Popen[bytes]] = field(default_factory=dict)
    done: set[uuid.UUID] = field(default_factory=set)

    def take(self, data: bytes) -> None:
        """What a client has sent."""
        with self.news:
            self.pool.receive_data(PSRPPayload(data, StreamType.default, None))
            events = []
            while (event := self.pool.next_event()) is not None:
                events.append(event)
            for event in events:
                self._act(event)
            self._collect()

    def create_pipeline(self, identifier: str, data: bytes) -> None:
        with self.news:
            ServerPipeline(self.pool, uuid.UUID(identifier))
        self.take(data)

    def receive(self, identifier: str | None, seconds: float) -> str | None:
        """The body of an answer; None when nothing happens for a while."""
        key = uuid.UUID(identifier) if identifier else None
        with self.news:
            if not self.news.wait_for(lambda: self.waiting.get(key) or key in self.done, seconds):
                return None
            waiting = self.waiting.get(key, [])
            data = b""
            while waiting and len(data) < _LONGEST_ANSWER:
                data += waiting.pop(0)
            ended = key in self.done and not waiting
        about = f' CommandId="{identifier}"' if identifier else ""
        state = "Done" if ended else "Running"
        return (
            f'<r:ReceiveResponse><r:Stream Name="stdout"{about}>{base64.b64encode(data).decode()}</r:Stream>'
            f'<r:CommandState{about} State="{SHELL}/CommandState/{state}"/></r:ReceiveResponse>'
        )

    def end(self, identifier: str | None = None) -> None:
        """End one pipeline's process, or all."""
        keys = [uuid.UUID(identifier)] if identifier else list(self.processes)
        for key in keys:
            process = self.processes.get(key)
            if process is not None and process.poll() is None:
                process.kill()

    def _act(self, event: object) -> None:
        if isinstance(event, CreatePipelineEvent):
            self._start(event)
        elif isinstance(event, PipelineInputEvent):
            self._feed(self.processes[event.pipeline_id], event.data)
        elif isinstance(event, EndOfPipelineInputEvent):
            stdin = self.processes[event.pipeline_id].stdin
            assert stdin is not None
            stdin.close()

    def _start(self, event: CreatePipelineEvent) -> None:
        (command,) = event.pipeline.commands
        script = command.command_text
        assert command.is_script, script
        assert script.endswith(_APPENDED), script
        process = subprocess.Popen(
            [*self.session, "powershell", script.removesuffix(_APPENDED)],
            stdin=subprocess.DEVNULL if event.pipeline.no_input else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(self.environment),
        )
        pipeline = self.pool.pipeline_table[event.pipeline_id]
        pipeline.start()
        self.processes[event.pipeline_id] = process
        threading.Thread(target=self._follow, args=(pipeline, process), daemon=True).start()

    @staticmethod
    def _feed(process: subprocess.Popen[bytes], data: Any) -> None:
        stdin = process.stdin
        assert stdin is not None
        if isinstance(data, (bytes, bytearray)):  # its text is that of each number
            text = "".join(f"{each}\r\n" for each in data)
        else:
            text = f"{data}\r\n"
        try:
            stdin.write(text.encode("ascii", "replace"))
            stdin.flush()
        except BrokenPipeError:
            pass

    def _follow(self, pipeline: ServerPipeline, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        errors = threading.Thread(target=self._errors, args=(pipeline, process.stderr), daemon=True)
        errors.start()
        for text in process.stdout:
            with self.news:
                pipeline.write_output(text.rstrip(b"\r\n").decode(_CODE_PAGE))
                self._collect()
        errors.join()
        status = process.wait()
        with self.news:
            pipeline.host_call(HostMethodIdentifier.SetShouldExit, [PSInt(status)])
            pipeline.complete()
            self.done.add(pipeline.pipeline_id)
            self._collect()

    def _errors(self, pipeline: ServerPipeline, stderr: IO[bytes]) -> None:
        for text in stderr:
            with self.news:
                pipeline.write_error(
                    NETException(Message=text.rstrip(b"\r\n").decode(_CODE_PAGE)),
                    ErrorCategoryInfo(TargetName="x"),
                    fully_qualified_error_id="NativeCommandError",
                )
                self._collect()

    def _collect(self) -> None:
        while (payload := self.pool.data_to_send(100_000)) is not None:
            self.waiting.setdefault(payload.pipeline_id, []).append(payload.data)
        self.news.notify_all()
