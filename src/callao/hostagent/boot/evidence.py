# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of what explains a failed start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from callao.drivers import Log
from callao.printable import printable
from callao.ssh import Client

_LINES = 25


def tail(path: Path, lines: int = _LINES) -> str:
    """The last lines of a log, without terminal sequences; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    kept = [line.rstrip() for line in printable(text).splitlines() if line.strip()]
    return "\n".join(kept[-lines:])


def of_machine(logs: Iterable[Log]) -> str:
    """What the hypervisor and the guest's console said last."""
    parts = [(log.name, tail(log.path)) for log in logs]
    return "\n".join(f"--- {name}, last lines:\n{text}" for name, text in parts if text)


async def of_boot(client: Client) -> str:
    """The end of the log in which the boot scripts' output is; it has this name without cloud-init, too."""
    script = f"sudo -n tail -n {_LINES} /var/log/cloud-init-output.log\n"
    try:
        answer = await client.run(script, timeout=30.0)
    except TimeoutError:
        return ""
    text = printable(answer.stdout or answer.stderr).rstrip()
    return f"--- the boot scripts' output, last lines:\n{text}" if text else ""
