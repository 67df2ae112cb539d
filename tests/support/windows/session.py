# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m support.windows.session SHELL [LINE]``: a shell of Windows with its command line.

Without ``LINE`` it is the forced command of an sshd; ``SHELL`` is the DefaultShell of Windows' server.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from support.windows import sftp
from support.windows.shells import Command, NotUnderstood, cmd, powershell
from support.wsl import program, texts
from support.wsl.namespaces import die_with_parent


def main(shell: str, line: str) -> int:
    if line.split(" ")[0].endswith(("internal-sftp", "sftp-server")):
        return sftp.serve()
    return run(shell, line)


def run(shell: str, line: str) -> int:
    try:
        command = cmd(line, os.environ) if shell == "cmd" else powershell(line)
        if command.argv[:1] != ["wsl.exe"]:
            raise NotUnderstood(f"{command.argv[:1]} is not wsl.exe")
    except NotUnderstood as error:
        sys.stderr.write(f"{shell}: {error}\r\n")
        return 1
    return _started(command)


def _started(command: Command) -> int:
    if os.environ.get(texts.MODE) == "missing":
        sys.stderr.buffer.write(texts.not_found(command.argv[0]))
        return command.preset or (0 if command.stdin != "bytes" else 1)
    # On Windows a variable is there for all programs; on Linux WSLENV names those that are passed on.
    names = [*command.environment, command.environment.get("WSLENV", "")]
    environment = {**os.environ, **command.environment, "WSLENV": ":".join(names)}
    argv = [sys.executable, "-P", "-S", "-m", "support.wsl.program", *command.argv[1:]]
    if command.stdin == "bytes":
        os.environ.update(environment)
        return program.main(command.argv[1:])
    return _with_lines(argv, environment, command.stdin == "lines")


def _with_lines(argv: Sequence[str], environment: dict[str, str], wanted: bool) -> int:
    """PowerShell reads all of its standard input itself, also where the line does not ask for it."""
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE)
    stdin = process.stdin
    assert stdin is not None
    if not wanted:
        stdin.close()

    def feed(target: IO[bytes]) -> None:
        for text in sys.stdin.buffer:
            if wanted:
                with contextlib.suppress(BrokenPipeError):
                    ascii_ = text.decode("utf-8", "replace").encode("ascii", "replace")
                    target.write(ascii_.rstrip(b"\r\n") + b"\r\n")
                    target.flush()
        with contextlib.suppress(BrokenPipeError):
            target.close()

    threading.Thread(target=feed, args=(stdin,), daemon=True).start()
    status = process.wait()
    sys.stdout.flush()
    os._exit(status & 255)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(main(sys.argv[1], sys.argv[2]))
    die_with_parent()  # a session of ssh ends with its connection
    sys.exit(main(sys.argv[1], os.environ["SSH_ORIGINAL_COMMAND"]))
